"""Target sets: where the five bands lie, in steps of each unit, and what share of time a patient should reach.

Bands and goals of the shipped sets: international consensus on time in range (Battelino 2019, Diabetes Care 42:1593),
as kept by the ADA Standards of Care 2024 and 2025; tight range 70 to 140 mg/dL: ISPAD 2024.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import HIGHEST_STEPS, LOWEST_STEPS, MICRO_PER_STEP, STEPS_PER_UNIT, UNITS

Number = TypeVar("Number", bound=np.generic)

_ROUNDING_STEPS = 1.0
"""Thresholds of the two units must mean the same but for rounding: less than one step of the coarser unit apart."""


class Band(IntEnum):
    """The five disjoint bands. Cumulative shares (all below, all above) are sums of them."""

    VERY_LOW = 0
    LOW = 1
    IN_RANGE = 2
    HIGH = 3
    VERY_HIGH = 4


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Edges in steps of one unit. Very low: below `very_low`; low: below `low`; high: above `high`; very high: above
    `very_high`; in range and tight range include both edges (`low` to `high`, `low` to `tight_high`)."""

    very_low: int
    low: int
    tight_high: int
    high: int
    very_high: int

    def bands(self) -> NDArray[np.int8]:
        """The band of every number of steps."""
        steps = np.arange(STEPS_PER_UNIT)
        lower = (steps >= self.very_low).astype(np.int8) + (steps >= self.low)
        return (lower + (steps > self.high) + (steps > self.very_high)).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Goal:
    """What share of time (per cent) should be in some bands, or the tight range: `at_least` or at most `percent`.

    The consensus writes `>` and `<`; so the percentage itself does not reach the goal.
    """

    measure: str
    more_than: bool
    percent: float

    def met(self, share: float) -> bool:
        return share > self.percent if self.more_than else share < self.percent


MEASURES: Final = ("very_low", "below", "in_range", "tight", "above", "very_high")
"""What a goal can be about: `below` is all below range, `above` all above it."""


@dataclass(frozen=True, slots=True)
class TargetSet:
    """A named population's bands and goals. Build one with `target_set`, which checks it."""

    name: str
    mg_dl: Thresholds
    mmol_l: Thresholds
    goals: tuple[Goal, ...] = ()

    @property
    def by_unit(self) -> tuple[Thresholds, Thresholds]:
        """In the order of `levels.UNITS`."""
        return self.mg_dl, self.mmol_l

    def bands(self) -> NDArray[np.int8]:
        """The band of every level."""
        return _bands(self)

    def tight(self) -> NDArray[np.bool_]:
        """For every level whether it is in the tight range."""
        return _tight(self)


@lru_cache(maxsize=64)
def _bands(targets: TargetSet) -> NDArray[np.int8]:
    return _fixed(np.concatenate([thresholds.bands() for thresholds in targets.by_unit]))


@lru_cache(maxsize=64)
def _tight(targets: TargetSet) -> NDArray[np.bool_]:
    steps = np.arange(STEPS_PER_UNIT)
    return _fixed(np.concatenate([(steps >= t.low) & (steps <= t.tight_high) for t in targets.by_unit]))


def _fixed(table: NDArray[Number]) -> NDArray[Number]:
    table.flags.writeable = False
    return table


def target_set(
    name: str, mg_dl: Mapping[str, int], mmol_l: Mapping[str, int], goals: tuple[Goal, ...] = ()
) -> TargetSet:
    """A target set from thresholds in steps (mmol/L: tenths, so 39 is 3.9). Raises `OutcomeError` with every problem
    found: a missing or unknown threshold, a number that is not whole, an order that is wrong, a value no sensor shows,
    the two units apart, a goal that cannot be met."""
    problems: list[str] = []
    for unit, given in zip(UNITS, (mg_dl, mmol_l), strict=True):
        problems += [f"{unit}: {problem}" for problem in _wrong_in(given, UNITS.index(unit))]
    if not problems:
        problems += _apart(mg_dl, mmol_l)
    problems += _wrong_goals(goals)
    if problems:
        raise OutcomeError(f"target set {name!r}: " + "; ".join(problems), "targets")
    return TargetSet(name, Thresholds(**mg_dl), Thresholds(**mmol_l), goals)


_NAMES = tuple(field.name for field in fields(Thresholds))


def _wrong_in(given: Mapping[str, int], unit: int) -> list[str]:
    missing = [f"`{name}` is missing" for name in _NAMES if name not in given]
    unknown = [f"`{name}` is not a threshold; known are {', '.join(_NAMES)}" for name in given if name not in _NAMES]
    uneven = [
        f"`{name}` must be a whole number of steps"
        for name, steps in given.items()
        if isinstance(steps, bool) or not isinstance(steps, int)
    ]
    if missing or unknown or uneven:
        return missing + unknown + uneven
    edges = [given[name] for name in _NAMES]
    problems = []
    if not edges[0] < edges[1] < edges[2] <= edges[3] < edges[4]:
        problems.append("thresholds must rise: very_low < low < tight_high <= high < very_high")
    if edges[0] <= LOWEST_STEPS[unit] or edges[-1] >= HIGHEST_STEPS[unit]:
        problems.append(f"thresholds must lie between {LOWEST_STEPS[unit]} and {HIGHEST_STEPS[unit]} steps")
    return problems


def _apart(mg_dl: Mapping[str, int], mmol_l: Mapping[str, int]) -> list[str]:
    coarse = MICRO_PER_STEP[1]
    return [
        f"`{name}` is {mg_dl[name]} mg/dL but {mmol_l[name] / 10} mmol/L, which is another value"
        for name in _NAMES
        if abs(mg_dl[name] * MICRO_PER_STEP[0] - mmol_l[name] * coarse) >= _ROUNDING_STEPS * coarse
    ]


def _wrong_goals(goals: tuple[Goal, ...]) -> list[str]:
    unknown = [f"goal `{g.measure}`: known are {', '.join(MEASURES)}" for g in goals if g.measure not in MEASURES]
    return unknown + [f"goal `{g.measure}`: {g.percent} is no percentage" for g in goals if not 0 <= g.percent <= 100]


_MG_DL = {"very_low": 54, "low": 70, "tight_high": 140, "high": 180, "very_high": 250}
_MMOL_L = {"very_low": 30, "low": 39, "tight_high": 78, "high": 100, "very_high": 139}

ADULT: Final = target_set(
    "adult",
    _MG_DL,
    _MMOL_L,
    (
        Goal("in_range", True, 70),
        Goal("below", False, 4),
        Goal("very_low", False, 1),
        Goal("above", False, 25),
        Goal("very_high", False, 5),
    ),
)
OLDER: Final = target_set(
    "older-or-high-risk",
    _MG_DL,
    _MMOL_L,
    (Goal("in_range", True, 50), Goal("below", False, 1), Goal("very_high", False, 10)),
)
PREGNANCY_TYPE_1: Final = target_set(
    "pregnancy-type-1",
    _MG_DL | {"low": 63, "high": 140},
    _MMOL_L | {"low": 35, "high": 78},
    (
        Goal("in_range", True, 70),
        Goal("below", False, 4),
        Goal("very_low", False, 1),
        Goal("above", False, 25),
    ),
)
PREGNANCY: Final = TargetSet("pregnancy", PREGNANCY_TYPE_1.mg_dl, PREGNANCY_TYPE_1.mmol_l)
"""Type 2 and gestational diabetes: the same ranges; no percentages are agreed."""

SHIPPED: Final = {each.name: each for each in (ADULT, OLDER, PREGNANCY_TYPE_1, PREGNANCY)}
