"""The ambulatory glucose profile: percentiles by time of day, over all days of a window (Bergenstal 2013; Danne 2017).

Raw percentiles of each bin merge over days exactly; smoothing is for presentation and is applied to the result.
"""

from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from clinical.outcomes.elements import BIN_MINUTES, Element, cell_parts
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.figures import PERCENTILES
from clinical.outcomes.levels import F64
from clinical.outcomes.tally import tallies


@dataclass(frozen=True, slots=True, eq=False)
class Profile24h:
    """`percentiles[bin, i]`: the `figures.PERCENTILES[i]` per cent quantile in mg/dL in the bin from minute
    `bin * bin_minutes` of the local day, NaN without readings; `readings[bin]`: how many."""

    bin_minutes: int
    percentiles: F64
    readings: tuple[int, ...]

    def smoothed(self) -> F64:
        """Neighbours weigh in as 1-4-1, over midnight too; a bin without readings stays empty and weighs nothing."""
        values = self.percentiles
        weights = np.where(np.isnan(values), 0.0, 1.0)
        filled = np.nan_to_num(values)
        total = 4 * filled + np.roll(filled, 1, axis=0) + np.roll(filled, -1, axis=0)
        weight = 4 * weights + np.roll(weights, 1, axis=0) + np.roll(weights, -1, axis=0)
        return np.where(np.isnan(values), nan, total / np.maximum(weight, 1.0))

    def at(self, minute: int, percent: int) -> float | None:
        """The raw percentile at a minute of the local day."""
        value = float(self.percentiles[minute // self.bin_minutes, PERCENTILES.index(percent)])
        return None if isnan(value) else value


def agp(found: Element, bin_minutes: int = 60) -> Profile24h:
    """The profile of an element. The bin must be a multiple of 5 minutes that divides the day (`OutcomeError`,
    `bin`)."""
    if bin_minutes <= 0 or bin_minutes % BIN_MINUTES or 1440 % bin_minutes:
        raise OutcomeError("a bin is a multiple of 5 minutes and divides the day: 5, 15, 30, 60", "bin")
    interval, fine, level = cell_parts(found.cells)
    bins = fine * BIN_MINUTES // bin_minutes
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(1440 // bin_minutes + 1))
    counted = tallies(interval[order], level[order], edges.tolist())
    return Profile24h(bin_minutes, counted.quantiles(PERCENTILES), tuple(counted.n))
