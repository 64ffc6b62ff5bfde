"""Readings in, slots out: each stretch of time is told once, by one sensor, by a value that can be true.

Nothing here raises for bad readings: each is dropped with its reason, which is counted, so that what is missing in a
result can be explained.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import F64, HIGHEST_STEPS, I64, LOWEST_STEPS, UNITS, Flags, levels_of
from clinical.outcomes.reasons import NO_SPANS, Reason, Spans

NO_VALUE: Final = int(np.iinfo(np.int64).min)
"""Steps of a reading whose value is no number."""

KEPT: Final = -1
"""The fate of a slot that counts; another slot's fate is the `Reason` why it does not."""

EARLIEST_MILLIS: Final = 946_684_800_000
LATEST_MILLIS: Final = 4_102_444_800_000
"""Times from 2000 to 2100 are plausible."""

LONGEST_INTERVAL_SECONDS: Final = 4 * 3600

ASIDE_MILLIS: Final = 1 << 42
"""Later than any plausible time: so far apart patients stand on one line of time (`stretches`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Readings of one patient in parallel arrays, in any order. Build with `readings`.

    `millis`: UTC since 1970. `steps`: whole steps of the unit it came in, or `NO_VALUE`. `unit`: its place in
    `levels.UNITS`; anything else is unknown. `interval_seconds`: the nominal interval of its sensor. `detection`: -1
    for "below `steps`", 1 for "above `steps`" as the device words its measuring range. `stream`: the sensor; where two
    overlap, the lower number is taken. `rank`: of the source; among near-duplicates the lowest is taken.
    """

    millis: I64
    steps: I64
    unit: I64
    interval_seconds: I64
    detection: I64
    stream: I64
    rank: I64

    def part(self, chosen: I64 | Flags) -> "Readings":
        """The chosen readings, in the order of the choice."""
        return Readings(
            self.millis[chosen],
            self.steps[chosen],
            self.unit[chosen],
            self.interval_seconds[chosen],
            self.detection[chosen],
            self.stream[chosen],
            self.rank[chosen],
        )


def readings(
    millis: ArrayLike,
    steps: ArrayLike,
    unit: ArrayLike = 0,
    interval_seconds: ArrayLike = 300,
    *,
    detection: ArrayLike = 0,
    stream: ArrayLike = 0,
    rank: ArrayLike = 0,
) -> Readings:
    """Readings from whole numbers; a single number stands for all. Raises `OutcomeError` (`shape`, `fraction`) for
    arrays of different lengths and for numbers that are not whole: fractions of a step come through `steps_from`."""
    given = [np.asarray(each) for each in (millis, steps, unit, interval_seconds, detection, stream, rank)]
    if any(each.size and each.dtype.kind not in "iu" for each in given):
        raise OutcomeError("times, steps and codes are whole numbers; values go through `steps_from` first", "fraction")
    times = given[0]
    if times.ndim != 1 or any(each.ndim and each.shape != times.shape for each in given):
        raise OutcomeError("give one time for each reading, and for the rest one number or one for each", "shape")
    return Readings(*(np.broadcast_to(each, times.shape).astype(np.int64) for each in given))


def steps_from(values: ArrayLike, unit: int) -> I64:
    """Steps of values written in a unit (its place in `levels.UNITS`), rounded half up to the unit's step; `NO_VALUE`
    for NaN, infinities and what is far beyond any glucose value. Raises `OutcomeError` (`unit`) for an unknown unit."""
    if unit not in range(len(UNITS)):
        raise OutcomeError(f"a value needs its unit: {' or '.join(UNITS)}", "unit")
    numbers: F64 = np.asarray(values, np.float64) * (1, 10)[unit]
    known = np.isfinite(numbers) & (np.abs(numbers) < 1e6)
    tidied = np.round(np.where(known, numbers, 0.0), 6)
    return np.where(known, np.floor(tidied + 0.5).astype(np.int64), NO_VALUE)


