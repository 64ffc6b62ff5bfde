"""A tally: how much measured time there is at each level. Every metric of distribution comes from it.

Whole numbers until the last division, so the order of readings and the way days were merged cannot show. A figure
weighs a reading by its sensor's nominal interval; with one interval that is the same as counting readings.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Final

import numpy as np

from clinical.outcomes.levels import I64, LEVELS, MICRO, MICRO_PER_STEP, STEPS_PER_UNIT, UNITS

RISK_SCALE: Final = 1 << 28


def _risks() -> tuple[I64, I64]:
    """Low and high risk of each level in units of 1 / `RISK_SCALE`: r = 10 f², f = 1.509 (ln(g)^1.084 - 5.381), g in
    mg/dL (Kovatchev 1997, 2006). Low risk where f < 0, high where f > 0; f is zero at 112.517."""
    glucose = np.maximum(MICRO / 1e6, 1.0)
    f = 1.509 * (np.log(glucose) ** 1.084 - 5.381)
    risk = np.round(10 * f * f * RISK_SCALE).astype(np.int64)
    return np.where(f < 0, risk, 0), np.where(f > 0, risk, 0)


LOW_RISK, HIGH_RISK = _risks()

_STEPS: Final[I64] = np.arange(STEPS_PER_UNIT, dtype=np.int64)
_SQUARES: Final[I64] = _STEPS * _STEPS

_BY_VALUE: Final[I64] = np.lexsort((np.arange(LEVELS), MICRO))


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """`n` readings; `seconds` of nominal time at each level, and `total_seconds` at all; `grain`: the greatest interval
    that all are multiples of."""

    n: int
    seconds: I64
    total_seconds: int
    grain: int

    @property
    def units(self) -> tuple[str, ...]:
        """The units the readings came in."""
        halves = self.seconds.reshape(len(UNITS), STEPS_PER_UNIT)
        return tuple(unit for unit, half in zip(UNITS, halves, strict=True) if half.any())

    def moments(self) -> tuple[Fraction, Fraction | None]:
        """Mean and variance, exact, in mg/dL. Units are summed apart, each in its own steps; only the sums are
        converted. The variance has n - 1 (None for one reading): weighted, times n / (n - 1)."""
        total, first, second = self.total_seconds, 0, 0  # sums in millionths of mg/dL, and in those squared
        for unit, micro in enumerate(MICRO_PER_STEP):
            weights = self.seconds[unit * STEPS_PER_UNIT : (unit + 1) * STEPS_PER_UNIT]
            first += int(weights @ _STEPS) * micro
            second += int(weights @ _SQUARES) * micro * micro
        mean = Fraction(first, total * 1_000_000)
        if self.n < 2:
            return mean, None
        spread = second * total - first * first
        return mean, Fraction(spread * self.n, total * total * 10**12 * (self.n - 1))

    def risks(self) -> tuple[float, float]:
        """LBGI and HBGI: the sums of low and high risk over all time, by all time."""
        scale = self.total_seconds * RISK_SCALE
        return int(self.seconds @ LOW_RISK) / scale, int(self.seconds @ HIGH_RISK) / scale

    def quantiles(self, percents: tuple[int, ...]) -> tuple[float, ...]:
        """Type 7 quantiles in mg/dL (Hyndman and Fan 1996; the default of R and NumPy), each reading standing there as
        often as the grain goes into its interval."""
        by_value = self.seconds[_BY_VALUE]
        places = np.flatnonzero(by_value != 0)
        values = MICRO[_BY_VALUE[places]]
        ends = np.cumsum(by_value[places] // self.grain)
        last = int(ends[-1]) - 1
        whole, rest = np.divmod(last * np.array(percents), 100)
        lower, upper = values[np.searchsorted(ends, [whole, np.minimum(whole + 1, last)], side="right")]
        found: list[float] = ((lower * (100 - rest) + upper * rest) / 100_000_000).tolist()
        return tuple(found)


def tally(interval_seconds: I64, level: I64) -> Tally:
    """The tally of readings."""
    seconds = np.zeros(LEVELS, np.int64)
    grain = 0
    alike = interval_seconds.size > 0 and interval_seconds.min() == interval_seconds.max()
    for interval in [int(interval_seconds[0])] if alike else np.unique(interval_seconds).tolist():
        mine = level if alike else level[interval_seconds == interval]
        seconds += interval * np.bincount(mine, minlength=LEVELS)
        grain = gcd(grain, interval)
    return Tally(int(level.size), seconds, int(seconds.sum()), grain)
