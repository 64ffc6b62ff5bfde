"""Canonical records for tests on any floor: one good reading, changed where a test wants it otherwise."""

from collections.abc import Iterable
from typing import Any

from clinical.records import (
    Analyte,
    AnyRecord,
    Glucose,
    Instant,
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
        "patient": PatientRef(system="STM", value="MRN1", id="p1"),
        "analyte": Analyte.INTERSTITIAL_GLUCOSE,
        "value": Quantity(steps=182, unit="mg/dL"),
        "effective": ten_oclock(),
        "status": Status.FINAL,
        "source": SourceId(road=Road.CLOUD, system="dexcom", value="rec-1"),
        "original": Original(value="182", unit="mg/dL"),
    }
    return Glucose(**good | changes)


def glucose_of(record: AnyRecord) -> Glucose:
    """The record, which must be a glucose reading."""
    assert isinstance(record, Glucose), record.__class__.__name__
    return record


def glucoses(records: Iterable[AnyRecord]) -> list[Glucose]:
    """The records, which must all be glucose readings."""
    return [glucose_of(record) for record in records]