@dataclass(frozen=True, slots=True, eq=False)
class Drops:
    """Readings that count for nothing: when each was, and its `Reason`; in order of time."""

    millis: I64
    reason: I64

    def counts(self) -> I64:
        """How many, by `Reason`."""
        found: I64 = np.bincount(self.reason, minlength=len(Reason))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """Readings of one patient in order of time, one for each stretch of time. `fate`: `KEPT`, or the `Reason` why the
    value does not count (its time is then accounted to that reason). `drops` tells of every reading without effect."""

    millis: I64
    level: I64
    interval_seconds: I64
    censored: Flags
    fate: I64
    drops: Drops

    def within(self, start_millis: int, end_millis: int) -> "Slots":
        """Those from `start_millis` to before `end_millis`."""
        a, b = self.millis.searchsorted((start_millis, end_millis)).tolist()
        c, d = self.drops.millis.searchsorted((start_millis, end_millis)).tolist()
        return self.part(slice(a, b), Drops(self.drops.millis[c:d], self.drops.reason[c:d]))

    def kept(self) -> "Slots":
        """Those that count."""
        ok = self.fate == KEPT
        return self if ok.all() else self.part(ok, self.drops)

    def moved(self, by: I64) -> "Slots":
        """The same at other times; nothing is told of what was dropped."""
        return Slots(self.millis + by, self.level, self.interval_seconds, self.censored, self.fate, NO_DROPS)

    def part(self, chosen: I64 | Flags | slice, drops: "Drops | None" = None) -> "Slots":
        """The chosen slots; of what was dropped, only `drops`."""
        return Slots(
            self.millis[chosen],
            self.level[chosen],
            self.interval_seconds[chosen],
            self.censored[chosen],
            self.fate[chosen],
            NO_DROPS if drops is None else drops,
        )


NO_DROPS: Final = Drops(np.empty(0, np.int64), np.empty(0, np.int64))


class _Lost:
    """Gathers what is dropped on the way."""

    def __init__(self) -> None:
        self._parts: list[tuple[I64, I64]] = []

    def add(self, millis: I64, reason: I64 | Reason) -> None:
        self._parts.append((millis, np.broadcast_to(np.asarray(reason, np.int64), millis.shape)))

    def drops(self) -> Drops:
        millis, reason = (np.concatenate(columns) for columns in zip(*self._parts, strict=True))
        order = np.lexsort((reason, millis))
        return Drops(millis[order], reason[order])


def slots(given: Readings, spans: Spans = NO_SPANS, shift: I64 | int = 0) -> Slots:
    """The slots of a patient's readings outside `spans`. The order of the readings does not matter. `shift`: by how
    much each reading's time is moved, where many patients stand on one line of time (`stretches`).

    Readings of a stream closer than half its interval are one: the one with a plausible value, of the lowest rank, the
    earliest; of equal ones with different values the lower. A reading whose time another sensor of a lower stream
    number covers is dropped.
    """
    lost = _Lost()
    timed = _with_time(given, given.millis - shift, lost)
    excluded = spans.covering(timed.millis)
    lost.add(timed.millis[excluded >= 0], excluded[excluded >= 0])
    left = timed.part(excluded < 0)
    fate = _fates(left)
    lost.add(left.millis[fate != KEPT], fate[fate != KEPT])
    order = np.lexsort((left.detection, left.steps, left.unit, fate != KEPT, left.rank, left.millis, left.stream))
    left, fate = left.part(order), fate[order]
    chosen = _one_for_each_slot(left, fate, lost)
    chosen = _one_sensor(left, fate, chosen, lost)
    left, fate = left.part(chosen), fate[chosen]
    steps = np.where(fate == KEPT, left.steps + np.sign(left.detection), 0)
    level = np.where(fate == KEPT, levels_of(steps, left.unit), 0)
    censored = (left.detection != 0) & (fate == KEPT)
    return Slots(left.millis, level, left.interval_seconds, censored, fate, lost.drops())


def _with_time(given: Readings, millis: I64, lost: _Lost) -> Readings:
    """What can be put on a time line at all. `millis`: the true times."""
    timed = (millis >= EARLIEST_MILLIS) & (millis < LATEST_MILLIS)
    even = (given.interval_seconds > 0) & (given.interval_seconds <= LONGEST_INTERVAL_SECONDS)
    lost.add(given.millis[~timed], Reason.BAD_TIME)
    lost.add(given.millis[timed & ~even], Reason.BAD_INTERVAL)
    return given if (timed & even).all() else given.part(timed & even)


