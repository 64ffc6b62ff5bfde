"""What stands on an AGP report: figures of an issued outcome, the daily profile and each day's curve, in one unit.

After the single page report that the consensus asks for (Battelino 2019, Diabetes Care 42:1593; Danne 2017): statistics
with their goals, time in ranges, the ambulatory glucose profile, and a picture of each day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np

from clinical.issued import IssuedOutcome
from clinical.outcomes.daily_profile import agp
from clinical.outcomes.elements import BIN_MINUTES, Element, cell_parts
from clinical.outcomes.levels import F64, I64, MICRO, MICRO_PER_STEP
from clinical.outcomes.targets import Goal, TargetSet, Thresholds

Unit = Literal["mg/dL", "mmol/L"]

PROFILE_BIN_MINUTES: Final = 30
_GAP_BINS: Final = 6
"""A pause of more than 30 minutes is not drawn over."""


@dataclass(frozen=True, slots=True)
class DayCurve:
    """One local day. `pieces`: stretches of (minute of the day, glucose) without a pause of more than 30 minutes."""

    day: date
    pieces: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class AgpReport:
    """All that is drawn. Glucose is in `unit`. `edges`: the five bands' thresholds in it. `percentiles[bin, i]`: the
    smoothed 5, 25, 50, 75 and 95 per cent curves every half hour, NaN without readings."""

    outcome: IssuedOutcome
    targets: TargetSet
    unit: Unit
    percentiles: F64
    days: tuple[DayCurve, ...]
    patient: str | None = None

    @property
    def edges(self) -> Mapping[str, float]:
        """Thresholds in the report's unit."""
        chosen: Thresholds = self.targets.mg_dl if self.unit == "mg/dL" else self.targets.mmol_l
        scale = 1 if self.unit == "mg/dL" else 10
        return {name: getattr(chosen, name) / scale for name in chosen.__slots__}

    @property
    def goals(self) -> Mapping[str, Goal]:
        """By what they are about."""
        return {goal.measure: goal for goal in self.targets.goals}

    def glucose(self, value: float) -> str:
        """A value for people: whole mg/dL, tenths of mmol/L."""
        return f"{value:.0f}" if self.unit == "mg/dL" else f"{value:.1f}"


def agp_report(
    outcome: IssuedOutcome,
    days: Sequence[Element],
    whole: Element,
    targets: TargetSet,
    unit: Unit,
    patient: str | None = None,
) -> AgpReport:
    """The report of an outcome. `days`: the elements of its window's local days, in order; `whole`: of the window.
    `patient`: what names them on the page, or None for a page without a name."""
    first = date.fromisoformat(outcome.period.first_day)
    scale = 1.0 if unit == "mg/dL" else 100_000 / MICRO_PER_STEP[1]
    return AgpReport(
        outcome=outcome,
        targets=targets,
        unit=unit,
        percentiles=agp(whole, PROFILE_BIN_MINUTES).smoothed() * scale,
        days=tuple(DayCurve(first + timedelta(days=n), _curve(each, unit)) for n, each in enumerate(days)),
        patient=patient,
    )


def _curve(day: Element, unit: Unit) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Readings by their five-minute place in the day; of several in one the mean."""
    _, bins, level = cell_parts(day.cells)
    if not bins.size:
        return ()
    values = MICRO[level] / (1e6 if unit == "mg/dL" else MICRO_PER_STEP[1] * 10)
    places, owner = np.unique(bins, return_inverse=True)
    heights = np.bincount(owner, weights=values) / np.bincount(owner)
    cuts = np.flatnonzero(np.diff(places) > _GAP_BINS) + 1
    return tuple(_points(p, h) for p, h in zip(np.split(places, cuts), np.split(heights, cuts), strict=True))


def _points(places: I64, heights: F64) -> tuple[tuple[float, float], ...]:
    minutes = (places * BIN_MINUTES).tolist()
    return tuple(zip(map(float, minutes), map(float, heights.tolist()), strict=True))
