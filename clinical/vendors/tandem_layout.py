"""Where each number stands in a Tandem pump's events: 26 bytes, big endian (tconnectsync; pumpX2 for Libre 3).

Bytes 0-1: source (4 bits) and number of the event (12 bits). 2-5: seconds since 2008-01-01 of the pump's wall clock.
6-9: running number. 10-25: what the event says.
"""

import struct
from decimal import Decimal
from math import isfinite
from typing import Final, NamedTuple

from clinical.vendors.parsing import Flaw

SIZE: Final = 26
EPOCH_MILLIS: Final = 1_199_145_600_000
"""2008-01-01, of the pump's wall clock."""

_HEAD: Final = struct.Struct(">HII")


class Event(NamedTuple):
    """One event. `number` says what it is, `sequence` counts on for ever."""

    number: int
    seconds: int
    sequence: int
    raw: bytes

    def byte(self, at: int) -> int:
        return self.raw[at]

    def signed_byte(self, at: int) -> int:
        return int(struct.unpack_from(">b", self.raw, at)[0])

    def short(self, at: int) -> int:
        return int(struct.unpack_from(">H", self.raw, at)[0])

    def long(self, at: int) -> int:
        return int(struct.unpack_from(">I", self.raw, at)[0])

    def number_at(self, at: int, field_name: str) -> Decimal:
        """A float. Raises Flaw for what is no number."""
        value = struct.unpack_from(">f", self.raw, at)[0]
        if not isfinite(value) or abs(value) > 1e9:
            raise Flaw(field_name, "value-not-a-number", "is not a number, or an absurd one")
        return Decimal(value)


def read_events(raw: bytes) -> list[Event]:
    """All events of a body whose length is a multiple of `SIZE`."""
    events = []
    for start in range(0, len(raw), SIZE):
        one = raw[start : start + SIZE]
        head, seconds, sequence = _HEAD.unpack_from(one)
        events.append(Event(head & 0x0FFF, seconds, sequence, one))
    return events


class Glucose(NamedTuple):
    """A sensor's value in an event. `millis`: when it was measured, by the pump's wall clock."""

    status: int
    value: int
    kind: int
    rate: int | None
    state: int
    millis: int


BACKFILLED: Final = 2
"""Bit of `Glucose.kind`."""
DEXCOM_G6, LIBRE_2, DEXCOM_G7, LIBRE_3 = 256, 372, 399, 480


def glucose_of(event: Event) -> Glucose:
    """Of an event of one of the four sensors. A Libre's status is one byte, a Dexcom's two."""
    libre = event.number in (LIBRE_2, LIBRE_3)
    return Glucose(
        status=event.byte(13) if libre else event.short(12),
        value=event.short(14),
        kind=event.byte(12) if libre else event.byte(11),
        rate=None if libre else event.signed_byte(10),
        state=event.byte(17),
        millis=EPOCH_MILLIS + event.long(18) * 1000,
    )
