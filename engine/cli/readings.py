"""Readings in the words of an analyst, for channel tests and for `islet try`: flat names and plain values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import select

from clinical import units
from clinical.codes import LOINC, analyte_of, loinc_for
from clinical.records import (
    Analyte,
    AnyRecord,
    Entry,
    Glucose,
    Instant,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    decode,
    encode,
    kind_of,
)
from engine.config.names import hint
from engine.contracts.journal import Queries
from engine.contracts.plugins import Transaction
from engine.model.ids import new_id
from engine.model.message import Message, Shape
from engine.testing.channel_tests.keys import PatientLink
from ledger.patients import Link, import_links
from ledger.tables import reading
from transformers.reconcile import ReconcileSettings, reconcile

W = TypeVar("W", bound=StrEnum)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS: Final = frozenset(
    {
        "from",
        "patient",
        "system",
        "value",
        "unit",
        "code",
        "analyte",
        "effective_time",
        "status",
        "source_id",
        "version",
        "reading_id",
        "trend",
    }
)


class GlucoseWords:
    """`engine.testing.channel_tests.vocabulary.Vocabulary` for records; given ones are glucose readings."""

    def compose(self, readings: Sequence[Mapping[str, Any]], at: datetime) -> bytes:
        return encode([_record(number, words, at) for number, words in enumerate(readings)])

    def read(self, body: bytes) -> Sequence[Mapping[str, str]]:
        return [words_of(record) for record in decode(body)]

    async def link(self, tx: Transaction, tenant: str, patients: Sequence[PatientLink], at: int) -> None:
        await import_links(tx, tenant, [Link(one.system, one.value, one.id) for one in patients], at)

    async def enter(self, tx: Transaction, tenant: str, body: bytes, at: datetime) -> None:
        id_ = new_id()
        message = Message(
            id=id_, origin_id=id_, channel="test", shape=Shape.RECORDS, body=body, received_at=at, tenant=tenant
        )
        await reconcile(message, ReconcileSettings(), tx)

    async def kept(self, queries: Queries) -> Sequence[Mapping[str, str]]:
        return [_stored(row) for row in await queries.all(select(reading).order_by(reading.c.effective))]


def words_of(record: AnyRecord) -> Mapping[str, str]:
    """One record, flat. `code` is the one that it came with, else for a glucose reading LOINC's."""
    words = {
        "from": record.source.road.value,
        "patient": record.patient.id or record.patient.value,
        "system": record.patient.system,
        "code": record.original.code,
        **(_reading_words(record) if isinstance(record, Glucose) else _other_words(record)),
        "effective_time": _time(record.effective.millis),
        "status": record.status.value,
        "source_id": record.source.value,
        "version": record.source.version,
        "reading_id": record.reading_id,
        "device": record.device.model if record.device else None,
    }
    return {name: value for name, value in words.items() if value is not None}


def _reading_words(record: Glucose) -> Mapping[str, str | None]:
    return {
        "analyte": record.analyte.value,
        "code": record.original.code or loinc_for(record.analyte, record.value.unit)[0],
        "value": units.text_of(record.value.steps, record.value.unit),
        "unit": record.value.unit,
        "trend": record.trend,
        "detection": record.detection and record.detection.value,
    }


def _other_words(record: AnyRecord) -> Mapping[str, str | None]:
    """What any other kind of record holds beside what every record says, each field under its own name."""
    common = {field.name for field in msgspec.structs.fields(Entry)}
    own = {f.name: getattr(record, f.name) for f in msgspec.structs.fields(record) if f.name not in common}
    return {"record": kind_of(record), **{name: _word(value) for name, value in own.items() if value is not None}}


def _word(value: Any) -> str:
    if isinstance(value, Quantity):
        return f"{units.text_of(value.steps, value.unit)} {value.unit}"
    if isinstance(value, Instant):
        return _time(value.millis)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _stored(row: Any) -> Mapping[str, str]:
    return {
        "from": row.road,
        "patient": row.patient,
        "analyte": row.analyte,
        "value": units.text_of(row.steps, row.unit),
        "unit": row.unit,
        "effective_time": _time(row.effective),
        "status": row.status,
        "version": str(row.version),
        "reading_id": row.id,
    }


def _time(millis: int) -> str:
    """ISO 8601 in UTC, with milliseconds where there are some."""
    moment = _EPOCH + timedelta(milliseconds=millis)
    return moment.isoformat(timespec="milliseconds" if millis % 1000 else "seconds").replace("+00:00", "Z")


def _record(number: int, words: Mapping[str, Any], at: datetime) -> Glucose:
    """A reading from its words. Raises ValueError that says what to write."""
    where = f"[{number}]"
    for key in words:
        if key not in _KEYS:
            raise ValueError(f"{where}.{key} is no word of a reading; {hint(key, _KEYS)}")
    unit = units.ucum(str(words.get("unit", units.MG_DL)))
    if unit is None:
        raise ValueError(f"{where}.unit is no unit of glucose; write mg/dL or mmol/L")
    text = str(words.get("value", ""))
    steps, exact = _steps(text, unit, where)
    if not exact:
        raise ValueError(f"{where}.value must be a whole number of {units.STEP[unit]} {unit}")
    road = _one_of(Road, words.get("from", Road.HL7V2), f"{where}.from")
    patient, moment = str(words.get("patient", "p1")), _moment(words, at, where)
    code = str(words["code"]) if "code" in words else None
    analyte = _analyte(words, code, where)
    written = code or loinc_for(analyte, unit)[0]
    millis = (moment - _EPOCH) // timedelta(milliseconds=1)
    return Glucose(
        patient=PatientRef(system=str(words.get("system", "STM")), value=patient, id=patient),
        analyte=analyte,
        value=Quantity(steps=steps, unit=unit),
        effective=Instant(millis=millis, how="offset", offset_minutes=0),
        status=_one_of(Status, words.get("status", Status.FINAL), f"{where}.status"),
        source=SourceId(
            road=road,
            system=road.value,
            value=str(words.get("source_id", f"{patient}/{analyte}/{millis}")),
            version=str(words["version"]) if "version" in words else None,
        ),
        original=Original(value=text, unit=str(words.get("unit", unit)), code=written, system=LOINC),
        reading_id=words.get("reading_id"),
        trend=words.get("trend"),
    )


def _steps(text: str, unit: str, where: str) -> tuple[int, bool]:
    try:
        return units.to_steps(Decimal(text), unit)
    except InvalidOperation:
        raise ValueError(f"{where}.value is not a number; write one such as value: 182") from None


def _moment(words: Mapping[str, Any], at: datetime, where: str) -> datetime:
    if "effective_time" not in words:
        return at
    try:
        moment = datetime.fromisoformat(str(words["effective_time"]))
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - without an offset, so that it is refused below
    if moment.tzinfo is None:
        raise ValueError(f"{where}.effective_time is not a moment with an offset; write 2026-11-20T10:00:00Z")
    return moment


def _analyte(words: Mapping[str, Any], code: str | None, where: str) -> Analyte:
    if "analyte" in words:
        return _one_of(Analyte, words["analyte"], f"{where}.analyte")
    analyte = analyte_of(code, LOINC) if code else Analyte.INTERSTITIAL_GLUCOSE
    if analyte is None:
        raise ValueError(f"{where}.code is no LOINC code of glucose; write one such as 99504-3, or name the analyte")
    return analyte


def _one_of(kind: type[W], word: Any, where: str) -> W:
    if word not in [one.value for one in kind]:
        raise ValueError(f"{where}: {hint(str(word), [one.value for one in kind])}")
    return kind(word)
