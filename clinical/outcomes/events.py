"""Hypo- and hyperglycaemic events, from runs.

Definitions: international consensus on time in range (Battelino 2019) and on CGM metrics for trials (Battelino 2023):
an event begins with the first of at least 15 minutes in its band and ends with the first of at least 15 minutes out of
it. Level 2 events are a subset of level 1. Prolonged: at least 120 minutes in the band. Extended hyperglycaemia: above
250 mg/dL for at least 90 minutes within 120.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes.levels import I64, Flags
from clinical.outcomes.profile import Profile
from clinical.outcomes.runs import Runs
from clinical.outcomes.targets import Band
from clinical.outcomes.zone import minute_of_day


class Kind(IntEnum):
    """What happened."""

    HYPO_1 = 0
    HYPO_2 = 1
    HYPO_PROLONGED = 2
    HYPER_1 = 3
    HYPER_2 = 4
    HYPER_EXTENDED = 5

    @property
    def word(self) -> str:
        """As it stands in reports: `hypo-1`."""
        return self.name.lower().replace("_", "-")


class Ended(IntEnum):
    """How an event ended: by recovery; cut off by a long gap; or still open where the readings end."""

    RECOVERED = 0
    TRUNCATED = 1
    OPEN = 2


EXTENDED_SECONDS: Final = 5400
EXTENDED_WITHIN_SECONDS: Final = 7200


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of one kind in order of time. `start_millis`: the first slot in the band. `end_millis`: the first slot of
    the recovery, or the end of cover. `ended`: `Ended`. `group`: whose."""

    kind: Kind
    start_millis: I64
    end_millis: I64
    ended: I64
    group: I64

    def __len__(self) -> int:
        return int(self.start_millis.size)

    @property
    def minutes(self) -> float | None:
        """Mean length, or None without events."""
        if not len(self):
            return None
        return int((self.end_millis - self.start_millis).sum()) / (60_000 * len(self))

    def part(self, chosen: Flags) -> "Events":
        """The chosen ones."""
        columns = (self.start_millis[chosen], self.end_millis[chosen], self.ended[chosen], self.group[chosen])
        return Events(self.kind, *columns)


_OPENS = {
    Kind.HYPO_1: (Band.VERY_LOW, Band.LOW),
    Kind.HYPO_2: (Band.VERY_LOW,),
    Kind.HYPO_PROLONGED: (Band.VERY_LOW, Band.LOW),
    Kind.HYPER_1: (Band.HIGH, Band.VERY_HIGH),
    Kind.HYPER_2: (Band.VERY_HIGH,),
    Kind.HYPER_EXTENDED: (Band.VERY_HIGH,),
}
_HYPER_CLOSES = (Band.VERY_LOW, Band.LOW, Band.IN_RANGE)
_HYPO_CLOSES = (Band.IN_RANGE, Band.HIGH, Band.VERY_HIGH)
_OPENING, _NEITHER, _CLOSING = 1, 0, -1


def events(runs: Runs, kind: Kind, profile: Profile) -> Events:
    """The events of one kind. Nothing is open before the first run: what ran already begins with the first reading."""
    if not len(runs):
        return Events(kind, *(np.empty(0, np.int64) for _ in range(4)))
    pieces, begins = _pieces(runs, kind, profile)
    opens = begins if begins is not None else _long_enough(pieces, kind, profile)
    ends_by_gap = np.concatenate([pieces.broken[1:] != 0, [True]])
    closes = (pieces.band == _CLOSING) & (pieces.seconds >= profile.recovery_seconds)
    return _between(pieces, kind, opens, closes, ends_by_gap)


def _pieces(runs: Runs, kind: Kind, profile: Profile) -> tuple[Runs, Flags | None]:
    """Runs by what they mean for an event, and where it begins if its length does not tell that."""
    meaning = np.array([_meaning(band, kind, profile) for band in Band], np.int64)[runs.band]
    begins = _extended_begins(runs) if kind is Kind.HYPER_EXTENDED else None
    fresh = np.concatenate([[True], (meaning[1:] != meaning[:-1]) | (runs.broken[1:] != 0)])
    if begins is not None:
        fresh |= begins
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(runs)) - 1
    pieces = Runs(
        meaning[starts],
        runs.start_millis[starts],
        runs.end_millis[lasts],
        np.add.reduceat(runs.seconds, starts),
        np.add.reduceat(runs.filled_seconds, starts),
        runs.broken[starts],
        runs.group[starts],
    )
    return pieces, None if begins is None else begins[starts]


def _meaning(band: Band, kind: Kind, profile: Profile) -> int:
    if band in _OPENS[kind]:
        return _OPENING
    if kind is Kind.HYPER_EXTENDED:
        return _CLOSING if band in _HYPER_CLOSES else _NEITHER
    if profile.level2_ends_in_range and kind is Kind.HYPO_2:
        return _CLOSING if band in _HYPO_CLOSES else _NEITHER
    if profile.level2_ends_in_range and kind is Kind.HYPER_2:
        return _CLOSING if band in _HYPER_CLOSES else _NEITHER
    return _CLOSING


