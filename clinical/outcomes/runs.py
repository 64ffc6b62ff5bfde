"""Runs: a patient's time as stretches in one band, with short gaps filled. From them every event is found.

Runs concatenate: those of two days, with the gap at midnight bridged by the same rule, are those of both days together.
That is why events over midnight come out the same whether days are merged or all readings are read at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical.outcomes.cleaning import Slots
from clinical.outcomes.levels import I64, STEPS_PER_UNIT, Flags, Levels
from clinical.outcomes.profile import Profile
from clinical.outcomes.targets import TargetSet


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Stretches in order of time: a column each, in a table of seven rows, so that many can be joined at once.

    `band`: `targets.Band`. `start_millis`: the first slot. `end_millis`: where the last slot's nominal interval ends.
    `seconds`: nominal time in whole intervals, of which `filled_seconds` are interpolated. `broken`: nothing, or a long
    gap, lies before it. `group`: whose (for many patients at once)."""

    table: I64

    def __len__(self) -> int:
        return int(self.table.shape[1])

    @property
    def band(self) -> I64:
        return self._row(0)

    @property
    def start_millis(self) -> I64:
        return self._row(_START)

    @property
    def end_millis(self) -> I64:
        return self._row(_END)

    @property
    def seconds(self) -> I64:
        return self._row(3)

    @property
    def filled_seconds(self) -> I64:
        return self._row(4)

    @property
    def broken(self) -> I64:
        return self._row(_BROKEN)

    @property
    def group(self) -> I64:
        return self._row(6)

    def _row(self, place: int) -> I64:
        row: I64 = self.table[place]
        return row


_START, _END, _LENGTHS, _BROKEN = 1, 2, slice(3, 5), 5

RUN_COLUMNS: Final = 7
NO_RUNS: Final = Runs(np.empty((RUN_COLUMNS, 0), np.int64))


class Edge(NamedTuple):
    """The first or last slot of a stretch of time."""

    millis: int
    level: int
    interval_seconds: int
    censored: int
    """1, if its value lies outside the sensor's range."""


def coalesced(runs: Runs) -> Runs:
    """The same time with neighbouring stretches of one band made one."""
    fresh = _fresh(runs)
    return runs if fresh.all() else _joined(runs, fresh.nonzero()[0])


def _fresh(runs: Runs) -> Flags:
    """Which stretches begin one of another band, or after a break."""
    fresh = np.ones(len(runs), np.bool_)
    band = runs.band
    fresh[1:] = (band[1:] != band[:-1]) | (runs.broken[1:] != 0)
    return fresh


def _joined(runs: Runs, starts: I64) -> Runs:
    """With all stretches from one of `starts` to the next made one."""
    if starts.size == len(runs):
        return runs
    table = runs.table[:, starts]
    table[_END, :-1], table[_END, -1] = runs.end_millis[starts[1:] - 1], runs.end_millis[-1]
    table[_LENGTHS] = np.add.reduceat(runs.table[_LENGTHS], starts, axis=1)
    return Runs(table)


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """The pauses in which something is missing: after which slot, how many whole nominal intervals each takes, and
    whether it breaks what runs over it."""

    after: I64
    intervals: I64
    broken: Flags


