"""Readings as Observations: every field, by itself."""

from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.fhir.errors import FhirError
from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.observation import glucose_to_observation
from clinical.records import Analyte, Detection, Device, PatientRef, Quantity, Status
from tests.unit.fhir.builders import a_reading, many_readings


def mapped(form: Form | None = None, **changes: Any) -> dict[str, Any]:
    return glucose_to_observation(a_reading(**changes), form or Form())


def test_a_whole_observation_reads_as_the_guide_writes_it() -> None:
    assert orjson.loads(encode(mapped(reading_id="r-1"))) == {
        "resourceType": "Observation",
        "meta": {"profile": ["http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-sensor-reading-mass-per-volume"]},
        "identifier": [{"system": "urn:islet:reading", "value": "r-1"}],
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "99504-3",
                    "display": "Glucose [Mass/volume] in Interstitial fluid",
                }
            ]
        },
        "subject": {"type": "Patient", "identifier": {"system": "urn:islet:patient", "value": "p1"}},
        "effectiveDateTime": "2026-11-20T10:00:00+00:00",
        "valueQuantity": {"value": 182, "unit": "mg/dl", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }


@pytest.mark.parametrize(
    ("analyte", "unit", "code", "profile"),
    [
        (Analyte.INTERSTITIAL_GLUCOSE, "mg/dL", "99504-3", "mass-per-volume"),
        (Analyte.INTERSTITIAL_GLUCOSE, "mmol/L", "105272-9", "moles-per-volume"),
        (Analyte.CAPILLARY_GLUCOSE, "mg/dL", "41653-7", None),
        (Analyte.CAPILLARY_GLUCOSE, "mmol/L", "14743-9", None),
        (Analyte.BLOOD_GLUCOSE, "mg/dL", "2339-0", None),
        (Analyte.BLOOD_GLUCOSE, "mmol/L", "15074-8", None),
        (Analyte.PLASMA_GLUCOSE, "mg/dL", "2345-7", None),
        (Analyte.PLASMA_GLUCOSE, "mmol/L", "14749-6", None),
    ],
)
def test_the_code_follows_analyte_and_unit_and_only_sensor_readings_claim_the_guides_profile(
    analyte: Analyte, unit: str, code: str, profile: str | None
) -> None:
    observation = mapped(analyte=analyte, value=Quantity(steps=100, unit=unit))
    assert observation["code"]["coding"][0]["code"] == code
    assert observation["valueQuantity"]["code"] == unit
    assert observation["valueQuantity"]["unit"] == unit.lower()
    claimed = observation.get("meta", {}).get("profile", [None])[0]
    assert claimed is None if profile is None else claimed.endswith(f"/cgm-sensor-reading-{profile}")


@pytest.mark.parametrize(
    ("steps", "unit", "digits"),
    [
        (182, "mg/dL", b"182,"),
        (101, "mmol/L", b"10.1,"),
        (100, "mmol/L", b"10.0,"),
        (67, "mmol/L", b"6.7,"),
        (3, "mmol/L", b"0.3,"),
        (0, "mg/dL", b"0,"),
        (1_000_000, "mg/dL", b"1000000,"),
    ],
)
def test_the_value_is_a_json_number_with_the_digits_of_its_step(steps: int, unit: str, digits: bytes) -> None:
    written = encode(mapped(value=Quantity(steps=steps, unit=unit)))
    assert b'"valueQuantity":{"value":' + digits in written


@settings(deadline=None)
@given(st.integers(min_value=-100_000, max_value=100_000))
def test_no_value_gets_artefacts_of_binary_fractions(steps: int) -> None:
    written = encode(mapped(value=Quantity(steps=steps, unit="mmol/L")))
    read = msgspec.json.decode(written, type=dict[str, Any], strict=True)
    text = written.split(b'"value":')[-1].split(b",")[0].decode()
    assert Decimal(text) == Decimal(steps) / 10
    assert len(text.partition(".")[2]) == 1
    assert read["valueQuantity"]["value"] == steps / 10


@pytest.mark.parametrize("status", list(Status))
def test_each_status_is_the_one_of_fhir(status: Status) -> None:
    assert mapped(status=status)["status"] == status.value


@pytest.mark.parametrize(("detection", "comparator"), [(Detection.BELOW, "<"), (Detection.ABOVE, ">"), (None, None)])
def test_outside_the_measuring_range_the_limit_has_a_comparator(
    detection: Detection | None, comparator: str | None
) -> None:
    assert mapped(detection=detection)["valueQuantity"].get("comparator") == comparator


def test_the_identifier_keeps_when_value_status_and_time_change() -> None:
    first = mapped()
    corrected = mapped(value=Quantity(steps=150, unit="mg/dL"), status=Status.CORRECTED, notes=("recalibrated",))
    assert corrected["identifier"] == first["identifier"]
    assert "182" not in first["identifier"][0]["value"]
    other_source = msgspec.structs.replace(a_reading().source, value="ORU-1/2")
    assert mapped(source=other_source)["identifier"] != first["identifier"]