def _fates(given: Readings) -> I64:
    known = (given.unit >= 0) & (given.unit < len(UNITS))
    unit = np.where(known, given.unit, 0)
    plausible = (given.steps >= LOWEST_STEPS[unit]) & (given.steps <= HIGHEST_STEPS[unit])
    bad = [given.steps == NO_VALUE, ~known, ~plausible]
    reasons = np.select(bad, [Reason.NOT_A_NUMBER, Reason.UNKNOWN_UNIT, Reason.IMPLAUSIBLE], KEPT)
    return reasons.astype(np.int64)


def _one_for_each_slot(given: Readings, fate: I64, lost: _Lost) -> I64:
    """The best of each cluster of near-duplicates. `given` is sorted by stream and time."""
    count = given.millis.size
    if count < 2:
        return np.arange(count)
    clusters = _clusters(given)
    size = np.bincount(clusters)
    if size.size == count:
        return np.arange(count)
    best = np.lexsort((given.detection, given.steps, given.unit, given.millis, given.rank, fate != KEPT, clusters))
    firsts = np.concatenate([[0], size.cumsum()[:-1]])
    chosen = np.sort(best[firsts])
    beaten = fate == KEPT  # bad readings are told by their own reason
    beaten[chosen] = False
    lost.add(given.millis[beaten], Reason.NEAR_DUPLICATE)
    return chosen


def _clusters(given: Readings) -> I64:
    """A number for each reading: the cluster it belongs to. A cluster ends half an interval after its first reading."""
    half = np.minimum(given.interval_seconds[1:], given.interval_seconds[:-1]) * 500
    apart = (np.diff(given.millis) >= half) | (np.diff(given.stream) != 0)
    starts = np.flatnonzero(np.concatenate([[True], apart]))
    ends = np.append(starts[1:], given.millis.size) - 1
    heads = np.zeros(given.millis.size, np.int64)
    heads[starts] = 1
    shortest = np.minimum.reduceat(given.interval_seconds, starts)
    long = given.millis[ends] - given.millis[starts] >= shortest * 500
    for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
        first = start
        for place in range(start + 1, end + 1):
            reach = min(given.interval_seconds[first], given.interval_seconds[place]) * 500
            if given.millis[place] - given.millis[first] >= reach:
                heads[place] = 1
                first = place
    found: I64 = heads.cumsum() - 1
    return found


def _one_sensor(given: Readings, fate: I64, chosen: I64, lost: _Lost) -> I64:
    """Without readings whose cover meets that of a reading from a lower stream number; in order of time. Bad readings
    come last: where a good one stands nearby, they say nothing."""
    good = chosen[fate[chosen] == KEPT]
    taken: I64 = np.empty(0, np.int64)
    streams = given.stream[good]
    for stream in np.unique(streams):
        mine = good[streams == stream]
        if taken.size:
            free = _free(given, mine, taken, share=2)
            lost.add(given.millis[mine[~free]], Reason.OVERLAPPING_SENSOR)
            mine = mine[free]
        taken = _merged(given, taken, mine)
    bad = chosen[fate[chosen] != KEPT]
    if bad.size and taken.size:
        bad = bad[_free(given, bad, taken, share=1)]
    return _merged(given, taken, bad)


def _merged(given: Readings, one: I64, other: I64) -> I64:
    both = np.concatenate([one, other])
    return both[np.lexsort((given.stream[both], given.millis[both]))]


def _free(given: Readings, mine: I64, taken: I64, share: int) -> Flags:
    """Which of `mine` stand clear of those `taken`, by `share` halves of an interval. `taken` is in order of time."""
    times, covers = given.millis[mine], given.interval_seconds[mine] * 500 * share
    others, reach = given.millis[taken], given.interval_seconds[taken] * 500 * share
    after = others.searchsorted(times, side="left")
    before = np.maximum(after - 1, 0)
    late_enough = (after == 0) | (times - others[before] >= reach[before])
    follower = np.minimum(after, taken.size - 1)
    early_enough = (after == taken.size) | (others[follower] - times >= covers)
    free: Flags = late_enough & early_enough
    return free
