"""MAGE, the mean amplitude of glycaemic excursions, by two moving averages."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from clinical.outcomes.cleaning import Slots
from clinical.outcomes.levels import F64, I64
from clinical.outcomes.profile import ISLET, Profile
from clinical.outcomes.runs import gaps
from clinical.outcomes.variability import mg_dl

SHORT_READINGS: Final = 5
LONG_READINGS: Final = 32


@dataclass(frozen=True, slots=True)
class Mage:
    """Mean amplitude (mg/dL) of rises and of falls of more than one SD, None where there is none, and how many."""

    rises: float | None
    falls: float | None
    rise_count: int
    fall_count: int

    @property
    def mean(self) -> float | None:
        """Over rises and falls alike."""
        sums = [(self.rises, self.rise_count), (self.falls, self.fall_count)]
        count = self.rise_count + self.fall_count
        return sum(mean * n for mean, n in sums if mean is not None) / count if count else None


def mage(slots: Slots, profile: Profile = ISLET) -> Mage | None:
    """MAGE (Service 1970) after the moving averages of Fernandes 2022 (J Diabetes Sci Technol 16:945): turning points
    are the extremes between crossings of a short and a long moving average; an excursion counts if it is larger than
    the window's SD. No two programs agree on MAGE, so name this one when it is shown. Short gaps are filled; a long gap
    ends a segment, and a segment shorter than the long average has no excursions. None for fewer than two readings.
    """
    kept = slots.kept()
    if kept.millis.size < 2:
        return None
    sd = float(mg_dl(kept.level).std(ddof=1))
    changes = np.concatenate([_swings(part, sd) for part in _segments(kept, profile)] or [np.empty(0)])
    rises, falls = changes[changes > 0], -changes[changes < 0]
    return Mage(
        float(rises.mean()) if rises.size else None, float(falls.mean()) if falls.size else None, rises.size, falls.size
    )


def _segments(kept: Slots, profile: Profile) -> list[F64]:
    """Filled values between long gaps, those long enough for the long average."""
    found = gaps(kept.millis, kept.level, kept.interval_seconds, profile)
    intervals = np.ones(kept.millis.size, np.int64)
    intervals[found.after] = found.intervals
    parts = []
    for places in np.split(np.arange(kept.millis.size), found.after[found.broken] + 1):
        values = _filled(mg_dl(kept.level[places]), intervals[places[:-1]])
        if values.size >= LONG_READINGS:
            parts.append(values)
    return parts


def _filled(values: F64, intervals: I64) -> F64:
    places = np.concatenate([[0], np.cumsum(intervals)])
    return np.interp(np.arange(int(places[-1]) + 1), places, values)


def _swings(values: F64, sd: float) -> F64:
    """Signed excursions larger than `sd` from turning point to turning point."""
    above = _average(values, SHORT_READINGS) > _average(values, LONG_READINGS)
    cuts = np.flatnonzero(above[1:] != above[:-1]) + 1
    pieces = np.split(values, cuts)
    ups = above[np.concatenate([[0], cuts])]
    turns = [float(piece.max() if up else piece.min()) for piece, up in zip(pieces, ups.tolist(), strict=True)]
    return _countable(turns, sd)


def _countable(turns: list[float], sd: float) -> F64:
    """Swings larger than `sd`: smaller ones belong to the larger one around them. A turning point counts when the way
    back from it is larger than `sd`; until then it moves on with the extreme."""
    kept: list[float] = []
    low = high = turns[0]
    direction = 0
    for value in turns[1:]:
        if direction >= 0 and high - value > sd:
            kept.append(high)
            direction, low = -1, value
        elif direction <= 0 and value - low > sd:
            kept.append(low)
            direction, high = 1, value
        low, high = min(low, value), max(high, value)
    if direction:
        kept.append(high if direction > 0 else low)
    return np.diff(np.array(kept)) if len(kept) > 1 else np.empty(0)


def _average(values: F64, width: int) -> F64:
    """Mean of the last `width` values; at the beginning of as many as there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, values.size + 1)
    starts = np.maximum(ends - width, 0)
    found: F64 = (sums[ends] - sums[starts]) / (ends - starts)
    return found
