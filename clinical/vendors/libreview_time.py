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
from clinical.vendors.libreview_table import Export
from clinical.vendors.making import FIRST_MILLIS
from clinical.vendors.parsing import Flaw
from clinical.vendors.wall_clock import WallClock

FIELD: Final = "Device Timestamp"
_TIME: Final = re.compile(r"(\d{1,2})[:.](\d{2})(?::(\d{2}))?(?:\s?([AaPp])\.?\s?[Mm]\.?)?", re.ASCII)
_PLAIN_LENGTH: Final = len("20-10-2021 22:34")
_DAY: Final = timedelta(days=1)
MINUTES: Final = {f"{minute:02}": minute * 60_000 for minute in range(60)}


class Hour(NamedTuple):
    """One hour of a clock. `local`: its text up to the minutes; `plain`: nothing need be said of how it was found."""

    millis: int
    local: str
    offset: int
    zone: str
    plain: bool


class DeviceClock:
    """One device's clock. `summer_time`: None finds out by `stamps`, its times on days on which the zone's clocks
    change, whether it is put forward."""

    def __init__(self, order: str, zone: ZoneInfo, stamps: Iterable[str], summer_time: bool | None) -> None:
        self._order, self._zone = order, zone
        walls = [written.wall for stamp in stamps if (written := self.written_or_none(stamp))]
        self._clock = WallClock(zone, walls, summer_time=summer_time)
        self.summer_time = self._clock.summer_time
        self.how = "zone" if self.summer_time else "standard"
        self._hours: dict[str, Hour | None] = {}

    def instant(self, stamp: str) -> Instant | None:
        """When it was; None in an hour in which the zone's clocks change, and for rare forms. Raises Flaw."""
        hour, minute = self.hour(stamp), stamp[14:16]
        if hour is None:
            self.written(stamp)
            return None
        if minute not in MINUTES:
            raise self._unreadable()
        return Instant(
            millis=hour.millis + MINUTES[minute],
            how=self.how,
            local=f"{hour.local}{minute}:00",
            offset_minutes=hour.offset,
            zone=hour.zone,
            precision="minute",
        )

    def hour(self, stamp: str) -> Hour | None:
        """The hour of a time; None in which the zone's clocks change, for rare forms, and for what is no time."""
        key = stamp[:13] if len(stamp) == _PLAIN_LENGTH else stamp[:13] + stamp[16:]
        try:
            return self._hours[key]
        except KeyError:
            return self._open(stamp, key)

    def _open(self, stamp: str, key: str) -> Hour | None:
        written = self.written_or_none(stamp)
        if written is None:
            return None
        begin = written.wall.replace(minute=0)
        found = self._clock.plain(Written(begin, None, "minute"))
        if found is None or found.offset_minutes is None or stamp[13:14] != ":" or written.precision != "minute":
            self._hours[key] = None
            return None
        plain = self.summer_time and found.millis >= FIRST_MILLIS
        local = begin.isoformat(timespec="hours") + ":"
        hour = self._hours[key] = Hour(found.millis, local, found.offset_minutes, self._zone.key, plain)
        return hour

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


def stamps_of_changing_days(export: Export, zone: ZoneInfo) -> dict[tuple[str, str], list[str]]:
    """The times of days on which the zone's clocks change, by serial number and kind of record, as they stand there."""
    found = dict[tuple[str, str], list[str]]()
    days = _changing_days(export.days, export.order, zone)
    time, of, kind = (export.places[name] for name in ("time", "serial", "type"))
    for _, cells in export.rows if days else ():
        if len(cells) > max(time, of, kind) and cells[time].lstrip().partition(" ")[0] in days:
            found.setdefault((cells[of].strip(), cells[kind].strip()), []).append(cells[time].strip())
    return found


def _changing_days(days: Iterable[str], order: str, zone: ZoneInfo) -> set[str]:
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
