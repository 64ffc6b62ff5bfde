"""Dexcom developer API: EGV bodies to glucose records.

Source: developer.dexcom.com, API v3 `GET /v3/users/self/egvs` (envelope `recordType`, `recordVersion`, `userId`,
`records`), and the v2 shape (`unit`, `rateUnit`, `egvs`), which has no ids.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import inf
from typing import Annotated, Any

import msgspec

from clinical import units
from clinical.records import Analyte, Device, Glucose, Instant, Original, PatientRef, Road, SourceId, Status
from clinical.time import moment
from clinical.vendors.dexcom_range import Measured, measured
from clinical.vendors.iso_time import Wall, read_wall
from clinical.vendors.json_bodies import field_of, unreadable_json, without_bom
from clinical.vendors.making import deeds
from clinical.vendors.parsing import Flaw, Parsed, Problem, Unreadable

SYSTEM = "dexcom"
RULE, RULE_VERSION = "dexcom-egv", "1"

_FIRST_SENSOR_MILLIS = 1_136_073_600_000  # 2006: no Dexcom sensor is older; a reset clock says so
_CLOCK_AHEAD_MILLIS = 86_400_000
_NULL = msgspec.Raw(b"null")

# Zones that are not whole hours, in minutes; with the whole hours these are all offsets in use.
_ODD_OFFSETS = (-570, -210, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825)
_OFFSETS = (*range(-12 * 60, 14 * 60 + 1, 60), *_ODD_OFFSETS)
_OFFSET_TOLERANCE_MINUTES = 15

# Members of enumerations, looked up once: in Python 3.11 each look-up takes as long as building a small struct.
_INTERSTITIAL, _FINAL, _CLOUD = Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL, Road.CLOUD

_MODELS = {
    "g4": "Dexcom G4",
    "g5": "Dexcom G5",
    "g6": "Dexcom G6",
    "g6+": "Dexcom G6+",
    "g6 pro": "Dexcom G6 Pro",
    "dexcompro": "Dexcom Pro",
    "g7": "Dexcom G7",
    "g715day": "Dexcom G7 15 Day",
}

_Word = Annotated[str, msgspec.Meta(max_length=64)]
_Id = Annotated[str, msgspec.Meta(max_length=128)]


class _Egv(msgspec.Struct, rename="camel"):
    system_time: str
    display_time: str | None = None
    record_id: _Id | None = None
    transmitter_id: _Id | None = None
    transmitter_generation: _Word | None = None
    value: msgspec.Raw = _NULL
    unit: _Word | None = None
    status: _Word | None = None
    trend: _Word | None = None


class _Envelope(msgspec.Struct, rename="camel"):
    record_type: str | None = None
    record_version: str | None = None
    user_id: str | None = None
    records: list[msgspec.Raw] | None = None
    unit: str | None = None
    rate_unit: str | None = None
    egvs: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class EgvBody:
    """An envelope opened: its raw records, and what the envelope says about all of them."""

    list_name: str
    records: Sequence[msgspec.Raw]
    head: Mapping[str, str]
    user_id: str | None
    unit: str | None

    def only(self, record: msgspec.Raw) -> bytes:
        """The same envelope with one record."""
        content: dict[str, Any] = {**self.head, self.list_name: [record]}
        return msgspec.json.encode(content)


_envelopes = msgspec.json.Decoder(_Envelope)
_egvs = msgspec.json.Decoder(_Egv)


def open_egvs(body: bytes) -> EgvBody:
    """Open an EGV body of v3 or v2. Raises Unreadable if it is no JSON (line and column), or not EGVs."""
    body = without_bom(body)
    try:
        envelope = _envelopes.decode(body)
    except msgspec.ValidationError as error:
        path = field_of(error) or None
        raise Unreadable("this is not a Dexcom answer with EGVs", code="not-egvs", path=path) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable_json(body, error) from None
    if envelope.egvs is not None and envelope.record_type is None:
        head = {"unit": envelope.unit, "rateUnit": envelope.rate_unit}
        return EgvBody("egvs", envelope.egvs, _given(head), None, envelope.unit)
    if envelope.record_type != "egv":
        text = "the answer does not say `recordType: egv`; only EGVs are read here"
        raise Unreadable(text, code="wrong-record-type", path="recordType")
    if envelope.records is None:
        raise Unreadable("the answer has no list of records", code="not-egvs", path="records")
    head = {
        "recordType": envelope.record_type,
        "recordVersion": envelope.record_version,
        "userId": envelope.user_id,
    }
    return EgvBody("records", envelope.records, _given(head), envelope.user_id, None)


def _given(head: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in head.items() if value is not None}


def newest_system_time(egvs: EgvBody) -> datetime | None:
    """The latest system time (aware, UTC) among the records; those that cannot be read do not count."""
    found: list[int] = []
    for raw in egvs.records:
        try:
            found.append(read_wall(_egvs.decode(raw).system_time, "systemTime").utc_millis)
        except (ValueError, RecursionError):
            continue
    return moment(max(found)) if found else None


def read_egvs(
    egvs: EgvBody, patient: PatientRef, *, version: str | None = None, asked_at: datetime | None = None
) -> Parsed:
    """Records of one patient from an opened body.

    `version` sorts what different fetches say about one reading: Dexcom gives no version of its own, and a
    reading may change (smoothing). `asked_at` (aware): readings of more than a day later are impossible.

    The instant is the record's `systemTime` (UTC, as far as the device knew), the wall clock its `displayTime`;
    where that carries no offset (receivers), the offset is the difference, to the nearest zone in use.
    """
    latest = asked_at.timestamp() * 1000 + _CLOCK_AHEAD_MILLIS if asked_at else inf
    reader = _Reader(patient, version, egvs.unit, latest)
    records: list[Glucose] = []
    problems: list[Problem] = []
    for index, raw in enumerate(egvs.records):
        try:
            records.append(reader.record(raw))
        except Flaw as flaw:
            path = f"{egvs.list_name}[{index}]" + (f".{flaw.field_name}" if flaw.field_name else "")
            problems.append(Problem(path, flaw.code, flaw.text, egvs.only(raw)))
    records.sort(key=lambda record: record.effective.millis)
    return Parsed(records, problems)


@dataclass(frozen=True, slots=True)
class _Reader:
    patient: PatientRef
    version: str | None
    common_unit: str | None
    latest: float

    def record(self, raw: msgspec.Raw) -> Glucose:
        """Raises Flaw."""
        egv = _decode(raw)
        unit = egv.unit or self.common_unit
        number, reading = _read_value(bytes(egv.value), unit, egv.status)
        system = read_wall(egv.system_time, "systemTime")
        effective, offset_remark = self._effective(egv, system)
        remarks = (reading.remark, offset_remark) if reading.remark or offset_remark else ()
        return Glucose(
            patient=self.patient,
            analyte=_INTERSTITIAL,
            value=reading.value,
            detection=reading.detection,
            effective=effective,
            status=_FINAL,
            source=SourceId(road=_CLOUD, system=SYSTEM, value=self._identity(egv, system), version=self.version),
            original=Original(value=number, unit=unit, time=egv.system_time),
            trend=egv.trend,
            device=device_of(egv.transmitter_generation, egv.transmitter_id),
            done=deeds(RULE, RULE_VERSION, *remarks) if remarks else (),
        )

    def _effective(self, egv: _Egv, system: Wall) -> tuple[Instant, str | None]:
        millis = system.utc_millis
        if not _FIRST_SENSOR_MILLIS <= millis <= self.latest:
            raise Flaw("systemTime", "time-impossible", "is not a time at which this reading can have been taken")
        display = read_wall(egv.display_time, "displayTime") if egv.display_time else None
        offset, remark = _offset(display, millis)
        instant = Instant(
            millis=millis,
            how="device-utc",
            local=display.local if display else None,
            offset_minutes=offset,
            precision=system.precision,
        )
        return instant, remark

    def _identity(self, egv: _Egv, system: Wall) -> str:
        """The record's own id; for v2, which has none, a digest of patient and system time."""
        if egv.record_id:
            return egv.record_id
        utc = moment(system.utc_millis).replace(tzinfo=None).isoformat()
        return hashlib.sha256("\n".join((self.patient.system, self.patient.value, utc)).encode()).hexdigest()[:32]