def gaps(millis: I64, level: Levels, interval_seconds: I64, profile: Profile) -> Gaps:
    """Up to one and a half intervals nothing is missing; up to `short_gap_seconds` (in whole intervals, so that a
    clock's jitter does not matter) the pause is filled; a longer one breaks, and so does one over which the unit
    changes, since nothing lies between values of two units. `interval_seconds`: one for each slot, or one for all."""
    usual = interval_seconds if interval_seconds.ndim == 0 else interval_seconds[:-1]
    after = np.flatnonzero(np.diff(millis) > usual * 1500)
    interval = _at(interval_seconds, after) * 1000
    pause = millis[after + 1] - millis[after]
    intervals = (2 * pause + interval - 1) // (2 * interval)
    other_unit = (level[after + 1] // STEPS_PER_UNIT) != (level[after] // STEPS_PER_UNIT)
    return Gaps(after, intervals, other_unit | (intervals * interval > profile.short_gap_seconds * 1000))


def _at(interval_seconds: I64, places: I64) -> I64:
    return np.broadcast_to(interval_seconds, places.shape) if interval_seconds.ndim == 0 else interval_seconds[places]


def runs_of(slots: Slots, profile: Profile) -> Runs:
    """The runs of one patient's slots; only those that count are looked at."""
    kept = slots.kept()
    edges = np.array([0, kept.millis.size])
    return runs_of_groups(kept.millis, kept.level, kept.interval_seconds, edges, profile)


def runs_of_groups(millis: I64, level: Levels, interval_seconds: I64, edges: I64, profile: Profile) -> Runs:
    """The same for many patients at once: group `g` has the slots from `edges[g]` to before `edges[g + 1]`, in order of
    time. `interval_seconds`: one for each slot, or one for all."""
    if not millis.size:
        return NO_RUNS
    found = gaps(millis, level, interval_seconds, profile)
    foreign = np.unique(edges[(edges > 0) & (edges < millis.size)]) - 1
    breaks = np.concatenate([foreign, found.after[found.broken]]) + 1
    starts = _starts(band_of(level, profile), breaks)
    fillable = ~found.broken & ~np.isin(found.after, foreign)
    after, missing = found.after[fillable], found.intervals[fillable] - 1
    rows = _rows(millis, level, interval_seconds, edges, starts, profile)
    rows.broken[starts.searchsorted(breaks)] = 1
    owner = starts.searchsorted(after, side="right") - 1
    between = np.append(starts, -1)[owner + 1] == after + 1
    inside = ~between
    seconds = missing[inside] * _at(interval_seconds, after[inside])
    np.add.at(rows.filled_seconds, owner[inside], seconds)
    np.add.at(rows.seconds, owner[inside], seconds)
    if not between.any():
        return rows
    edge, lacking = after[between], missing[between]
    extra = _filling(millis, level, interval_seconds, rows.group[owner[between]], edge, lacking, profile.targets)
    places = np.repeat(owner[between] + 1, lacking)
    return coalesced(Runs(np.insert(rows.table, places, extra.table, axis=1)))


def band_of(level: Levels, profile: Profile) -> NDArray[np.int8]:
    """The band of each slot."""
    return profile.targets.bands()[level]


def _starts(band: NDArray[np.int8], breaks: I64) -> I64:
    fresh = np.empty(band.size, np.bool_)
    fresh[0] = True
    np.not_equal(band[1:], band[:-1], out=fresh[1:])
    fresh[breaks] = True
    return fresh.nonzero()[0]


def _rows(millis: I64, level: Levels, interval_seconds: I64, edges: I64, starts: I64, profile: Profile) -> Runs:
    """Measured runs that begin at the slots `starts`; nothing filled or broken yet but the first."""
    lasts = np.append(starts[1:], millis.size) - 1
    if interval_seconds.ndim == 0:
        seconds = (lasts - starts + 1) * interval_seconds
    else:
        seconds = np.add.reduceat(interval_seconds, starts)
    broken = np.zeros(starts.size, np.int64)
    broken[0] = 1
    columns = (
        band_of(level[starts], profile),
        millis[starts],
        millis[lasts] + _at(interval_seconds, lasts) * 1000,
        seconds,
        np.zeros(starts.size, np.int64),
        broken,
        edges.searchsorted(starts, side="right") - 1,
    )
    return Runs(np.array(columns, np.int64))


def _filling(
    millis: I64, level: Levels, interval_seconds: I64, group: I64, before: I64, missing: I64, targets: TargetSet
) -> Runs:
    """A row for each interpolated slot after the slots `before`, which are of `group`. The straight line is kept as a
    fraction, so that a threshold is met exactly or not at all."""
    owner = np.repeat(before, missing)
    number = np.arange(owner.size) - np.repeat(missing.cumsum() - missing, missing) + 1
    parts = np.repeat(missing + 1, missing)
    unit = level[owner] // STEPS_PER_UNIT
    first, last = (level[place].astype(np.int64) % STEPS_PER_UNIT for place in (owner, owner + 1))
    value = first * (parts - number) + last * number
    edges = np.array([(t.very_low, t.low, t.high, t.very_high) for t in targets.by_unit], np.int64)[unit]
    limits = edges * parts[:, None]
    band = (value >= limits[:, 0]).astype(np.int64) + (value >= limits[:, 1])
    band += (value > limits[:, 2]).astype(np.int64) + (value > limits[:, 3])
    start = millis[owner] + (millis[owner + 1] - millis[owner]) * number // parts
    seconds = _at(interval_seconds, owner)
    columns = (band, start, start + seconds * 1000, seconds, seconds, np.zeros_like(owner), np.repeat(group, missing))
    return Runs(np.array(columns))


def bridged(parts: Sequence[tuple[Runs, Edge, Edge]], starts_at: Sequence[int], profile: Profile) -> list[Runs]:
    """The runs of stretches that follow each other, from each of the places `starts_at` to the last. A stretch comes
    with its first and last slot; the gap between two is treated by the rule of `gaps`."""
    if not parts:
        return [NO_RUNS for _ in starts_at]
    table = np.concatenate([runs.table for runs, _, _ in parts], axis=1)
    heads = np.array([0, *accumulate([runs.table.shape[1] for runs, _, _ in parts])])
    if len(parts) > 1:
        table, heads = _with_bridges(table, heads, [edge for _, *ends in parts for edge in ends], profile)
    places = _fresh(Runs(table)).nonzero()[0]
    whole = _joined(Runs(table), places).table
    return [Runs(_tail(table, whole, places, head)) for head in heads[starts_at].tolist()]


def _tail(table: I64, whole: I64, places: I64, head: int) -> I64:
    """What begins with the column `head` of a table whose neighbouring stretches of one band are made one in `whole`,
    each from one of `places` on: the first of them is cut."""
    if head == table.shape[1]:
        return table[:, head:]
    owner = int(places.searchsorted(head, side="right")) - 1
    end = int(places[owner + 1]) if owner + 1 < places.size else table.shape[1]
    tail = whole[:, owner:].copy()
    tail[_START, 0], tail[_BROKEN, 0] = table[_START, head], 1
    tail[_LENGTHS, 0] = table[_LENGTHS, head:end].sum(axis=1)
    return tail


def _with_bridges(table: I64, heads: I64, ends: Sequence[Edge], profile: Profile) -> tuple[I64, I64]:
    """Columns of runs with those of the interpolated slots between stretches put in, and where each stretch, and the
    end, is then. `ends`: the first and last slot of each stretch in turn."""
    millis, level, interval_seconds, _ = np.array(ends, np.int64).T
    found = gaps(millis, level, interval_seconds, profile)
    between = found.after % 2 == 1  # the others are stretches themselves
    before, lacking, broken = found.after[between], found.intervals[between] - 1, found.broken[between]
    table[_BROKEN, heads[1:-1]] = 0
    table[_BROKEN, heads[before[broken] // 2 + 1]] = 1
    before, lacking = before[~broken], lacking[~broken]
    if not before.size:
        return table, heads
    group = np.zeros(before.size, np.int64)
    extra = _filling(millis, level, interval_seconds, group, before, lacking, profile.targets)
    following = before // 2 + 1
    longer = np.insert(table, np.repeat(heads[following], lacking), extra.table, axis=1)
    shift = np.zeros_like(heads)
    shift[following] = lacking
    return longer, heads + shift.cumsum()
