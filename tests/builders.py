"""Canonical records for tests on any floor: one good reading, changed where a test wants it otherwise."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
)

TEN_OCLOCK_MILLIS = 1_795_168_800_000
"""2026-11-20T10:00:00Z."""


def ten_oclock(seconds: float = 0, **changes: Any) -> Instant:
    """So many seconds after ten, from a time that came with its offset."""
    known: dict[str, Any] = {"millis": TEN_OCLOCK_MILLIS + round(seconds * 1000), "how": "offset"}
    return Instant(**known | changes)


def a_glucose(**changes: Any) -> Glucose:
    """182 mg/dL, interstitial, at 2026-11-20T10:00:00Z, final, from a vendor's cloud."""
    good: dict[str, Any] = {
        "analyte": Analyte.INTERSTITIAL_GLUCOSE,
        "value": Quantity(steps=182, unit="mg/dL"),
        "original": Original(value="182", unit="mg/dL"),
    }
    return Glucose(**an_entry() | good | changes)


def an_entry(seconds: float = 0, *, system: str = "dexcom", id_: str = "rec-1", **changes: Any) -> dict[str, Any]:
    """What every record says: patient p1, so many seconds after ten, final, from a vendor's cloud."""
    return {
        "patient": PatientRef(system="STM", value="MRN1", id="p1"),
        "effective": ten_oclock(seconds, precision=changes.pop("precision", "second")),
        "status": Status.FINAL,
        "source": SourceId(road=changes.pop("road", Road.CLOUD), system=system, value=id_),
        "original": Original(),
    } | changes


def a_bolus(insulin_units: str = "4.2", seconds: float = 0, **changes: Any) -> InsulinDose:
    """Insulin given at once; `changes` as in `an_entry`, or of the dose."""
    own = {name: changes.pop(name) for name in InsulinDose.__struct_fields__ if name in changes}
    given = Quantity(steps=int(Decimal(insulin_units) * 1000), unit=units.INSULIN)
    good: dict[str, Any] = {"kind": InsulinKind.BOLUS, "delivered": given}
    return InsulinDose(**an_entry(seconds, **changes) | good | own)


def glucose_of(record: AnyRecord) -> Glucose:
    """The record, which must be a glucose reading."""
    assert isinstance(record, Glucose), record.__class__.__name__
    return record


def glucoses(records: Iterable[AnyRecord]) -> list[Glucose]:
    """The records, which must all be glucose readings."""
    return [glucose_of(record) for record in records]
