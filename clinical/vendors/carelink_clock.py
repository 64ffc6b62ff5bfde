"""CareLink Connect's times: the pump's wall clock, written in three ways, with or without an offset that means nothing.

The clock's zone is named as Windows or Java does, and the pump need not follow it. How far the pump's clock was from
UTC when it was read tells: where that fits the zone, the zone is meant for all of the 24 hours; where not, that
distance.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from clinical.drift import Pair
from clinical.records import Instant
from clinical.time import Written, instant_at_offset, moment
from clinical.vendors.parsing import Flaw, Unreadable
from clinical.vendors.wall_clock import WallClock
from clinical.zones import zone_of

_FAKE_OFFSET: Final = re.compile(r"(\.\d+)?(Z|[+-]\d{2}:?\d{2})?")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OLD: Final = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}) (\d{1,2}):(\d{2}):(\d{2})", re.ASCII)
_PLAIN_LENGTH: Final = len("2025-11-09T21:26:00")
_GRID_MINUTES, _MOST_DRIFT_MINUTES, _WIDEST_MINUTES = 15, 10, 14 * 60
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
DISAGREES: Final = "the pump's clock is not in the zone that was named: offset by the server's clock when it was read"


def wall_of(text: Any, field_name: str) -> datetime:
    """`2025-11-09T21:26:00`, with an offset that is none, or `Oct 19, 2015 08:20:00`. Raises Flaw."""
    try:
        if isinstance(text, str) and len(text) <= 40:
            plain = text[:1].isdigit() and _FAKE_OFFSET.fullmatch(text[_PLAIN_LENGTH:])
            wall = datetime.fromisoformat(text[:_PLAIN_LENGTH]) if plain else _old(text)
            if 2000 <= wall.year <= 2100 and wall.tzinfo is None:
                return wall
    except ValueError:
        pass  # said below
    raise Flaw(field_name, "time-unreadable", "is not a time such as 2025-11-09T21:26:00")


def _old(text: str) -> datetime:
    match = _OLD.fullmatch(text)
    if match is None or match[1] not in _MONTHS:
        raise ValueError("no time")
    day, year, hour, minute, second = (int(match[place]) for place in (2, 3, 4, 5, 6))
    return datetime(year, _MONTHS.index(match[1]) + 1, day, hour, minute, second)  # noqa: DTZ001 - a wall clock


class PumpClock:
    """The clock of one document. Raises Unreadable where nothing tells its zone or offset."""

    def __init__(self, document: Mapping[str, Any], zone: ZoneInfo | None) -> None:
        name = document.get("clientTimeZoneName")
        named = zone_of(name) if isinstance(name, str) and len(name) <= 64 else None
        self._zone = named if isinstance(named, ZoneInfo) else zone
        self._offset = self._observed(document)
        if self._offset is None and self._zone is None:
            text = "nothing tells where the pump's clock was: set `timezone`"
            raise Unreadable(text, code="timezone-missing", path="clientTimeZoneName")
        self._by_offset = self._zone is None or not self._fits(document, self._zone)

    def instants(self, walls: Sequence[datetime]) -> "Clocked":
        """For times in the order in which they happened."""
        if self._by_offset:
            return Clocked(None, self._offset or 0, self._zone is not None)
        assert self._zone is not None
        return Clocked(WallClock(self._zone, walls), 0, False)

    def pairs(self, document: Mapping[str, Any]) -> Sequence[Pair]:
        """What the pump's clock showed, and when that was. It was read between the pump's last word to the server and
        the answer: what lies between is right, and what lies outside is wrong by its distance to the nearer end."""
        device, offset = self._device(document), self._offset
        first = _millis(document, "lastMedicalDeviceDataUpdateServerTime")
        last = _millis(document, "currentServerTime") or first
        if device is None or offset is None or first is None or last is None or last < first:
            return ()
        return (Pair(device, min(max(device - offset * 60_000, first), last)),)

    def _observed(self, document: Mapping[str, Any]) -> int | None:
        """Minutes by which the pump's clock was east of UTC when the server got it, to the quarter of an hour."""
        server = _millis(document, "lastMedicalDeviceDataUpdateServerTime") or _millis(document, "currentServerTime")
        device = self._device(document)
        if server is None or device is None:
            return None
        minutes = (device - server) / 60_000
        offset = round(minutes / _GRID_MINUTES) * _GRID_MINUTES
        near = abs(minutes - offset) <= _MOST_DRIFT_MINUTES and abs(offset) <= _WIDEST_MINUTES
        return offset if near else None

    def _device(self, document: Mapping[str, Any]) -> int | None:
        """Its wall clock as milliseconds since 1970, as if it were UTC."""
        millis = _millis(document, "medicalDeviceTime")
        text = document.get("sMedicalDeviceTime")
        if millis is None and text:
            try:
                return (wall_of(text, "sMedicalDeviceTime") - _EPOCH) // timedelta(milliseconds=1)
            except Flaw:
                return None
        return millis

    def _fits(self, document: Mapping[str, Any], zone: ZoneInfo) -> bool:
        if self._offset is None:
            return True
        server = _millis(document, "lastMedicalDeviceDataUpdateServerTime") or _millis(document, "currentServerTime")
        offset = moment(server, zone).utcoffset() if server else None
        return offset is not None and abs(offset // timedelta(minutes=1) - self._offset) < _GRID_MINUTES


class Clocked:
    """Times of one list."""

    def __init__(self, clock: WallClock | None, offset: int, disagrees: bool) -> None:
        self._clock, self._offset, self._disagrees = clock, offset, disagrees

    def instant(self, place: int, wall: datetime, field_name: str) -> tuple[Instant, str | None]:
        """Raises Flaw."""
        written = Written(wall, None, "second")
        if self._clock is not None:
            return self._clock.instant(place, written, field_name)
        return instant_at_offset(written, self._offset, "message-offset"), DISAGREES if self._disagrees else None


def _millis(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | Decimal)
        or not 946_684_800_000 < value < 4_102_444_800_000
    ):
        return None
    return int(value)
