"""LibreView's times: wall clocks to the minute, `20-10-2021 22:34` or `10-20-2021 10:34 PM`, each hour worked out once.

Each device has its own clock: the reader's is not put forward in summer, the phone's is.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from clinical.records import Instant
from clinical.time import Written
from clinical.vendors.date_order import read_date
from clinical.vendors.parsing import Flaw
from clinical.vendors.wall_clock import WallClock

FIELD: Final = "Device Timestamp"
_TIME: Final = re.compile(r"(\d{1,2})[:.](\d{2})(?::(\d{2}))?(?:\s?([AaPp])\.?\s?[Mm]\.?)?", re.ASCII)
_PLAIN_LENGTH: Final = len("20-10-2021 22:34")
_DAY: Final = timedelta(days=1)
_MINUTES: Final = {f"{minute:02}": minute * 60_000 for minute in range(60)}


class _Hour(NamedTuple):
    millis: int
    local: str
    offset: int
    zone: str


class DeviceClock:
    """One device's clock. `summer_time`: None finds out by `stamps`, its times on days on which the zone's clocks
    change, whether it is put forward."""

    def __init__(self, order: str, zone: ZoneInfo, stamps: Iterable[str], summer_time: bool | None) -> None:
        self._order, self._zone = order, zone
        walls = [written.wall for stamp in stamps if (written := self.written_or_none(stamp))]
        self._clock = WallClock(zone, walls, summer_time=summer_time)
        self.summer_time = self._clock.summer_time
        self._how = "zone" if self.summer_time else "standard"
        self._hours: dict[str, _Hour | None] = {}

    def instant(self, stamp: str) -> Instant | None:
        """When it was; None in an hour in which the zone's clocks change, and for rare forms. Raises Flaw."""
        key = stamp[:13] if len(stamp) == _PLAIN_LENGTH else stamp[:13] + stamp[16:]
        minute = stamp[14:16]
        try:
            hour = self._hours[key]
        except KeyError:
            hour = self._hours[key] = self._open(stamp)
        if hour is None:
            return None
        try:
            begin, local, offset, zone = hour
            millis = begin + _MINUTES[minute]
        except KeyError:
            raise self._unreadable() from None
        return Instant(
            millis=millis,
            how=self._how,
            local=f"{local}{minute}:00",
            offset_minutes=offset,
            zone=zone,
            precision="minute",
        )

    def _open(self, stamp: str) -> _Hour | None:
        written = self.written(stamp)
        begin = written.wall.replace(minute=0)
        plain = self._clock.plain(Written(begin, None, "minute"))
        if plain is None or plain.offset_minutes is None or stamp[13:14] != ":" or written.precision != "minute":
            return None
        return _Hour(plain.millis, begin.isoformat(timespec="hours") + ":", plain.offset_minutes, self._zone.key)

    def written(self, stamp: str) -> Written:
        """Raises Flaw."""
        day, _, clock = stamp.partition(" ")
        try:
            hour, minute, second = _clock(clock)
            wall = datetime(*read_date(day, self._order), hour, minute, second or 0)  # noqa: DTZ001 - a wall clock
        except ValueError:
            raise self._unreadable() from None
        return Written(wall, None, "minute" if second is None else "second")

    def written_or_none(self, stamp: str) -> Written | None:
        try:
            return self.written(stamp)
        except Flaw:
            return None

    def _unreadable(self) -> Flaw:
        return Flaw(FIELD, "time-unreadable", f"is not a date ({self._order}) and time")


def changing_days(days: Iterable[str], order: str, zone: ZoneInfo) -> set[str]:
    """Of these dates, as written, those on which the zone's clocks change."""
    found = set()
    for day in days:
        try:
            begins = datetime(*read_date(day, order), tzinfo=zone)
        except ValueError:
            continue  # its rows are set aside later
        if begins.utcoffset() != (begins + _DAY).replace(fold=1).utcoffset():
            found.add(day)
    return found


def _clock(text: str) -> tuple[int, int, int | None]:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("no time of day")
    hour = int(match[1])
    if match[4]:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of twelve")
        hour = hour % 12 + (12 if match[4] in "pP" else 0)
    return hour, int(match[2]), int(match[3]) if match[3] else None
