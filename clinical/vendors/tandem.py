"""Tandem Source's pump events (t:slim X2, Mobi) to records: glucose, boluses, basal rates, carbohydrate, alarms.

A body is the base64 text that the service gives, bare or as a JSON string, or the bytes themselves. Events of a bolus
are joined by its number. Times are the pump's wall clock; its running number tells the order, also where clocks go
back.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Carbohydrate,
    Detection,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Road,
)
from clinical.time import instant_in_zone, passes, wall_of_epoch
from clinical.trends import trend_of_rate
from clinical.vendors import tandem_layout as layout
from clinical.vendors.event_tables import (
    TANDEM_ALARMS,
    TANDEM_ALERTS,
    TANDEM_CGM_ALERTS,
    TANDEM_EVENTS,
    TANDEM_G7_STATES,
)
from clinical.vendors.json_fields import in_order
from clinical.vendors.making import Maker, Measured, Whose, glucose, quantity
from clinical.vendors.parsing import Flaw, Parsed, Problem, Unreadable
from clinical.vendors.tandem_layout import DEXCOM_G6, DEXCOM_G7, LIBRE_2, LIBRE_3, Event
from clinical.vendors.wall_clock import WallClock

SYSTEM: Final = "tandem"
RULE: Final = "tandem-events"

_SENSORS: Final[Mapping[int, Device]] = {
    DEXCOM_G6: Device(vendor="Dexcom", model="Dexcom G6", generation="g6"),
    DEXCOM_G7: Device(vendor="Dexcom", model="Dexcom G7", generation="g7"),
    LIBRE_2: Device(vendor="Abbott", model="FreeStyle Libre 2"),
    LIBRE_3: Device(vendor="Abbott", model="FreeStyle Libre 3"),
}
_PRECISE, _HIGH, _LOW, _HIDDEN = 0, 1, 2, 6
_NO_RATE: Final = 127
_JITTER_MILLIS, _MOST_LAG_MILLIS = 60_000, 600_000
_NEVER: Final = 10**15
_BOLUS, _EXTENDED, _REQUEST, _REQUEST_MORE = 20, 21, 64, 65
_BASAL_CHANGE, _BASAL_DELIVERY = 3, 279
_ALGORITHM: Final = frozenset({3, 4})
_AUTOMATIC_CORRECTION, _PLGS = 2, 6
_SIMPLE: Final = {
    13: "clock-change",
    14: "clock-change",
    33: "reservoir-change",
    404: "sensor-start",
    405: "sensor-stop",
    447: "sensor-stop",
}
_STATUS: Final = {0: "User Aborted", 1: "Terminated by Alarm", 2: "Terminated by Malfunction", 3: "Completed"}


def read_tandem_events(body: bytes, whose: Whose, *, serial: str | None = None, if_twice: str | None = None) -> Parsed:
    """Records of one answer of one pump; `whose.zone` is where its clock was, `serial` the pump's number, which the
    events do not say. Kinds of events that say nothing for a record are skipped. Raises Unreadable."""
    if whose.zone is None:
        raise Unreadable("the pump's clock has no zone: set `timezone`", code="timezone-missing")
    events = layout.read_events(_bytes(body))
    return _Answer(events, whose, whose.zone, serial, if_twice).read()


def _bytes(body: bytes) -> bytes:
    text = body.strip()
    if text[:1] == b'"':
        try:
            text = msgspec.json.decode(text, type=str).encode("ascii")
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError):
            raise Unreadable("this is not a JSON string of base64", code="tandem-invalid", path="line 1") from None
        if not text:
            return b""
    if not text:
        raise Unreadable("there is nothing in it", code="tandem-empty")
    try:
        raw = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        if text.isascii():
            raise Unreadable("this is no base64", code="tandem-invalid", path="line 1") from None
        raw = body
    if len(raw) % layout.SIZE:
        said = f"its length is no multiple of {layout.SIZE} bytes: it was cut, or it is something else"
        raise Unreadable(said, code="tandem-cut")
    return raw


class _Answer:
    def __init__(
        self, events: Sequence[Event], whose: Whose, zone: ZoneInfo, serial: str | None, if_twice: str | None
    ) -> None:
        self._events = sorted(events, key=lambda event: event.sequence)
        self._serial = serial
        self._maker = Maker(whose, Road.CLOUD, SYSTEM, RULE)
        self._pump = Device(vendor="Tandem", serial=serial)
        self._zone = zone
        walls = [wall_of_epoch(_event_millis(event)).wall for event in self._events]
        self._clock = WallClock(zone, walls, if_twice=if_twice)
        self._requests = {event.short(12): event for event in self._events if event.number == _REQUEST}
        self._more = {event.short(12): event for event in self._events if event.number == _REQUEST_MORE}
        self._delivers = any(event.number == _BASAL_DELIVERY for event in self._events)
        self._makers: dict[int, Callable[[Event, Instant, str | None], Iterable[AnyRecord]]] = {
            **dict.fromkeys((_BOLUS, _EXTENDED), self._bolus),
            **dict.fromkeys((61, 63), self._priming),
            **dict.fromkeys((4, 5, 6, 11, 12, 229, 369, 460, *_SIMPLE), self._event),
            **dict.fromkeys((_BASAL_CHANGE, _BASAL_DELIVERY), self._basal),
            16: self._meter,
            _REQUEST: self._carbohydrate,
        }

    def read(self) -> Parsed:
        records: list[AnyRecord] = []
        problems: list[Problem] = []
        skipped, seen = 0, set[int]()
        for place, event in enumerate(self._events):
            if event.sequence in seen or (event.number not in self._makers and event.number not in _SENSORS):
                skipped += 1
                continue
            seen.add(event.sequence)
            try:
                made = list(self._made(place, event))
            except Flaw as flaw:
                body = base64.b64encode(event.raw)
                problems.append(Problem(f"event {event.sequence}", flaw.code, f"{flaw.field_name} {flaw.text}", body))
            else:
                records += made
                skipped += not made
        return Parsed(in_order(_with_durations(_joined_states(records))), problems, skipped)

    def _made(self, place: int, event: Event) -> Iterable[AnyRecord]:
        if event.number in _SENSORS:
            return self._sensor(place, event)
        written = wall_of_epoch(_event_millis(event))
        effective, remark = self._clock.instant(place, written, "timestamp")
        return self._makers[event.number](event, self._maker.whose.check(effective, "timestamp"), remark)

    def _entry(
        self, event: Event, effective: Instant, original: Original, *remarks: str | None, device: Device | None = None
    ) -> dict[str, Any]:
        """The pump's running number names an event for ever."""
        name = str(event.sequence)
        identity = f"{self._serial}|{name}" if self._serial else self._maker.whose.digest(name)
        return self._maker.entry(identity, effective, original, device=device or self._pump, remarks=remarks)

    def _measured_at(self, place: int, event: Event, found: layout.Glucose) -> tuple[Instant, str | None]:
        """A value is stored when it is measured, or later where it was filled in: of an hour that comes twice that is
        the pass which fits. Raises Flaw."""
        written, late = wall_of_epoch(found.millis), found.kind & layout.BACKFILLED
        if not passes(written.wall, self._zone).twice:
            return self._clock.instant(-1, written, "EGV TimeStamp")
        stored, _ = self._clock.instant(place, wall_of_epoch(_event_millis(event)), "timestamp")
        either = [instant_in_zone(written, self._zone, second=second) for second in (False, True)]
        latest = _NEVER if late else _MOST_LAG_MILLIS
        fits = [one for one in either if -_JITTER_MILLIS <= stored.millis - one.millis <= latest]
        if len(fits) == 1:
            return fits[0], "time that occurs twice decided by when the pump stored it"
        return self._clock.instant(-1, written, "EGV TimeStamp")

    def _sensor(self, place: int, event: Event) -> Iterable[AnyRecord]:
        """At the time of the measurement: a value that was filled in later was stored later."""
        found = layout.glucose_of(event)
        effective, remark = self._measured_at(place, event, found)
        self._maker.whose.check(effective, "EGV TimeStamp")
        code = str(found.state)
        if found.status == _HIDDEN:
            word = TANDEM_G7_STATES.word(code) if event.number == DEXCOM_G7 and code in TANDEM_G7_STATES else None
            if word:
                entry = self._entry(event, effective, Original(code=code), device=_SENSORS[event.number])
                yield DeviceEvent(**entry, event=word, until=effective)
            return
        measured = _value(found.status, found.value)
        filled = "filled in later by the pump" if found.kind & layout.BACKFILLED else None
        original = Original(value=str(found.value), unit=units.MG_DL, code=code)
        entry = self._entry(event, effective, original, remark, measured.remark, filled, device=_SENSORS[event.number])
        rate = None if found.rate in (None, _NO_RATE) else found.rate
        yield Glucose(
            **entry,
            analyte=Analyte.INTERSTITIAL_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
            trend=None if rate is None else trend_of_rate(Decimal(rate) / 10),
        )

    def _meter(self, event: Event, effective: Instant, remark: str | None) -> Iterable[AnyRecord]:
        """Typed in by a person; what was taken over from the sensor is no measurement of its own."""
        if event.byte(10) != 0:
            return
        measured = glucose(Decimal(event.short(12)), units.MG_DL, "BG")
        entry = self._entry(event, effective, Original(value=str(event.short(12)), unit=units.MG_DL), remark)
        if event.byte(11) == 1:
            yield DeviceEvent(**entry, event="calibration", value=measured.value)
        else:
            yield Glucose(**entry, analyte=Analyte.CAPILLARY_GLUCOSE, value=measured.value)

    def _bolus(self, event: Event, effective: Instant, remark: str | None) -> Iterable[AnyRecord]:
        bolus, extended = event.short(10), event.number == _EXTENDED
        request, more = self._requests.get(bolus), self._more.get(bolus)
        delivered = event.number_at(18, "insulindelivered")
        entry = self._entry(
            event, effective, Original(value=_short(delivered), unit="U", code=_STATUS.get(event.short(12))), remark
        )
        minutes = more.short(16) if more and extended else 0
        yield InsulinDose(
            **entry,
            kind=InsulinKind.EXTENDED_BOLUS if extended else InsulinKind.BOLUS,
            requested=quantity(event.number_at(22, "insulinrequested"), units.INSULIN, "insulinrequested", 300),
            delivered=quantity(delivered, units.INSULIN, "insulindelivered", 300),
            duration_seconds=minutes * 60 or None,
            automatic=request is not None and request.byte(11) == _AUTOMATIC_CORRECTION,
        )

    def _carbohydrate(self, event: Event, effective: Instant, remark: str | None) -> Iterable[AnyRecord]:
        grams = event.short(16)
        if grams:
            entry = self._entry(event, effective, Original(value=str(grams), unit="g"), remark)
            yield Carbohydrate(**entry, amount=quantity(Decimal(grams), units.GRAM, "carbamount", 2000))

    def _basal(self, event: Event, effective: Instant, remark: str | None) -> Iterable[AnyRecord]:
        """279 tells every rate with its source; 3 counts only where a pump does not write that."""
        if event.number == _BASAL_CHANGE and self._delivers:
            return
        if event.number == _BASAL_DELIVERY:
            rate, automatic = Decimal(event.short(16)) / 1000, event.short(12) in _ALGORITHM
        else:
            rate, automatic = event.number_at(10, "commandedbasalrate"), False
        yield InsulinDose(
            **self._entry(event, effective, Original(value=_short(rate), unit="U/h"), remark),
            kind=InsulinKind.BASAL,
            rate=quantity(rate, units.INSULIN_RATE, "commandedRate", 50),
            automatic=automatic,
        )

    def _priming(self, event: Event, effective: Instant, remark: str | None) -> Iterable[AnyRecord]:
        amount = event.number_at(10, "primesize")
        entry = self._entry(event, effective, Original(value=_short(amount), unit="U", code=str(event.number)), remark)
        given = quantity(amount, units.INSULIN, "primesize", 300)
        yield InsulinDose(**entry, kind=InsulinKind.PRIMING, delivered=given)

    def _event(self, event: Event, effective: Instant, remark: str | None) -> Iterable[AnyRecord]:
        number = event.number
        code = str(event.long(10)) if number in (4, 5, 6) else str(event.byte(13)) if number in (369, 460) else ""
        if number == 11 and event.byte(15) == _PLGS:
            word = "pump-suspend-predicted-low"
        else:
            word = {
                4: TANDEM_ALERTS.word(code),
                5: TANDEM_ALARMS.word(code),
                6: "pump-error",
                369: TANDEM_CGM_ALERTS.word(code),
                460: TANDEM_CGM_ALERTS.word(code),
                **_SIMPLE,
            }.get(number) or TANDEM_EVENTS.word(number)
        yield DeviceEvent(
            **self._entry(event, effective, Original(code=code or str(number), system=f"event {number}"), remark),
            event=word,
        )


