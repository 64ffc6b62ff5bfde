"""What a record is about, and how much of it: so that records of every kind meet each other under the same keys.

The subject of a glucose reading is its analyte; of all else the kind of record with what tells its values apart
(`insulin-dose/given`, `vital-sign/weight`). Only one glucose value can be true at a moment, so two different ones
disagree. Of all else several may be: what does not agree stands beside it.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from zlib import crc32

import msgspec

from clinical import units
from clinical.events import UNMAPPED
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    DeviceEvent,
    Entry,
    Glucose,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Quantity,
    VitalKind,
    VitalSign,
    kind_of,
)
from ledger import keys

_GLUCOSE = frozenset(analyte.value for analyte in Analyte)
_NOTHING = Quantity(steps=0, unit=units.UNITY)


class Tolerance(NamedTuple):
    """How far apart two sources may be and still mean one reading: milliseconds, and buckets of the matching value
    (0.1 mmol/L of glucose, else steps of the record's unit)."""

    millis: int
    buckets: int


class Matter(NamedTuple):
    """What is compared. `matching` is the value as a number that buckets are made of; `content` everything the record
    says of its own kind, as bytes: equal bytes say the same. Of a glucose reading `matching` is all there is."""

    subject: str
    amount: Quantity
    matching: int
    content: bytes | None = None


TOLERANCES: Mapping[str, Tolerance] = MappingProxyType(
    {
        # A dose is written when asked for or when given, with one to three decimals; carbohydrate in whole grams.
        "insulin-dose/given": Tolerance(60_000, 50),
        "insulin-dose/basal": Tolerance(60_000, 5),
        "insulin-dose/priming": Tolerance(60_000, 50),
        "insulin-total": Tolerance(60_000, 50),
        "carbohydrate": Tolerance(60_000, 5),
        "device-event": Tolerance(60_000, 0),
        "vital-sign/weight": Tolerance(60_000, 5),
        "vital-sign/heart-rate": Tolerance(1_000, 0),  # one a second from one device
        "vital-sign/steps": Tolerance(1_000, 0),
        "vital-sign/ketone": Tolerance(60_000, 0),
        "blood-pressure": Tolerance(60_000, 0),
        "annotation": Tolerance(60_000, 0),
    }
)
"""By subject, or by the kind of record that it begins with."""


def is_glucose(subject: str) -> bool:
    """Can only one value of it be true at a moment?"""
    return subject in _GLUCOSE


def kind_in(subject: str) -> str:
    """The kind of record that a subject belongs to; empty for glucose, whose subjects are its analytes."""
    return "" if is_glucose(subject) else subject.partition("/")[0]


@lru_cache(maxsize=512)
def tolerance_of(subject: str) -> Tolerance:
    """The tolerance of anything but glucose."""
    return TOLERANCES.get(subject) or TOLERANCES[kind_in(subject)]


def matter_of(record: AnyRecord) -> Matter:
    """What a record is about and how much."""
    if isinstance(record, Glucose):
        value = record.value
        return Matter(record.analyte.value, value, keys.matching_value(value.steps, value.unit))
    variant, amount, matching = _about(record)
    subject = kind_of(record) + (f"/{variant}" if variant else "")
    return Matter(subject, amount, amount.steps if matching is None else matching, _content(record))


def _about(record: AnyRecord) -> tuple[str | None, Quantity, int | None]:
    """The variant of its kind, its main amount, and the matching value where it is not that amount."""
    match record:
        case InsulinDose():
            return _insulin(record)
        case InsulinTotal():
            return None, record.total or record.bolus or record.basal or _NOTHING, None
        case Carbohydrate():
            return None, record.amount, None
        case VitalSign(kind=VitalKind.STEPS):
            return record.kind.value, record.value, _number(record.value.steps, record.duration_seconds)
        case VitalSign():
            return record.kind.value, record.value, None
        case BloodPressure():
            return None, record.systolic, record.systolic.steps * 1000 + record.diastolic.steps
        case DeviceEvent(event=event) if event == UNMAPPED:
            return event, _NOTHING, _number(record.original.code, record.value)
        case DeviceEvent():
            return record.event, record.value or _NOTHING, None
        case Annotation():
            return record.kind, _NOTHING, _number(record.text)
        case _:
            raise TypeError(f"{kind_of(record)} has no subject")


def _insulin(dose: InsulinDose) -> tuple[str, Quantity, int | None]:
    """What was given counts; what was asked for where only that is known. Vendors call one dose a bolus, an extended
    bolus or an injection, so these are one subject."""
    if dose.kind is InsulinKind.BASAL:
        return "basal", dose.rate or dose.delivered or dose.requested or _NOTHING, None
    variant = "priming" if dose.kind is InsulinKind.PRIMING else "given"
    return variant, dose.delivered or dose.requested or _NOTHING, None


def _number(*parts: object) -> int:
    """A stable number for what has no amount; it fits a signed column of 32 bits."""
    return crc32(repr(parts).encode()) & 0x7FFF_FFFF


def _content(record: AnyRecord) -> bytes:
    return msgspec.json.encode([getattr(record, name) for name in _own_fields(type(record))])


@lru_cache(maxsize=16)
def _own_fields(kind: type[AnyRecord]) -> tuple[str, ...]:
    """What a kind of record holds beside what every record says."""
    common = {field.name for field in msgspec.structs.fields(Entry)}
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.name not in common)
