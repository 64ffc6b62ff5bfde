"""Dexcom developer API v3: events, calibrations and alerts to records.

Source: developer.dexcom.com, API v3 `GET /v3/users/self/{events,calibrations,alerts}`, and what production ingestion
has met: `value` as text, `note` beside `notes`, missing units with insulin and carbohydrate, an empty list from
Dexcom ONE. An event that a person deletes stays with `eventStatus: deleted` and becomes entered in error.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from clinical import units
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    Carbohydrate,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Road,
    Status,
)
from clinical.time import Written
from clinical.vendors.dexcom import SYSTEM, device_of, nearest_offset
from clinical.vendors.event_tables import DEXCOM_ALERTS
from clinical.vendors.iso_time import read_time, utc_of
from clinical.vendors.json_fields import Fields, not_this, read_document, read_each, write_document
from clinical.vendors.making import Maker, Whose, glucose, glucose_unit, moment, quantity, utc_millis
from clinical.vendors.parsing import Parsed

RULE: Final = "dexcom-events"
NOT_A_RECORD: Final = frozenset({"device", "dataRange"})

_STATES: Final = frozenset({"activeAlarming", "activeSnoozed"})
_NOTE_KINDS: Final = {"exercise": "exercise", "health": "illness", "notes": "note", "note": "note"}


def read_dexcom_events(body: bytes, whose: Whose) -> Parsed:
    """Records of one answer. Devices and data ranges are no measurements and count as skipped. Raises Unreadable
    (line and column), also for EGVs, which `clinical.vendors.dexcom` reads."""
    document = read_document(body)
    kind = document.get("recordType") if isinstance(document, dict) else None
    items = document.get("records") if isinstance(document, dict) else None
    if isinstance(kind, str) and kind in NOT_A_RECORD:
        return Parsed([], (), len(items) if isinstance(items, list) else 1)
    read = _READ.get(kind) if isinstance(kind, str) else None
    if read is None or not isinstance(items, list) or not isinstance(document, dict):
        raise not_this("an answer of Dexcom with events, calibrations or alerts", "wrong-record-type")
    head = {name: document[name] for name in ("recordType", "recordVersion", "userId") if name in document}

    def only(item: Any) -> bytes:
        return write_document({**head, "records": [item]})

    return read_each(items, partial(read, Maker(whose, Road.CLOUD, SYSTEM, RULE)), name="records", only=only)


def _entry(maker: Maker, item: Fields, original: Original, remark: str | None = None, part: str = "") -> dict[str, Any]:
    """`systemTime` is UTC as far as the device knew; `displayTime` the wall clock, without offset from receivers."""
    whose = maker.whose
    system = read_time(item.needed_text("systemTime", 64), "systemTime")
    display = read_time(item.needed_text("displayTime", 64), "displayTime") if "displayTime" in item else None
    at = _moment(system, display)
    identity = item.text("recordId", 128) or whose.digest("dexcom", original.code, at.millis, original.value)
    deleted = item.word("eventStatus") == "deleted"
    device = device_of(item.word("transmitterGeneration"), item.word("transmitterId"))
    known = device if device.generation or device.serial else Device(vendor="Dexcom")
    return maker.entry(
        f"{identity}{part}",
        whose.check(at, "systemTime"),
        original,
        device=known,
        status=Status.ENTERED_IN_ERROR if deleted else Status.FINAL,
        remarks=(remark,),
    )


def _moment(system: Written, display: Written | None) -> Instant:
    """The instant by the system clock, with the wall clock of the display where its distance is a zone's."""
    utc = utc_of(system)
    if display is None:
        return moment(utc_millis(utc))
    offset = display.offset_minutes
    if offset is None:
        offset = nearest_offset(round((display.wall - utc).total_seconds() / 60))
    return moment(utc_millis(utc), offset)


def _event(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    kind, sub = item.needed_text("eventType", 64), item.word("eventSubType")
    code = f"{kind}/{sub}" if sub else kind
    original = Original(
        value=item.original("value"), unit=item.original("unit"), code=code, time=item.original("systemTime")
    )
    match kind:
        case "insulin":
            units_given, remark = _amount(item, "units")
            dose = quantity(units_given, units.INSULIN, "value", 300)
            entry = _entry(maker, item, original, remark)
            return [InsulinDose(**entry, kind=InsulinKind.INJECTION, delivered=dose, insulin=sub)]
        case "carbs":
            grams, remark = _amount(item, "grams")
            amount = quantity(grams, units.GRAM, "value", 2000)
            return [Carbohydrate(**_entry(maker, item, original, remark), amount=amount)]
        case "bloodGlucose":
            return [_meter(maker, item, original)]
        case "exercise" | "health" | "notes" | "note":
            seconds = _minutes(item) if kind == "exercise" else None
            text = item.prose("value") if kind in ("notes", "note") else None
            note = text or sub or kind
            kept = Original(code=code, time=original.time) if text else original
            entry = _entry(maker, item, kept)
            return [Annotation(**entry, text=note, kind=_NOTE_KINDS[kind], duration_seconds=seconds)]
        case _:
            return [DeviceEvent(**_entry(maker, item, original), event="unmapped")]


def _amount(item: Fields, unit: str) -> tuple[Decimal, str | None]:
    """The value in the one unit that there is for it; a missing unit is written down, another one refused."""
    said = item.word("unit")
    if said not in (None, "unknown", unit):
        raise item.flaw("unit", "unit-unknown", f"is not {unit}")
    remark = None if said == unit else f"no unit given: {unit}, the only one that Dexcom has for it"
    return item.needed("value", as_text=True), remark


def _minutes(item: Fields) -> int | None:
    if item.word("unit") != "minutes" or "value" not in item:
        return None
    minutes = item.needed("value", as_text=True)
    if not 0 <= minutes <= 2880:
        raise item.flaw("value", "value-impossible", "is negative, or longer than two days")
    return int(minutes * 60)


def _meter(maker: Maker, item: Fields, original: Original) -> Glucose:
    unit = glucose_unit(item.text("unit"), "unit")
    measured = glucose(item.needed("value", as_text=True), unit, "value")
    entry = _entry(maker, item, original, measured.remark)
    return Glucose(**entry, analyte=Analyte.CAPILLARY_GLUCOSE, value=measured.value)


def _calibration(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    """A meter's value, and that it was entered to calibrate."""
    original = Original(
        value=item.original("value"),
        unit=item.original("unit"),
        code="calibration",
        time=item.original("systemTime"),
    )
    reading = _meter(maker, item, original)
    entry = _entry(maker, item, original, part="#event")
    return [reading, DeviceEvent(**entry, event="calibration", value=reading.value)]


def _alert(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    """An alert that sounds or is snoozed; one that is over says nothing new."""
    if item.word("alertState") not in _STATES:
        return []
    name = item.needed_text("alertName", 64)
    original = Original(code=f"{name}/{item.word('alertState')}", time=item.original("systemTime"))
    return [DeviceEvent(**_entry(maker, item, original), event=DEXCOM_ALERTS.word(name))]


_READ: Final = {"event": _event, "calibration": _calibration, "alert": _alert}