def _event_millis(event: Event) -> int:
    return layout.EPOCH_MILLIS + event.seconds * 1000


def _value(status: int, value: int) -> Measured:
    """High and low come with any value, for a G6 with 0. Raises Flaw."""
    if status in (_HIGH, _LOW):
        detection = Detection.ABOVE if status == _HIGH else Detection.BELOW
        limit = 400 if status == _HIGH else 40
        return Measured(Quantity(steps=limit, unit=units.MG_DL), detection, f"{detection.value} the measuring range")
    if status != _PRECISE:
        raise Flaw("glucoseValueStatus", "status-unknown", "is none that is known")
    return glucose(Decimal(value), units.MG_DL, "currentGlucoseDisplayValue")


def _joined_states(records: Sequence[AnyRecord]) -> list[AnyRecord]:
    """A sensor's states in a row (`until` is set) are one event."""
    joined: list[AnyRecord] = []
    place: int | None = None
    for record in records:
        if isinstance(record, DeviceEvent) and record.until is not None:
            run = joined[place] if place is not None else None
            if place is not None and isinstance(run, DeviceEvent) and run.event == record.event:
                joined[place] = msgspec.structs.replace(run, until=record.until)
                continue
            place = len(joined)
        elif isinstance(record, Glucose):
            place = None
        joined.append(record)
    return joined


def _with_durations(records: Sequence[AnyRecord]) -> list[AnyRecord]:
    """A basal rate holds until the next one; the last one's end is not known yet."""
    following: dict[int, int] = {}
    last: int | None = None
    for place, record in enumerate(records):
        if isinstance(record, InsulinDose) and record.rate is not None:
            if last is not None:
                following[last] = (record.effective.millis - records[last].effective.millis) // 1000
            last = place
    return [
        msgspec.structs.replace(record, duration_seconds=following[place])
        if isinstance(record, InsulinDose) and following.get(place, -1) >= 0
        else record
        for place, record in enumerate(records)
    ]


def _short(value: Decimal) -> str:
    return f"{round(value, 3).normalize():f}"
