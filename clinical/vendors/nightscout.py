"""Nightscout: entries, treatments, profiles and device statuses, of API v1 and v3, to records.

Source: cgm-remote-monitor's API v1 (lists of documents) and v3 (`{"status": 200, "result": [...]}` with `identifier`,
`srvModified`, `isValid`). A document that was deleted stays as a tombstone (`isValid: false`) and becomes a record
that was entered in error.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    Original,
    Road,
    Status,
)
from clinical.trends import NIGHTSCOUT
from clinical.vendors import nightscout_treatments as treatments
from clinical.vendors.json_fields import Fields, items_of, not_this, read_document, read_each
from clinical.vendors.making import Maker, Measured, Whose, glucose, utc_text
from clinical.vendors.parsing import Parsed

SYSTEM = "nightscout"
RULE = "nightscout"

_SECONDS_LIMIT = 100_000_000_000
_SENSOR = re.compile(r"\b(?:dexcom)?(g[4-7])\b", re.IGNORECASE)
_LIBRE = ("libre", "miaomiao", "bubble", "linkup", "llu")
_NOTHING_MEASURED = frozenset({"etc", "rawbg"})
_OTHER_COLLECTIONS = ("store", "openaps", "loop", "pump", "uploader")  # profiles and device statuses


def read_nightscout(body: bytes, whose: Whose) -> Parsed:
    """Records of a body of entries, treatments, or both. Profiles and device statuses are no measurements: they count
    as skipped. Raises Unreadable (line and column) for what is no list of Nightscout's documents."""
    document = read_document(body)
    found = items_of(document, "result", "entries", "treatments")
    if found is None:
        raise not_this("an answer of Nightscout: it is neither a list nor an object with `result`", "not-nightscout")
    name, items = found
    reader = _Reader(Maker(whose, Road.CLOUD, SYSTEM, RULE))
    return read_each(items, reader.read, name=name)


class _Reader:
    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._started: Instant | None = None

    def read(self, item: Fields) -> Sequence[AnyRecord]:
        """Raises Flaw."""
        if "eventType" in item:
            return self._treatment(item)
        kind = item.text("type") or next((name for name in ("sgv", "mbg") if name in item), None)
        if kind == "sgv":
            return [self._reading(item, "sgv", Analyte.INTERSTITIAL_GLUCOSE)]
        if kind == "mbg":
            return [self._reading(item, "mbg", Analyte.CAPILLARY_GLUCOSE)]
        if kind == "cal":
            return [self._calibration(item)]
        if kind in _NOTHING_MEASURED or (kind is None and any(name in item for name in _OTHER_COLLECTIONS)):
            return []
        raise item.flaw("type", "type-unknown", "is no type of entry that is known (sgv, mbg, cal, etc)")

    def _treatment(self, item: Fields) -> Sequence[AnyRecord]:
        effective = _time_of(item, self._maker.whose, ("created_at", "date", "timestamp"))
        if item.text("eventType") == treatments.SENSOR_START and self._repeats(effective):
            return []
        return treatments.read(item, effective, self._maker, _common(item))

    def _repeats(self, effective: Instant) -> bool:
        """Some uploaders write a sensor's start hundreds of times; ten minutes apart at least are two."""
        near = self._started is not None and abs(effective.millis - self._started.millis) < 600_000
        if not near:
            self._started = effective
        return near

    def _reading(self, item: Fields, name: str, analyte: Analyte) -> Glucose:
        effective = _entry_time(item, self._maker.whose)
        measured = _measured(item, name)
        common = _common(item)
        if common.identity is None:
            common = common._replace(identity=self._maker.whose.digest(name, effective.millis))
        original = Original(
            value=item.original(name),
            unit=units.MG_DL,
            code=name,
            time=item.original("dateString") or item.original("date"),
        )
        return Glucose(
            **self._maker.entry(
                common.identity or "",
                effective,
                original,
                device=_device(item.word("device")),
                status=common.status,
                remarks=(measured.remark,),
                version=common.version,
            ),
            analyte=analyte,
            value=measured.value,
            detection=measured.detection,
            trend=NIGHTSCOUT.trend(item.word("direction")),
        )

    def _calibration(self, item: Fields) -> DeviceEvent:
        effective = _entry_time(item, self._maker.whose)
        common = _common(item)
        return DeviceEvent(
            **self._maker.entry(
                common.identity or self._maker.whose.digest("cal", effective.millis),
                effective,
                Original(value=item.original("slope"), code="cal", time=item.original("date")),
                device=_device(item.word("device")),
                status=common.status,
                version=common.version,
            ),
            event="calibration",
        )


def _measured(item: Fields, name: str) -> Measured:
    """`sgv` and `mbg` are mg/dL always. Dexcom's uploaders write 39 and 401 for Low and High; Libre's cut off at
    40 and 500."""
    number = item.needed(name, as_text=True)
    if name == "mbg":
        return glucose(number, units.MG_DL, name)
    device = (item.word("device") or "").lower()
    if any(word in device for word in _LIBRE):
        return glucose(number, units.MG_DL, name, low=40, high=500, clamped=True)
    return glucose(number, units.MG_DL, name, low=40, high=400 if number == Decimal(401) else None)


def _entry_time(item: Fields, whose: Whose) -> Instant:
    """`date` in milliseconds, or as v3 also takes it in seconds or as text; else `dateString`."""
    return _time_of(item, whose, ("date", "dateString", "sysTime", "created_at"))


def _time_of(item: Fields, whose: Whose, names: Sequence[str]) -> Instant:
    offset = item.number("utcOffset", as_text=True)
    # An offset of nought is that of a time written with Z: it tells nothing of the wall clock.
    minutes = int(offset) if offset and abs(offset) <= 840 else None
    for name in names:
        if name not in item:
            continue
        if not item.is_text(name) or (item.original(name) or "").isdecimal():
            millis = int(item.needed(name, as_text=True))  # of a float too: Loop writes a part of a millisecond
            return whose.at_millis(millis if millis >= _SECONDS_LIMIT else millis * 1000, item.path(name), minutes)
        instant = whose.time(item.needed_text(name, 64), item.path(name))
        if minutes is None or instant.offset_minutes:
            return instant
        return whose.at_millis(instant.millis, item.path(name), minutes)
    raise item.flaw(names[0], "time-missing", "is missing")


def _common(item: Fields) -> treatments.Common:
    """Identity, version and status. `identifier` (v3) is the `_id` of v1 where the uploader gave no other."""
    modified = item.number("srvModified") if "srvModified" in item else None
    version = utc_text(int(modified)) if modified and _SECONDS_LIMIT < modified < 5_000_000_000_000 else None
    valid = "isValid" not in item or item.flag("isValid")
    identity = item.text("identifier", 128) or item.text("_id", 128)
    return treatments.Common(identity, version, Status.FINAL if valid else Status.ENTERED_IN_ERROR)


def _device(name: str | None) -> Device | None:
    """What an uploader's name says of the sensor. The name itself may hold a person's (`loop://Erika's iPhone`)."""
    if name is None:
        return None
    if found := _SENSOR.search(name):
        return Device(vendor="Dexcom", model=f"Dexcom {found[1].upper()}", generation=found[1].lower())
    return Device(vendor="Abbott", model="FreeStyle Libre") if "libre" in name.lower() else None
