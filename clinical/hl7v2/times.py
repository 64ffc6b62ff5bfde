"""When a result is from: OBX-14, else OBR-7, with the offset that the time, the message or the zone gives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from clinical.hl7v2.delimiters import NULL
from clinical.hl7v2.dtm import read_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.oru import Observation, Order
from clinical.records import Instant
from clinical.time import Written, instant_at_offset, instant_in_zone, passes, second_by_order, utc_of

OBSERVED_AT, COLLECTED_AT = 14, 7

Twice = Literal["earlier", "later", "hold"]


class Time(NamedTuple):
    """A time as written: `text`, what it says, and the path of its field."""

    text: str
    written: Written
    path: str


class Effective(NamedTuple):
    """`remark` says in words what was decided, if anything was."""

    instant: Instant
    remark: str | None = None


def time_of(order: Order, observation: Observation, above: str = "") -> Time:
    """The time of an observation. Raises Hl7Error with the path of the field that is wrong.

    An empty OBX-14 means that of the device row `above` it, where there is one, else the time of the order's specimen
    or observation (OBR-7). Never MSH-7: that is when somebody sent it.
    """
    path = f"OBX[{observation.number}]-{OBSERVED_AT}"
    text = _given(observation.obx.leaf(OBSERVED_AT)) or _given(above)
    if not text and order.obr is not None and (text := _given(order.obr.leaf(COLLECTED_AT))):
        path = f"OBR[{order.number}]-{COLLECTED_AT}"
    if not text:
        raise Hl7Error("nothing says when this was measured: OBX-14 and OBR-7 are empty", path, "time-missing")
    try:
        return Time(text, read_dtm(text), path)
    except Hl7Error as error:
        raise Hl7Error(error.text, path, error.code) from None


def _given(text: str) -> str:
    text = text.strip()
    return "" if text == NULL else text


class Series:
    """The wall times of one patient in one message, in its order: what tells the two passes of an hour apart."""

    def __init__(self, walls: Sequence[datetime], zone: ZoneInfo) -> None:
        self._walls = walls
        self._zone = zone

    def second(self, place: int) -> bool | None:
        """Is the time at this place the second pass of its hour? None if the order does not tell."""
        return self._by_order.get(place)

    @cached_property
    def _by_order(self) -> dict[int, bool]:
        return second_by_order(self._walls, self._zone)


@dataclass(frozen=True, slots=True)
class Clock:
    """How the times of one message are read. `message_offset_minutes` is MSH-7's, the default for all (its text)."""

    zone: ZoneInfo
    message_offset_minutes: int | None = None
    if_twice: Twice = "earlier"

    def effective(self, time: Time, series: Series | None = None, place: int = 0) -> Effective:
        """The instant of a time.

        A wall time that occurs twice is told apart by the order of the `series` in which it stands at `place`, else
        by `if_twice`. Raises Hl7Error if that says to hold.
        """
        written = time.written
        if written.offset_minutes is not None:
            return Effective(instant_at_offset(written, written.offset_minutes, "offset"))
        if self.message_offset_minutes is not None:
            return Effective(instant_at_offset(written, self.message_offset_minutes, "message-offset"))
        found = passes(written.wall, self.zone)
        if found.twice:
            return self._of_two(time, series.second(place) if series is not None else None)
        remark = "time that the zone leaves out, read with the offset before it" if found.gap else None
        return Effective(instant_in_zone(written, self.zone), remark)

    def _of_two(self, time: Time, second: bool | None) -> Effective:
        if second is not None:
            instant = instant_in_zone(time.written, self.zone, second=second)
            return Effective(instant, "time that occurs twice decided by order")
        if self.if_twice == "hold":
            raise Hl7Error(
                "occurs twice on that day (clocks went back) and nothing tells which is meant; send an offset, "
                "or set if_twice",
                time.path,
                "time-twice",
            )
        instant = instant_in_zone(time.written, self.zone, second=self.if_twice == "later")
        return Effective(instant, f"time that occurs twice taken as the {self.if_twice}")

    def utc_text(self, text: str) -> str | None:
        """A time of the message as ISO 8601 in UTC, for sorting; None if it is empty or no full time."""
        try:
            written = read_dtm(text)
        except Hl7Error:
            return None
        given = written.offset_minutes
        utc = utc_of(written, self.message_offset_minutes if given is None else given, self.zone)
        return f"{utc.isoformat(timespec='milliseconds')}Z"
