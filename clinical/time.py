"""From a time as written to an instant: offsets, zones, the hour that comes twice and the hour that never comes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from clinical.records import Instant

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
_DAY, _HALF_HOUR = timedelta(days=1), timedelta(minutes=30)
_NONE, _MOST_JITTER = timedelta(), timedelta(minutes=3)


class Written(msgspec.Struct, frozen=True, gc=False):
    """A wall clock as written: `wall` is naive, `offset_minutes` east of UTC or None where none was written.

    `precision` as in `Instant`.
    """

    wall: datetime
    offset_minutes: int | None
    precision: str = "second"


class Passes(msgspec.Struct, frozen=True, gc=False):
    """The instants (naive UTC) that a wall time in a zone can mean: two different ones when the clocks go back, and
    where they go forward the ones by the offset before and after (PEP 495)."""

    first: datetime
    second: datetime

    @property
    def certain(self) -> bool:
        return self.first == self.second

    @property
    def twice(self) -> bool:
        """The wall time occurs twice."""
        return self.first < self.second

    @property
    def apart(self) -> timedelta:
        """How far the clocks go back: an hour, or half of one on Lord Howe Island."""
        return self.second - self.first

    @property
    def gap(self) -> bool:
        """The wall time does not occur."""
        return self.first > self.second


def passes(wall: datetime, zone: ZoneInfo) -> Passes:
    """What a naive wall time can mean in a zone. Raises OverflowError at the ends of the calendar."""
    aware = wall.replace(tzinfo=zone)
    first = wall - (aware.utcoffset() or timedelta())
    if aware.replace(fold=1).utcoffset() == aware.utcoffset():
        return Passes(first, first)
    return Passes(first, wall - (aware.replace(fold=1).utcoffset() or timedelta()))


def goes_forward(walls: Sequence[datetime]) -> bool:
    """Whether wall times stand in the order in which they happened: none lies half an hour or more before the one that
    it follows on the same day or the next."""
    steps = (later - earlier for earlier, later in pairwise(walls))
    return not any(-_DAY < step <= -_HALF_HOUR for step in steps)


def second_by_order(walls: Sequence[datetime], zone: ZoneInfo) -> dict[int, bool]:
    """Which of these wall times, given in the order they happened, belong to the second pass of an hour that comes
    twice: place → is it the second.

    In order, the wall clock jumps back once when the clocks do. Hours without exactly one such jump (a step back of
    half of what the clocks go back), or with other steps back than jitter, tell nothing, and their times are left out.
    """
    told: dict[int, bool] = {}
    run: list[int] = []
    for place, wall in enumerate(walls):
        if run and abs(wall - walls[run[-1]]) >= _DAY:
            told |= _told(run, walls, zone)
            run = []
        if passes(wall, zone).twice:
            run.append(place)
    return told | _told(run, walls, zone)


def _told(run: Sequence[int], walls: Sequence[datetime], zone: ZoneInfo) -> dict[int, bool]:
    if not run:
        return {}
    jump_back = passes(walls[run[0]], zone).apart / 2
    steps = [walls[later] - walls[earlier] for earlier, later in pairwise(run)]
    jumps = [place for place, step in enumerate(steps, 1) if step <= -jump_back]
    disorder = sum((-step for step in steps if -jump_back < step < _NONE), _NONE)
    if len(jumps) != 1 or disorder > _MOST_JITTER:
        return {}
    return {place: i >= jumps[0] for i, place in enumerate(run)}


def instant_at_offset(written: Written, offset_minutes: int, how: str) -> Instant:
    """The instant of a wall clock at an offset. `how`: `offset`, or `message-offset` where it came with the message."""
    utc = written.wall - timedelta(minutes=offset_minutes) if offset_minutes else written.wall
    return Instant(
        millis=_millis(utc),
        how=how,
        local=written.wall.isoformat(),
        offset_minutes=offset_minutes,
        precision=written.precision,
    )


def instant_in_zone(written: Written, zone: ZoneInfo, *, second: bool = False) -> Instant:
    """The instant of a wall clock in a named zone, `fold` and `gap` marked.

    A time that occurs twice is its first pass unless `second`. A time that does not occur is read with the offset
    from before the clocks went forward, so 02:30 becomes the instant of 03:30: what a clock shows that was not set.
    """
    found = passes(written.wall, zone)
    later = second and found.twice
    utc = found.second if later else found.first
    offset = written.wall - utc
    return Instant(
        millis=_millis(utc),
        how="zone",
        local=written.wall.isoformat(),
        offset_minutes=offset.days * 1440 + round(offset.seconds / 60),
        zone=zone.key,
        precision=written.precision,
        fold=later,
        gap=found.gap,
    )


def ignores_summer_time(walls: Iterable[datetime], zone: ZoneInfo) -> bool:
    """Whether a device's clock was not put forward with its zone's: it showed times that do not occur there."""
    return any(passes(wall, zone).gap for wall in walls)


def instant_without_summer_time(written: Written, zone: ZoneInfo) -> Instant:
    """The instant of a wall clock that stays on the zone's standard time all year; `gap` marks what nobody else's
    clock showed. Nothing occurs twice on it."""
    seasons = (written.wall.replace(month=month, day=1, tzinfo=zone).utcoffset() for month in (1, 7))
    offset = min(season or timedelta() for season in seasons)
    utc = written.wall - offset
    return Instant(
        millis=_millis(utc),
        how="standard",
        local=written.wall.isoformat(),
        offset_minutes=offset.days * 1440 + round(offset.seconds / 60),
        zone=zone.key,
        precision=written.precision,
        gap=passes(written.wall, zone).gap,
    )


def wall_of_epoch(millis: int, precision: str = "second") -> Written:
    """The wall clock that an epoch stands for which was made of local time as if it were UTC (Tandem, Glooko, CareLink,
    iHealth, Fitbit log ids). Give it to `instant_in_zone`."""
    return Written(_EPOCH + timedelta(milliseconds=millis), None, precision)


def is_local_epoch(millis: int, server_millis: int, zone: ZoneInfo, within_seconds: int = 900) -> bool:
    """Whether an epoch that was made at `server_millis` (true UTC) was made of the local time of `zone`.

    False where the zone is at UTC then: both readings are the same.
    """
    offset = moment(server_millis, zone).utcoffset() or timedelta()
    local = server_millis + offset // timedelta(milliseconds=1)
    return bool(offset) and abs(millis - local) <= within_seconds * 1000 < abs(millis - server_millis)


def utc_of(written: Written, offset_minutes: int | None, zone: ZoneInfo) -> datetime:
    """Naive UTC of a wall clock at an offset, or without one in a zone (the first pass, the offset before a gap)."""
    if offset_minutes is not None:
        return written.wall - timedelta(minutes=offset_minutes) if offset_minutes else written.wall
    return passes(written.wall, zone).first


def _millis(utc: datetime) -> int:
    """Since 1970; in integers, so that nothing is rounded."""
    passed = utc - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000


def moment(millis: int, zone: ZoneInfo | None = None) -> datetime:
    """The aware moment of an `Instant`'s milliseconds, in UTC or a zone."""
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    return utc.astimezone(zone) if zone is not None else utc
