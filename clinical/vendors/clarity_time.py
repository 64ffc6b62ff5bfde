"""Clarity's wall clocks in the hour that comes twice: which of its two passes a row belongs to.

Clarity writes no offset and sorts by wall clock, so in autumn the two passes through one hour stand interleaved.
The transmitter's own clock (seconds, `Transmitter Time`) does not jump: its distance to UTC, taken from the nearest
row of the same transmitter whose time is certain, tells the passes apart.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from clinical.time import Passes, goes_forward, passes, second_by_order

_MOST_DRIFT_SECONDS = 900
_DAY = timedelta(days=1)


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """When a row says it happened: naive wall clock, and the transmitter's clock in seconds where there is one."""

    wall: datetime
    ticks: int | None = None
    transmitter: str = ""


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """Which pass through a wall time is meant (`fold`: the second), and what told it (`ticks`, `order`; None where
    nothing had to).

    `doubtful`: the time occurs twice and nothing tells.
    """

    fold: bool = False
    by: str | None = None
    doubtful: bool = False


ONLY = Resolved()


def resolve(stamps: Sequence[Stamp], zone: ZoneInfo) -> list[Resolved]:
    """For each row, in the order of the file."""
    twice = _on_changing_days(stamps, zone)
    meant = [ONLY] * len(stamps)
    if twice:
        clocks = _transmitter_starts(stamps, zone, twice)
        by_order = _second_by_order(stamps, twice, zone)
        for index, found in twice.items():
            by_ticks = _second_by_ticks(stamps[index].ticks, found, clocks.get(index, ()))
            meant[index] = _decided(by_ticks, by_order.get(index))
    return meant


def _on_changing_days(stamps: Sequence[Stamp], zone: ZoneInfo) -> dict[int, Passes]:
    """The rows whose wall time occurs twice; looks only into days that end at another offset than they began."""
    changes: dict[int, bool] = {}
    twice: dict[int, Passes] = {}
    for index, stamp in enumerate(stamps):
        day = stamp.wall.toordinal()
        if day not in changes:
            begins = datetime.fromordinal(day).replace(tzinfo=zone)
            changes[day] = begins.utcoffset() != (begins + _DAY).replace(fold=1).utcoffset()
        if changes[day] and (found := passes(stamp.wall, zone)).twice:
            twice[index] = found
    return twice


def _decided(by_ticks: bool | None, by_order: bool | None) -> Resolved:
    if by_ticks is not None:
        return Resolved(by_ticks, "ticks")
    if by_order is not None:
        return Resolved(by_order, "order")
    return Resolved(doubtful=True)


def _second_by_ticks(ticks: int | None, found: Passes, starts: Sequence[float]) -> bool | None:
    """Does the transmitter's clock say that the second pass is meant? None if it cannot tell."""
    if ticks is None or not starts:
        return None
    misses = [min(abs(_start(utc, ticks) - start) for start in starts) for utc in (found.first, found.second)]
    if min(misses) > _MOST_DRIFT_SECONDS:
        return None  # another transmitter, or a clock that was set
    return misses[1] < misses[0]


def _transmitter_starts(
    stamps: Sequence[Stamp], zone: ZoneInfo, twice: dict[int, Passes]
) -> dict[int, tuple[float, ...]]:
    """For each row in doubt: when its transmitter's clock stood at zero, by the nearest certain rows around it."""
    starts: dict[int, tuple[float, ...]] = {}
    for order in (range(len(stamps)), range(len(stamps) - 1, -1, -1)):
        certain: dict[str, Stamp] = {}
        for index in order:
            stamp = stamps[index]
            if stamp.ticks is None:
                continue
            if index not in twice:
                certain[stamp.transmitter] = stamp
            elif (near := certain.get(stamp.transmitter)) is not None and near.ticks is not None:
                start = _start(passes(near.wall, zone).first, near.ticks)
                starts[index] = (*starts.get(index, ()), start)
    return starts


def _start(utc: datetime, ticks: int) -> float:
    return utc.replace(tzinfo=UTC).timestamp() - ticks


def _second_by_order(stamps: Sequence[Stamp], twice: dict[int, Passes], zone: ZoneInfo) -> dict[int, bool]:
    """Of a file that goes forward, but for the clocks' one jump back."""
    certain = [stamp.wall for index, stamp in enumerate(stamps) if index not in twice]
    if stamps[0].wall >= stamps[-1].wall or not goes_forward(certain):
        return {}
    doubtful = list(twice)
    told = second_by_order([stamps[index].wall for index in doubtful], zone)
    return {doubtful[place]: second for place, second in told.items()}
