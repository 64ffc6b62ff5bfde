"""Hypo- and hyperglycaemic events, from runs.

Definitions: international consensus on time in range (Battelino 2019) and on CGM metrics for trials (Battelino 2023):
an event begins with the first of at least 15 minutes in its band and ends with the first of at least 15 minutes out of
it. Level 2 events are a subset of level 1. Prolonged: at least 120 minutes in the band. Extended hyperglycaemia: above
250 mg/dL for at least 90 minutes within 120, until 15 minutes at 180 or below; such a recovery also ends what has
accumulated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
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


_RECOVERED, _TRUNCATED, _OPEN = (np.int64(each) for each in Ended)

_NO_FLAGS: Final[Flags] = np.empty(0, np.bool_)

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
_VERY_HIGH = int(Band.VERY_HIGH)
_OPENING, _NEITHER, _CLOSING = 1, 0, -1


def events(runs: Runs, kind: Kind, profile: Profile) -> Events:
    """The events of one kind. Nothing is open before the first run: what ran already begins with the first reading."""
    return events_by_kind(runs, profile, (kind,))[kind]


def events_by_kind(runs: Runs, profile: Profile, kinds: Sequence[Kind] = tuple(Kind)) -> dict[Kind, Events]:
    """The events of several kinds; those that look for the same bands share the work."""
    known: dict[bytes, _Pieces] = {}
    found = {}
    for kind in kinds:
        table = _meanings(kind, profile.level2_ends_in_range)
        pieces = known.get(table.tobytes())
        if pieces is None:
            pieces = known[table.tobytes()] = _pieces(runs, table[runs.band])
        found[kind] = _events(runs, kind, pieces, profile)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Neighbouring runs of one meaning: which runs begin one, its meaning and its nominal seconds."""

    fresh: Flags
    starts: I64
    meaning: I64
    seconds: I64

    def cut(self, runs: Runs, places: Flags) -> "_Pieces":
        """With new ones that begin at these runs, of the same meaning."""
        fresh = self.fresh | places
        starts = fresh.nonzero()[0]
        owner = self.starts.searchsorted(starts, side="right") - 1
        return _Pieces(fresh, starts, self.meaning[owner], np.add.reduceat(runs.seconds, starts))


def _pieces(runs: Runs, meaning: I64) -> _Pieces:
    fresh = np.empty(len(runs), np.bool_)
    fresh[:1] = True
    np.not_equal(meaning[1:], meaning[:-1], out=fresh[1:])
    fresh[1:] |= runs.broken[1:] != 0
    starts = fresh.nonzero()[0]
    seconds = np.add.reduceat(runs.seconds, starts) if starts.size else starts
    return _Pieces(fresh, starts, meaning[starts], seconds)


def _events(runs: Runs, kind: Kind, pieces: _Pieces, profile: Profile) -> Events:
    opening = pieces.meaning == _OPENING
    if not opening.any():
        return Events(kind, *(np.empty(0, np.int64) for _ in range(4)))
    if kind is not Kind.HYPER_EXTENDED:
        opens = opening & (pieces.seconds >= _least(kind, profile))
        return _between(runs, kind, pieces.starts, opens, _recovered(pieces, profile))
    begins = _extended_begins(runs, pieces.starts, _recovered(pieces, profile))
    pieces = pieces.cut(runs, begins)
    return _between(runs, kind, pieces.starts, begins[pieces.starts], _recovered(pieces, profile))


def events_of_each(many: Sequence[Runs], profile: Profile) -> list[dict[Kind, Events]]:
    """The events of every kind, apart for each of these runs, which may be of windows that overlap."""
    table = np.concatenate([runs.table for runs in many], axis=1)
    table[-1] = np.repeat(np.arange(len(many)), [len(runs) for runs in many])
    found: list[dict[Kind, Events]] = [{} for _ in many]
    for kind, every in events_by_kind(Runs(table), profile).items():
        columns = every.start_millis, every.end_millis, every.ended, np.zeros_like(every.group)
        cuts = every.group.searchsorted(np.arange(len(many) + 1)).tolist()
        none = Events(kind, *(column[:0] for column in columns))
        for each, (start, end) in zip(found, pairwise(cuts), strict=True):
            each[kind] = Events(kind, *(column[start:end] for column in columns)) if end > start else none
    return found


def _recovered(pieces: _Pieces, profile: Profile) -> Flags:
    """Which pieces are recovery."""
    found: Flags = (pieces.meaning == _CLOSING) & (pieces.seconds >= profile.recovery_seconds)
    return found