def _long_enough(pieces: Runs, kind: Kind, profile: Profile) -> Flags:
    least = profile.event_seconds
    if kind is Kind.HYPO_PROLONGED:
        least = profile.prolonged_seconds + profile.prolonged_strictly
    enough: Flags = (pieces.band == _OPENING) & (pieces.seconds >= least)
    return enough


def _extended_begins(runs: Runs) -> Flags:
    """The very high runs from whose start, or to whose end, 90 of 120 minutes are very high. Such a stretch, moved
    until it meets an edge of a very high run, always begins or ends with one."""
    high = (runs.band == Band.VERY_HIGH).astype(np.int64)
    ends = np.cumsum(runs.seconds)
    starts = ends - runs.seconds
    sums = np.concatenate([[0], np.cumsum(runs.seconds * high)])
    segment = np.maximum.accumulate(np.where(runs.broken != 0, starts, 0))
    borders = np.append(np.flatnonzero(runs.broken != 0)[1:], len(runs))
    segment_end = ends[borders[np.cumsum(runs.broken != 0) - 1] - 1]

    def high_until(moment: I64) -> I64:
        place = np.minimum(np.searchsorted(ends, moment, side="left"), len(runs) - 1)
        found: I64 = sums[place] + (moment - starts[place]) * high[place]
        return found

    after = high_until(np.minimum(starts + EXTENDED_WITHIN_SECONDS, segment_end)) - high_until(starts)
    begins: Flags = (high == 1) & (after >= EXTENDED_SECONDS)
    back = np.maximum(ends - EXTENDED_WITHIN_SECONDS, segment)
    before = high_until(ends) - high_until(back)
    late = np.flatnonzero((high == 1) & (before >= EXTENDED_SECONDS))
    owner = np.searchsorted(ends, back[late], side="right")
    highs = np.flatnonzero(high)
    begins[highs[np.searchsorted(highs, owner)]] = True
    return begins


def _between(pieces: Runs, kind: Kind, opens: Flags, closes: Flags, ends_by_gap: Flags) -> Events:
    """From each opening that nothing has open to the next closing: a closing piece, or the end of cover."""
    marks = np.flatnonzero(opens | closes | ends_by_gap)
    turns = _turns(marks, opens, closes, ends_by_gap)
    place, what = turns[:, 0], turns[:, 1]
    before = np.concatenate([[_CLOSED], what[:-1]])
    first = np.flatnonzero((what == _OPENED) & (before != _OPENED))
    shut = np.flatnonzero(what != _OPENED)
    end = shut[np.searchsorted(shut, first)]
    start, last = place[first], place[end]
    by_recovery = what[end] == _CLOSED
    final = np.concatenate([pieces.group[1:] != pieces.group[:-1], [True]])
    ended = np.where(by_recovery, Ended.RECOVERED, np.where(final[last], Ended.OPEN, Ended.TRUNCATED))
    end_millis = np.where(by_recovery, pieces.start_millis[last], pieces.end_millis[last])
    return Events(kind, pieces.start_millis[start], end_millis, ended.astype(np.int64), pieces.group[start])


_CLOSED, _OPENED, _CUT = 0, 1, 2


def _turns(marks: I64, opens: Flags, closes: Flags, ends_by_gap: Flags) -> I64:
    """(piece, what) in order: what a piece does first, then that cover ends behind it."""
    acts = marks[opens[marks] | closes[marks]]
    cuts = marks[ends_by_gap[marks]]
    what = np.concatenate([np.where(opens[acts], _OPENED, _CLOSED), np.full(cuts.size, _CUT)])
    place = np.concatenate([acts, cuts])
    order = np.lexsort((what == _CUT, place))
    return np.stack([place[order], what[order]], axis=1)


def night_starts(found: Events, zone: ZoneInfo, profile: Profile) -> Flags:
    """Which events begin in the night of the patient's zone."""
    return _is_night(minute_of_day(found.start_millis, zone), profile)


def overlaps_night(found: Events, zone: ZoneInfo, profile: Profile) -> Flags:
    """Which events have any moment in the night: they begin in one, or last until one begins."""
    minute = minute_of_day(found.start_millis, zone)
    until_night = (profile.night_start_minute - minute) % 1440
    long_enough = found.end_millis - found.start_millis > until_night * 60_000
    return _is_night(minute, profile) | long_enough


def _is_night(minute: I64, profile: Profile) -> Flags:
    start, end = profile.night_start_minute, profile.night_end_minute
    if start <= end:
        return (minute >= start) & (minute < end)
    return (minute >= start) | (minute < end)


def exclusive(level1: Events, level2: Events) -> Events:
    """Level 1 events during which no level 2 event begins. Both of one patient."""
    after = np.searchsorted(level2.start_millis, level1.start_millis, side="left")
    until = np.searchsorted(level2.start_millis, level1.end_millis, side="left")
    return level1.part(after == until)