def test_parts_of_the_source_identity_do_not_run_into_each_other() -> None:
    source = a_reading().source
    one = mapped(source=msgspec.structs.replace(source, system="a|b", value="c"))
    other = mapped(source=msgspec.structs.replace(source, system="a", value="b|c"))
    assert one["identifier"] != other["identifier"]


def test_the_reconciled_readings_own_id_is_the_identifier() -> None:
    form = Form(identifier_system="https://example.org/reading")
    assert mapped(form, reading_id="r-9")["identifier"] == [{"system": "https://example.org/reading", "value": "r-9"}]


@pytest.mark.parametrize(
    ("subject", "patient", "expected"),
    [
        ("identifier", {"id": "p1"}, {"type": "Patient", "identifier": {"system": "urn:islet:patient", "value": "p1"}}),
        ("identifier", {}, {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": "MRN-0001"}}),
        (
            "source-identifier",
            {"id": "p1"},
            {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": "MRN-0001"}},
        ),
        ("reference", {"id": "p1"}, {"reference": "Patient/p1"}),
    ],
)
def test_the_subject_is_named_as_the_site_wants_it(subject: Any, patient: Any, expected: Any) -> None:
    form = Form(subject=subject, patient_systems={"stm": "urn:oid:1.2.3"})
    assert mapped(form, patient=PatientRef(system="stm", value="MRN-0001", **patient))["subject"] == expected


@pytest.mark.parametrize(
    ("assigner", "system"),
    [
        ("stm", "urn:islet:patient:stm"),
        ("St Mary's", "urn:islet:patient:St%20Mary%27s"),
        ("urn:oid:1.2", "urn:oid:1.2"),
    ],
)
def test_an_assigner_without_a_uri_gets_one(assigner: str, system: str) -> None:
    subject = mapped(patient=PatientRef(system=assigner, value="1"))["subject"]
    assert subject["identifier"]["system"] == system


@pytest.mark.parametrize(
    ("id_", "code"),
    [(None, "patient-unknown"), ("has blank", "patient-id"), ("", "patient-id"), ("x" * 65, "patient-id")],
)
def test_a_reference_needs_an_id_that_fhir_can_write(id_: str | None, code: str) -> None:
    with pytest.raises(FhirError) as caught:
        mapped(Form(subject="reference"), patient=PatientRef(system="stm", value="CANARY", id=id_))
    assert (caught.value.code, caught.value.path) == (code, "patient.id")
    assert "CANARY" not in str(caught.value)


def test_a_unit_without_steps_is_refused() -> None:
    with pytest.raises(FhirError, match=r"value\.unit"):
        mapped(value=Quantity(steps=1, unit="mg/L"))


def test_the_device_is_contained_and_referred_to() -> None:
    device = Device(vendor="Dexcom", model="Dexcom G7", serial="SN1", udi="(01)1(21)2")
    observation = mapped(device=device)
    assert observation["device"] == {"reference": "#device"}
    assert observation["contained"] == [
        {
            "resourceType": "Device",
            "id": "device",
            "identifier": [{"value": "SN1"}],
            "udiCarrier": [{"carrierHRF": "(01)1(21)2"}],
            "manufacturer": "Dexcom",
            "serialNumber": "SN1",
            "modelNumber": "Dexcom G7",
            "deviceName": [{"name": "Dexcom G7", "type": "user-friendly-name"}],
        }
    ]


def test_the_device_can_be_named_by_identifier_or_left_out() -> None:
    device = Device(vendor="Abbott", model="Libre 3", serial="SN1")
    by_identifier = mapped(Form(device="identifier"), device=device)
    assert by_identifier["device"] == {
        "type": "Device",
        "identifier": {"value": "SN1"},
        "display": "Abbott Libre 3",
    }
    assert "contained" not in by_identifier
    assert "device" not in mapped(Form(device=None), device=device)
    assert "device" not in mapped(device=Device())


def test_notes_category_and_profile_follow_the_form() -> None:
    assert mapped(notes=("a", "", " "))["note"] == [{"text": "a"}]
    form = Form(category=None, profiles=False)
    assert not {"category", "meta", "note"} & mapped(form).keys()
    vital = mapped(Form(category="vital-signs"))
    assert vital["category"][0]["coding"][0]["code"] == "vital-signs"


def test_the_same_record_gives_the_same_bytes() -> None:
    for reading in many_readings():
        again = msgspec.json.decode(msgspec.json.encode(reading), type=type(reading))
        assert encode(glucose_to_observation(reading)) == encode(glucose_to_observation(again))
