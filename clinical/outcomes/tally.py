"""Tallies: how much measured time there is at each level. Every metric of distribution comes from them.

Whole numbers until the last division, so the order of readings and the way days were merged cannot show. A figure
weighs a reading by its sensor's nominal interval; with one interval that is the same as counting readings. Many windows
are counted at once, each a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import Final, NamedTuple

import numpy as np

from clinical.outcomes.levels import F64, I64, LEVELS, MICRO, MICRO_PER_STEP, STEPS_PER_UNIT
from clinical.outcomes.targets import Band, TargetSet

RISK_SCALE: Final = 1 << 28


def _risks() -> tuple[I64, I64]:
    """Low and high risk of each level in units of 1 / `RISK_SCALE`: r = 10 f², f = 1.509 (ln(g)^1.084 - 5.381), g in
    mg/dL (Kovatchev 1997, 2006). Low risk where f < 0, high where f > 0; f is zero at 112.517."""
    glucose = np.maximum(MICRO / 1e6, 1.0)
    f = 1.509 * (np.log(glucose) ** 1.084 - 5.381)
    risk = np.round(10 * f * f * RISK_SCALE).astype(np.int64)
    return np.where(f < 0, risk, 0), np.where(f > 0, risk, 0)


LOW_RISK, HIGH_RISK = _risks()

_BY_VALUE: Final[I64] = np.lexsort((np.arange(LEVELS), MICRO))


class Tally(NamedTuple):
    """What the figures of one window need: `n` readings; `bands`: seconds in the five bands, `tight` in tight range;
    for each unit its seconds, and of the values in its steps the sum and the sum of squares, each value as often as it
    has seconds; the sums of low and high risk (`RISK_SCALE`)."""

    n: int
    bands: tuple[int, ...]
    tight: int
    unit_seconds: tuple[int, ...]
    sums: tuple[int, ...]
    squares: tuple[int, ...]
    low: int
    high: int

    @property
    def total_seconds(self) -> int:
        return sum(self.bands)

    def moments(self) -> tuple[int, int, int, int]:
        """Mean and variance in mg/dL, as numerator and denominator each. Units are summed apart, each in its own steps;
        only the sums are converted. The variance has n - 1 (0 / 0 for one reading): weighted, times n / (n - 1)."""
        total = self.total_seconds
        first = sum(each * micro for each, micro in zip(self.sums, MICRO_PER_STEP, strict=True))
        second = sum(each * micro * micro for each, micro in zip(self.squares, MICRO_PER_STEP, strict=True))
        spread = (second * total - first * first) * self.n
        return first, total * 1_000_000, spread, total * total * 10**12 * (self.n - 1)

    def risks(self) -> tuple[float, float]:
        """LBGI and HBGI: the sums of low and high risk over all time, by all time."""
        scale = self.total_seconds * RISK_SCALE
        return self.low / scale, self.high / scale


@dataclass(frozen=True, slots=True, eq=False)
class Tallies:
    """`n`: readings of each row. `seconds`: a row's nominal time at each level, from level `base` on; `grain`: the
    greatest interval that all of a row's are multiples of (1 without readings)."""

    n: Sequence[int]
    base: int
    seconds: I64
    grain: I64

    def each(self, targets: TargetSet) -> list[Tally]:
        """Row by row."""
        sums = self.seconds @ _table(targets)[self.base : self.base + self.seconds.shape[1]]
        return [
            Tally(n, tuple(row[:5]), row[5], tuple(row[6:8]), tuple(row[8:10]), tuple(row[10:12]), row[12], row[13])
            for n, row in zip(self.n, sums.tolist(), strict=True)
        ]

    def quantiles(self, percents: tuple[int, ...]) -> F64:
        """Of each row type 7 quantiles in mg/dL (Hyndman and Fan 1996; the default of R and NumPy), each reading
        standing there as often as the grain goes into its interval; NaN without readings."""
        width = self.seconds.shape[1]
        by_value = np.arange(self.base, self.base + width)
        if by_value[0] // STEPS_PER_UNIT != by_value[-1] // STEPS_PER_UNIT:
            by_value = _BY_VALUE[(self.base <= _BY_VALUE) & (self.base + width > _BY_VALUE)]
        counts = self.seconds[:, by_value - self.base] // self.grain[:, None]
        ends = np.cumsum(counts)  # of one row after the other
        before, after = ends[width - 1 :: width] - counts.sum(axis=1), ends[width - 1 :: width]
        last = np.maximum(after - before - 1, 0)[:, None]
        whole, rest = np.divmod(last * np.array(percents), 100)
        values = MICRO[by_value]
        lower, upper = (
            values[np.searchsorted(ends, before[:, None] + place, side="right") % width]
            for place in (whole, np.minimum(whole + 1, last))
        )
        found: F64 = (lower * (100 - rest) + upper * rest) / 100_000_000
        found[after == before] = np.nan
        return found


@lru_cache(maxsize=64)
def _table(targets: TargetSet) -> I64:
    """For each level what one second adds: the columns of `Tally` from `bands` on."""
    bands, unit, steps = targets.bands(), np.arange(LEVELS) // STEPS_PER_UNIT, np.arange(LEVELS) % STEPS_PER_UNIT
    units = [unit == each for each in range(len(MICRO_PER_STEP))]
    columns = [
        *(bands == band for band in Band),
        targets.tight(),
        *units,
        *(mine * steps for mine in units),
        *(mine * steps * steps for mine in units),
        LOW_RISK,
        HIGH_RISK,
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def tallies(interval_seconds: I64, level: I64, edges: Sequence[int]) -> Tallies:
    """Of many stretches at once: row `g` counts the readings from `edges[g]` to before `edges[g + 1]`.
    `interval_seconds`: one for each reading, or just one if all are alike."""
    counts = np.diff(edges)
    base = int(level.min()) if level.size else 0
    width = int(level.max()) - base + 1 if level.size else 1
    places = np.repeat(np.arange(counts.size) * width - base, counts)
    places += level
    if level.size and interval_seconds.min() == interval_seconds.max():
        interval = interval_seconds[0]
        seconds = np.bincount(places, minlength=counts.size * width) * interval
        grain = np.full(counts.size, interval)
    else:  # the sums are whole numbers far below 2 ** 53
        seconds = np.bincount(places, interval_seconds, counts.size * width).astype(np.int64)
        grain = np.array([_grain(interval_seconds[a:b]) for a, b in pairwise(edges)], np.int64)
    return Tallies(counts.tolist(), base, seconds.reshape(counts.size, width), grain)


def _grain(interval_seconds: I64) -> int:
    return gcd(*np.unique(interval_seconds).tolist()) or 1
