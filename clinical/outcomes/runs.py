"""Runs: a patient's time as stretches in one band, with short gaps filled. From them every event is found.

Runs concatenate: those of two days, with the gap at midnight bridged by the same rule, are those of both days together.
That is why events over midnight come out the same whether days are merged or all readings are read at once.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from clinical.outcomes.levels import I64, STEPS_PER_UNIT, Flags
from clinical.outcomes.profile import Profile
from clinical.outcomes.readings import Slots
from clinical.outcomes.targets import TargetSet


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Stretches in order of time. `band`: `targets.Band`. `start_millis`: the first slot. `end_millis`: where the last
    slot's nominal interval ends. `seconds`: nominal time in whole intervals, of which `filled_seconds` are
    interpolated. `broken`: nothing, or a long gap, lies before it. `group`: whose (for many patients at once)."""

    band: I64
    start_millis: I64
    end_millis: I64
    seconds: I64
    filled_seconds: I64
    broken: I64
    group: I64

    def __len__(self) -> int:
        return int(self.band.size)

    def columns(self) -> list[I64]:
        return [getattr(self, field.name) for field in fields(self)]


NO_RUNS: Final = Runs(*(np.empty(0, np.int64) for _ in range(7)))


def joined(parts: list[Runs]) -> Runs:
    """The parts one after the other, stretches of the same band made one where nothing breaks them."""
    if not parts:
        return NO_RUNS
    return coalesced(Runs(*(np.concatenate(columns) for columns in zip(*(p.columns() for p in parts), strict=True))))


def coalesced(runs: Runs) -> Runs:
    """The same time with neighbouring stretches of one band made one."""
    if len(runs) < 2:
        return runs
    fresh = np.concatenate([[True], (np.diff(runs.band) != 0) | (runs.broken[1:] != 0)])
    if fresh.all():
        return runs
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(runs)) - 1
    return Runs(
        runs.band[starts],
        runs.start_millis[starts],
        runs.end_millis[lasts],
        np.add.reduceat(runs.seconds, starts),
        np.add.reduceat(runs.filled_seconds, starts),
        runs.broken[starts],
        runs.group[starts],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """The pause after each slot but the last: `intervals` it takes in whole nominal intervals, and whether it breaks
    what runs over it."""

    intervals: I64
    broken: Flags


def gaps(millis: I64, level: I64, interval_seconds: I64, profile: Profile) -> Gaps:
    """Up to one and a half intervals nothing is missing; up to `short_gap_seconds` (in whole intervals, so that a
    clock's jitter does not matter) the pause is filled; a longer one breaks, and so does one over which the unit
    changes, since nothing lies between values of two units."""
    interval = interval_seconds[:-1] * 1000
    pause = np.diff(millis)
    intervals = np.maximum((2 * pause + interval - 1) // (2 * interval), 1)
    other_unit = (level[1:] // STEPS_PER_UNIT) != (level[:-1] // STEPS_PER_UNIT)
    too_long = intervals * interval > profile.short_gap_seconds * 1000
    return Gaps(intervals, (intervals > 1) & (too_long | other_unit))


def runs_of(slots: Slots, profile: Profile) -> Runs:
    """The runs of one patient's slots; only those that count are looked at."""
    kept = slots.kept()
    return runs_of_groups(kept.millis, kept.level, kept.interval_seconds, np.zeros(kept.millis.size, np.int64), profile)


def runs_of_groups(millis: I64, level: I64, interval_seconds: I64, group: I64, profile: Profile) -> Runs:
    """The same for many patients at once: slots sorted by `group`, then time."""
    count = millis.size
    if not count:
        return NO_RUNS
    band = profile.targets.bands()[level].astype(np.int64)
    found = gaps(millis, level, interval_seconds, profile)
    foreign = group[1:] != group[:-1]
    broken = found.broken | foreign
    missing = np.where(broken, 0, found.intervals - 1)
    changes = np.diff(band) != 0
    starts = np.flatnonzero(np.concatenate([[True], changes | broken]))
    lasts = np.append(starts[1:], count) - 1
    within = np.append(np.where(changes, 0, missing), 0) * interval_seconds
    filled = np.add.reduceat(within, starts)
    rows = Runs(
        band[starts],
        millis[starts],
        millis[lasts] + interval_seconds[lasts] * 1000,
        np.add.reduceat(interval_seconds, starts) + filled,
        filled,
        np.concatenate([[True], broken])[starts].astype(np.int64),
        group[starts],
    )
    between = np.flatnonzero(changes & (missing > 0))
    if not between.size:
        return rows
    extra = _filling(millis, level, interval_seconds, group, between, missing[between], profile.targets)
    places = np.searchsorted(starts, np.repeat(between, missing[between]), side="right")
    return coalesced(Runs(*(np.insert(a, places, b) for a, b in zip(rows.columns(), extra.columns(), strict=True))))


def _filling(
    millis: I64, level: I64, interval_seconds: I64, group: I64, before: I64, missing: I64, targets: TargetSet
) -> Runs:
    """A row for each interpolated slot after the slots `before`. The straight line is kept as a fraction, so that a
    threshold is met exactly or not at all."""
    owner = np.repeat(before, missing)
    number = np.arange(owner.size) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    parts = np.repeat(missing + 1, missing)
    unit = level[owner] // STEPS_PER_UNIT
    first, last = level[owner] % STEPS_PER_UNIT, level[owner + 1] % STEPS_PER_UNIT
    value = first * (parts - number) + last * number
    edges = np.array([(t.very_low, t.low, t.high, t.very_high) for t in targets.by_unit], np.int64)[unit]
    limits = edges * parts[:, None]
    band = (value >= limits[:, 0]).astype(np.int64) + (value >= limits[:, 1])
    band += (value > limits[:, 2]).astype(np.int64) + (value > limits[:, 3])
    start = millis[owner] + (millis[owner + 1] - millis[owner]) * number // parts
    seconds = interval_seconds[owner]
    return Runs(band, start, start + seconds * 1000, seconds, seconds, np.zeros_like(owner), group[owner])


def bridge(last: Slots, first: Slots, profile: Profile) -> tuple[Runs, bool]:
    """What lies between two slots that follow each other: the runs of the interpolated slots, and whether it breaks.
    `last` and `first` hold one slot each."""
    pair = [np.concatenate(both) for both in zip(_three(last), _three(first), strict=True)]
    millis, level, interval_seconds = pair
    found = gaps(millis, level, interval_seconds, profile)
    missing = found.intervals - 1
    if found.broken[0] or not missing[0]:
        return NO_RUNS, bool(found.broken[0])
    zeros = np.zeros(2, np.int64)
    return _filling(millis, level, interval_seconds, zeros, zeros[:1], missing, profile.targets), False


def _three(slots: Slots) -> tuple[I64, I64, I64]:
    return slots.millis, slots.level, slots.interval_seconds
