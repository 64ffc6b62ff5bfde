"""What a case is, and the small language in which cases are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes.cleaning import Readings, readings, slots
from clinical.outcomes.figures import Figures, Shares
from clinical.outcomes.profile import ISLET, Profile
from clinical.outcomes.reasons import Span, disjoint
from clinical.outcomes.results import Outcome, outcome
from clinical.outcomes.stretches import element
from clinical.outcomes.windows import Window, days_ending

MINUTE: Final = 60_000
DAY: Final = date(2024, 2, 5)
UTC_ZONE: Final = ZoneInfo("UTC")
MG_DL, MMOL_L = 0, 1

Figure = float | int | str | None


@dataclass(frozen=True, slots=True)
class Case:
    """`given`: the readings, in words. `figure`: what is looked at, and its unit. `expected`: worked out by hand, `why`
    says how. `got`: computes it. Equal within `tolerance`."""

    given: str
    figure: str
    expected: Figure
    why: str
    got: Callable[[], Figure]
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A definition, its source, and its cases."""

    title: str
    definition: str
    source: str
    cases: tuple[Case, ...]


def midnight(day: date = DAY) -> int:
    """UTC milliseconds of a UTC midnight."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def at(values: Sequence[int], *, hour: float = 0, unit: int = MG_DL, minutes: int = 5, day: date = DAY) -> Readings:
    """Readings one after the other, in steps of the unit, from an hour of a UTC day."""
    start = midnight(day) + round(hour * 60 * MINUTE)
    return readings(start + np.arange(len(values)) * minutes * MINUTE, values, unit, minutes * 60)


def both(*parts: Readings) -> Readings:
    """All of them together."""
    names = ("millis", "steps", "unit", "interval_seconds", "detection", "stream", "rank")
    return Readings(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def on(given: Readings, window: Window | None = None, profile: Profile = ISLET, spans: Sequence[Span] = ()) -> Outcome:
    """The outcome of a day in UTC, or of another window."""
    over = window or days_ending(DAY, 1, UTC_ZONE)
    apart = disjoint(spans)
    return outcome(element(slots(given, apart), over, profile, apart), over, profile)


def share(found: Outcome) -> Shares:
    """The shares of an outcome that has readings."""
    if found.shares is None:
        raise LookupError("the case has no readings that count")
    return found.shares


def figure(found: Outcome) -> Figures:
    """The figures of an outcome that has readings."""
    if found.figures is None:
        raise LookupError("the case has no readings that count")
    return found.figures