def _between(runs: Runs, kind: Kind, starts: I64, opens: Flags, closes: Flags) -> Events:
    """From each opening that nothing has open to the next closing: pieces of runs, which begin at `starts`, that are
    recovery, or the end of cover."""
    lasts = np.empty_like(starts)
    lasts[:-1], lasts[-1] = starts[1:] - 1, len(runs) - 1
    stops = np.empty((starts.size, 2), np.bool_)  # piece by piece: is it recovery, does cover end behind it
    stops[:, 0] = closes
    stops[:-1, 1], stops[-1, 1] = runs.broken[starts[1:]] != 0, True
    ends = stops.ravel().nonzero()[0]
    opening = opens.nonzero()[0]
    next_end = ends.searchsorted(2 * opening)
    fresh = np.ones(opening.size, np.bool_)
    fresh[1:] = next_end[1:] != next_end[:-1]
    end = ends[next_end[fresh]]
    piece, by_cover = end >> 1, (end & 1) == 1
    begun, last = starts[opening[fresh]], lasts[piece]
    is_last = (last == len(runs) - 1) | (runs.group[np.minimum(last + 1, len(runs) - 1)] != runs.group[last])
    ended = np.where(by_cover, np.where(is_last, _OPEN, _TRUNCATED), _RECOVERED)
    end_millis = np.where(by_cover, runs.end_millis[last], runs.start_millis[starts[piece]])
    return Events(kind, runs.start_millis[begun], end_millis, ended, runs.group[begun])


@lru_cache(maxsize=256)
def _meanings(kind: Kind, level2_ends_in_range: bool) -> I64:
    """For each band what a run in it does to an event."""
    table = np.array([_meaning(band, kind, level2_ends_in_range) for band in Band], np.int64)
    table.flags.writeable = False
    return table


def _meaning(band: Band, kind: Kind, level2_ends_in_range: bool) -> int:
    if band in _OPENS[kind]:
        return _OPENING
    if kind is Kind.HYPER_EXTENDED:
        return _CLOSING if band in _HYPER_CLOSES else _NEITHER
    if level2_ends_in_range and kind is Kind.HYPO_2:
        return _CLOSING if band in _HYPO_CLOSES else _NEITHER
    if level2_ends_in_range and kind is Kind.HYPER_2:
        return _CLOSING if band in _HYPER_CLOSES else _NEITHER
    return _CLOSING


def _least(kind: Kind, profile: Profile) -> int:
    if kind is Kind.HYPO_PROLONGED:
        return profile.prolonged_seconds + profile.prolonged_strictly
    return profile.event_seconds


def _extended_begins(runs: Runs, starts: I64, closes: Flags) -> Flags:
    """The very high runs in which 120 minutes begin that are very high for 90, without a recovery between: such a
    stretch, moved until it meets an edge of a very high run, always begins or ends with one. Time is in nominal
    seconds. `starts`, `closes`: the pieces of runs, and which are recovery."""
    begins = np.zeros(len(runs), np.bool_)
    high = runs.band == _VERY_HIGH
    highs = high.nonzero()[0]
    if not highs.size:
        return begins
    sums = np.concatenate([[0], np.cumsum(runs.seconds * high)])
    if sums[-1] < EXTENDED_SECONDS:
        return begins
    ends = runs.seconds.cumsum()
    after_recovery = starts[1:][closes[:-1]]
    cuts = np.union1d(runs.broken.nonzero()[0], after_recovery)
    segment = cuts.searchsorted(highs, side="right") - 1
    first = ends[cuts[segment]] - runs.seconds[cuts[segment]]
    last = np.append(ends[cuts[1:] - 1], ends[-1])[segment]

    def high_until(moment: I64) -> I64:
        place = np.minimum(ends.searchsorted(moment, side="left"), len(runs) - 1)
        found: I64 = sums[place] + (moment - ends[place] + runs.seconds[place]) * high[place]
        return found

    until = ends[highs]
    since = until - runs.seconds[highs]
    ahead = high_until(np.minimum(since + EXTENDED_WITHIN_SECONDS, last)) - sums[highs]
    begins[highs[ahead >= EXTENDED_SECONDS]] = True
    back = np.maximum(until - EXTENDED_WITHIN_SECONDS, first)
    late = sums[highs + 1] - high_until(back) >= EXTENDED_SECONDS
    owner = ends.searchsorted(back[late], side="right")
    begins[highs[highs.searchsorted(owner)]] = True
    return begins


def nights(found: Events, zone: ZoneInfo, profile: Profile) -> tuple[Flags, Flags]:
    """Which events begin in the night of the patient's zone, and which have any moment in it: they begin in one, or
    last until one begins."""
    if not len(found):
        return _NO_FLAGS, _NO_FLAGS
    minute = minute_of_day(found.start_millis, zone)
    starts = _is_night(minute, profile)
    until_night = (profile.night_start_minute - minute) % 1440
    return starts, starts | (found.end_millis - found.start_millis > until_night * 60_000)


def _is_night(minute: I64, profile: Profile) -> Flags:
    start, end = profile.night_start_minute, profile.night_end_minute
    if start <= end:
        return (minute >= start) & (minute < end)
    return (minute >= start) | (minute < end)


def exclusive(level1: Events, level2: Events) -> Events:
    """Level 1 events during which no level 2 event begins. Both of one patient."""
    if not len(level1) or not len(level2):
        return level1
    after = level2.start_millis.searchsorted(level1.start_millis, side="left")
    until = level2.start_millis.searchsorted(level1.end_millis, side="left")
    return level1.part(after == until)
