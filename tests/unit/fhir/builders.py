"""Records for tests of the FHIR side."""

from typing import Any

import msgspec

from clinical.records import (
    Analyte,
    Detection,
    Device,
    Glucose,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
)
from tests.builders import a_glucose, ten_oclock


def a_reading(**changes: Any) -> Glucose:
    """182 mg/dL, interstitial, at 2026-11-20T10:00:00Z, final, from a laboratory."""
    known: dict[str, Any] = {
        "patient": PatientRef(system="stm", value="MRN-0001", id="p1"),
        "effective": ten_oclock(offset_minutes=0),
        "source": SourceId(road=Road.HL7V2, system="stm-lab", value="ORU-1/1"),
        "original": Original(value="182", unit="mg/dL", code="99504-3"),
    }
    return a_glucose(**known | changes)


def many_readings() -> list[Glucose]:
    """One reading for each way in which the mapping branches."""
    edge = {"value": Quantity(steps=40, unit="mg/dL"), "detection": Detection.BELOW}
    high = {"value": Quantity(steps=222, unit="mmol/L"), "detection": Detection.ABOVE}
    when = a_reading().effective
    device = Device(vendor="Dexcom", model="G7", generation="g7", serial="SN1", udi="(01)00386270003591")
    return [
        a_reading(),
        a_reading(reading_id="0197c1f0-0000-7000-8000-000000000001"),
        *(a_reading(analyte=analyte, value=Quantity(steps=100, unit="mmol/L")) for analyte in Analyte),
        *(a_reading(analyte=analyte) for analyte in Analyte),
        *(a_reading(status=status) for status in Status),
        a_reading(**edge),
        a_reading(**high),
        *(
            a_reading(effective=msgspec.structs.replace(when, precision=precision, offset_minutes=offset))
            for precision in ("day", "minute", "second", "millisecond")
            for offset in (None, 0, 60, -570, 840)
        ),
        a_reading(device=device),
        a_reading(device=Device(vendor="Dexcom")),
        a_reading(device=Device(serial="SN1")),
        a_reading(device=Device(udi="00386270003591")),
        a_reading(device=Device()),
        a_reading(notes=("after lunch", " ", "sensor warm")),
        a_reading(patient=PatientRef(system="urn:oid:2.16.840.1.1", value="17")),
    ]