def _decode(raw: msgspec.Raw) -> _Egv:
    try:
        egv = _egvs.decode(raw)
    except msgspec.ValidationError as error:
        raise Flaw(field_of(error), "field-invalid", "is missing, too long, or not of the documented type") from None
    except (ValueError, RecursionError):
        raise Flaw("", "record-unreadable", "is not UTF-8 text, or nested too deeply") from None
    if egv.record_id and not egv.record_id.isprintable():
        raise Flaw("recordId", "field-invalid", "holds control characters")
    return egv


@lru_cache(maxsize=8192)
def _read_value(value: bytes, unit: str | None, status: str | None) -> tuple[str | None, Measured]:
    """The JSON number as written (None for null), and what it says. Raises Flaw for text, lists and the like."""
    if value[:1] in b'"[{tf' or len(value) > 32:
        raise Flaw("value", "value-not-a-number", "is not a number")
    number = None if value == b"null" else value.decode()
    return number, measured(number, _unit(unit), status)


def _unit(written: str | None) -> str:
    unit = units.ucum(written) if written else None
    if unit is None:
        raise Flaw("unit", "unit-unknown", "is neither mg/dL nor mmol/L")
    return unit


@lru_cache(maxsize=1024)
def device_of(generation: str | None, transmitter: str | None) -> Device:
    """What measured. `serial` is Dexcom's hash of the transmitter's id; receivers send an empty one."""
    model = _MODELS.get((generation or "").lower())
    return Device(vendor="Dexcom", model=model, generation=generation, serial=transmitter or None)


def _offset(display: Wall | None, utc_millis: int) -> tuple[int | None, str | None]:
    """Minutes east of UTC of the wall clock, and what was done to find them."""
    if display is None:
        return None, None
    if display.offset_minutes is not None:
        return display.offset_minutes, None
    offset = nearest_offset(round((display.millis - utc_millis) / 60_000))
    if offset is None:
        return None, "display clock is no zone away from system clock: offset unknown"
    return offset, "offset taken from display time minus system time"


@lru_cache(maxsize=256)
def nearest_offset(minutes: int) -> int | None:
    """The offset in use that is nearest to the distance of two clocks; None if none is near."""
    nearest = min(_OFFSETS, key=lambda offset: abs(offset - minutes))
    return nearest if abs(nearest - minutes) <= _OFFSET_TOLERANCE_MINUTES else None
