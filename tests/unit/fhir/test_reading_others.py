"""Resources that others wrote: `fhir_to_records`."""

from typing import Any

import orjson
import pytest

from clinical.fhir.errors import FhirError
from clinical.fhir.read import read_resource
from clinical.fhir.read_common import ReadForm
from clinical.records import (
    Analyte,
    AnyRecord,
    BloodPressure,
    Detection,
    Glucose,
    InsulinDose,
    InsulinKind,
    PatientRef,
    Quantity,
    Road,
    Status,
    VitalSign,
    decode,
)
from engine import sdk
from engine.testing.builders import a_message
from transformers.fhir_to_records import FhirToRecordsSettings, fhir_to_records

UCUM = "http://unitsofmeasure.org"


def loinc(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code}]}


def observation(**changes: Any) -> dict[str, Any]:
    """A sensor reading as an EHR would give it. `...` takes an element away."""
    whole = {
        "resourceType": "Observation",
        "id": "o-1",
        "meta": {"versionId": "2", "lastUpdated": "2026-11-20T11:00:00.5+01:00"},
        "status": "final",
        "code": loinc("99504-3"),
        "subject": {"reference": "https://ehr.example/r4/Patient/77"},
        "effectiveDateTime": "2026-11-20T11:00:00+01:00",
        "valueQuantity": {"value": 182, "unit": "mg/dl", "system": UCUM, "code": "mg/dL"},
    } | changes
    return {name: value for name, value in whole.items() if value is not ...}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


def run(resource: dict[str, Any] | bytes, **settings: Any) -> list[sdk.StepOutput]:
    body = resource if isinstance(resource, bytes) else orjson.dumps(resource)
    made = fhir_to_records(a_message(body, sdk.Shape.FHIR), FhirToRecordsSettings(**settings))
    return [made] if isinstance(made, sdk.Drop) else made


def one(resource: dict[str, Any] | bytes, **settings: Any) -> AnyRecord:
    (output,) = run(resource, **settings)
    assert isinstance(output, sdk.Message), output
    (record,) = decode(output.body)
    return record


def reading(resource: dict[str, Any] | bytes, **settings: Any) -> Glucose:
    record = one(resource, **settings)
    assert isinstance(record, Glucose)
    return record


def aside(resource: dict[str, Any], **settings: Any) -> tuple[str, str | None]:
    (output,) = run(resource, **settings)
    assert isinstance(output, sdk.Aside)
    return output.error.code, output.error.path


def test_a_foreign_reading_becomes_a_record_with_what_was_received() -> None:
    found = reading(observation(), server="north")
    assert found.analyte is Analyte.INTERSTITIAL_GLUCOSE
    assert found.value == Quantity(steps=182, unit="mg/dL")
    assert (found.patient.system, found.patient.value, found.patient.id) == ("north", "77", None)
    assert (found.source.road, found.source.system, found.source.value) == (Road.FHIR, "north", "Observation/o-1")
    assert (found.effective.millis, found.effective.offset_minutes) == (1_795_168_800_000, 60)
    assert found.effective.local == "2026-11-20T11:00:00"
    assert (found.original.value, found.original.unit, found.original.code) == ("182", "mg/dL", "99504-3")


def test_digits_as_written_stay_in_the_original() -> None:
    body = orjson.dumps(observation()).replace(b'182,"unit":"mg/dl"', b'5.40,"unit":"x"').replace(b"mg/dL", b"mmol/L")
    found = reading(body)
    assert (found.original.value, found.value.steps) == ("5.40", 54)


def test_an_identifier_names_it_before_the_id_and_versions_sort_by_time() -> None:
    identifier = [{"value": "no system"}, {"system": "urn:x", "value": "7"}]
    first = reading(observation(identifier=identifier))
    meta = {"lastUpdated": "2026-11-20T09:59:59Z"}
    older = reading(observation(identifier=identifier, meta=meta))
    assert (first.source.system, first.source.value) == ("urn:x", "7")
    assert older.source.version is not None
    assert first.source.version is not None
    assert older.source.version < first.source.version


@pytest.mark.parametrize(
    ("subject", "patient"),
    [
        ({"identifier": {"system": "urn:oid:1.2", "value": "M1"}}, ("stm", "M1", None)),
        ({"identifier": {"system": "urn:x", "value": "M1"}}, ("urn:x", "M1", None)),
        ({"identifier": {"system": "urn:islet:patient", "value": "p1"}}, ("urn:islet:patient", "p1", "p1")),
        ({"reference": "Patient/9/_history/3"}, ("fhir", "9", None)),
    ],
)
def test_the_patient_is_named_by_identifier_else_by_reference(subject: Any, patient: Any) -> None:
    found = reading(observation(subject=subject), patient_systems={"urn:oid:1.2": "stm"}).patient
    assert (found.system, found.value, found.id) == patient


@pytest.mark.parametrize(
    ("status", "expected"),
    [("amended", Status.AMENDED), ("corrected", Status.CORRECTED), ("entered-in-error", Status.ENTERED_IN_ERROR)],
)
def test_corrections_reach_the_record_as_they_are(status: str, expected: Status) -> None:
    assert reading(observation(status=status)).status is expected


def test_what_was_withdrawn_may_have_lost_its_value() -> None:
    found = reading(observation(status="entered-in-error", valueQuantity=...))
    assert (found.status, found.value.steps) == (Status.ENTERED_IN_ERROR, 0)
    assert found.done[0].what == "withdrawn without a value"


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ("Patient/77", "77"),
        ("https://ehr.example/r4/Patient/77/_history/2", "77"),
        ("http://EHR.example/r4/Patient/77", "77"),
        ("https://other.example/r4/Patient/77", None),
        ("https://ehr.example/r4/tenant-b/Patient/77", None),
        ("RelatedPatient/77", None),
        ("Patient/77?x", None),
    ],
)
def test_another_servers_patient_of_that_id_is_somebody_else(reference: str, patient: str | None) -> None:
    form = ReadForm(server="north", base="https://ehr.example/r4/")
    resource = observation(subject={"reference": reference})
    if patient is not None:
        assert read_resource(resource, form).patient == PatientRef(system="north", value=patient)
        return
    with pytest.raises(FhirError) as caught:
        read_resource(resource, form)
    assert caught.value.code == "patient-missing"


def test_what_has_a_modifier_extension_is_not_read() -> None:
    with pytest.raises(FhirError) as caught:
        read_resource(observation(modifierExtension=[{"url": "http://x.example/negated", "valueBoolean": True}]))
    assert (caught.value.code, caught.value.path) == ("modifier-extension", "Observation.modifierExtension")


@pytest.mark.parametrize("status", ["registered", "cancelled", "unknown"])
def test_what_has_no_result_is_counted_and_passed_over(status: str) -> None:
    assert run(observation(status=status, meta={"versionId": "1"})) == [sdk.Drop("no records (1 no-result)")]


@pytest.mark.parametrize(("comparator", "detection"), [("<", Detection.BELOW), (">=", Detection.ABOVE), (None, None)])
def test_a_comparator_is_a_limit(comparator: str | None, detection: Detection | None) -> None:
    value = {"value": 40, "unit": "mg/dL", "comparator": comparator}
    found = reading(observation(valueQuantity={name: part for name, part in value.items() if part is not None}))
    assert found.detection is detection


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"valueQuantity": ...}, "value-missing", "Observation.valueQuantity"),
        ({"valueQuantity": {"value": 5}}, "unit-missing", "Observation.valueQuantity.code"),
        ({"valueQuantity": {"value": 5, "unit": "g/L"}}, "unit-unknown", "Observation.valueQuantity.code"),
        ({"valueQuantity": {"value": "5", "unit": "mg/dL"}}, "not-a-number", "Observation.valueQuantity.value"),
        ({"valueQuantity": {"value": 6.5, "unit": "mg/dL"}}, "implausible", "Observation.valueQuantity.value"),
        ({"effectiveDateTime": "2026-11-20"}, "no-time-of-day", "Observation.effectiveDateTime"),
        ({"effectiveDateTime": "2026-13-20T10:00:00Z"}, "bad-time", "Observation.effectiveDateTime"),
        ({"effectiveDateTime": ...}, "time-missing", "Observation.effectiveDateTime"),
        ({"subject": {"display": "CANARY"}}, "patient-missing", "Observation.subject"),
        ({"id": ...}, "no-identifier", "Observation.identifier"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_path(changes: dict[str, Any], code: str, path: str) -> None:
    assert aside(observation(**changes)) == (code, path)


def test_a_value_that_nobody_can_have_waits_for_review() -> None:
    (output,) = run(observation(valueQuantity={"value": 6.5, "unit": "mg/dL"}))
    assert isinstance(output, sdk.Aside)
    assert isinstance(output.error, sdk.NeedsReview)


def test_codes_of_other_kinds_are_ignored_or_held() -> None:
    potassium = observation(code=loinc("2823-3"))
    assert run(potassium) == [sdk.Drop("no records (1 unknown-code)")]
    assert aside(potassium, other_codes="hold") == ("unknown-code", "Observation.code")


def test_a_bundle_gives_a_message_for_each_patient_and_one_bad_entry_stops_none() -> None:
    other = observation(subject={"reference": "Patient/88"})
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    broken = observation(valueQuantity=...)
    outputs = run(bundle(observation(), other, outcome, broken, {"resourceType": "Patient", "id": "77"}))
    assert [output.order_key for output in outputs if isinstance(output, sdk.Message)] == ["fhir|77", "fhir|88"]
    (wrong,) = [output for output in outputs if isinstance(output, sdk.Aside)]
    assert wrong.error.path == "entry[3].resource.Observation.valueQuantity"
    assert run(wrong.body)[0] != outputs[0]
    assert isinstance(outputs[0], sdk.Message)
    assert outputs[0].meta["tally"] == "resource-type=1"


def test_pounds_become_kilograms_and_that_is_written_down() -> None:
    weight = one(observation(code=loinc("29463-7"), valueQuantity={"value": 180, "unit": "lb", "code": "[lb_av]"}))
    assert isinstance(weight, VitalSign)
    assert weight.value == Quantity(steps=8165, unit="kg")
    assert [deed.what for deed in weight.done] == ["converted to kg", "rounded to the step of its unit"]


def test_a_blood_pressure_panel_is_one_record() -> None:
    parts = [
        {"code": loinc(code), "valueQuantity": {"value": value, "unit": "mmHg"}}
        for code, value in (("8480-6", 121), ("8462-4", 79))
    ]
    found = one(observation(code=loinc("85354-9"), valueQuantity=..., component=parts))
    assert isinstance(found, BloodPressure)
    assert (found.systolic.steps, found.diastolic.steps, found.pulse) == (121, 79, None)
    assert aside(observation(code=loinc("85354-9"), component=parts[:1])) == ("value-missing", "Observation.component")


def administration(**changes: Any) -> dict[str, Any]:
    whole = {
        "resourceType": "MedicationAdministration",
        "id": "m-1",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "411531001"}]},
        "subject": {"reference": "Patient/77"},
        "effectiveDateTime": "2026-11-20T10:00:00Z",
        "dosage": {"dose": {"value": 4, "unit": "IU"}},
    } | changes
    return {name: value for name, value in whole.items() if value is not ...}


def test_insulin_that_others_gave_is_a_dose() -> None:
    dose = one(administration())
    assert isinstance(dose, InsulinDose)
    assert (dose.kind, dose.delivered) == (InsulinKind.INJECTION, Quantity(steps=4000, unit="[iU]"))
    period = {"start": "2026-11-20T10:00:00Z", "end": "2026-11-20T11:00:00Z"}
    rate = {"rateQuantity": {"value": 0.85, "unit": "U/h", "code": "[iU]/h"}}
    basal = one(administration(effectiveDateTime=..., effectivePeriod=period, dosage=rate))
    assert isinstance(basal, InsulinDose)
    assert (basal.kind, basal.duration_seconds) == (InsulinKind.BASAL, 3600)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"medicationCodeableConcept": {"text": "metformin"}}, "unknown-code"),
        ({"dosage": ...}, "value-missing"),
        ({"dosage": {"dose": {"value": 4000, "unit": "IU"}}}, "implausible"),
        ({"dosage": {"dose": {"value": 4, "unit": "mL"}}}, "unit-unknown"),
    ],
)
def test_what_is_no_insulin_dose_is_held(changes: dict[str, Any], code: str) -> None:
    assert aside(administration(**changes), other_codes="hold")[0] == code


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a":1}', b"\xff"])
def test_a_body_that_is_no_resource_is_invalid(body: bytes) -> None:
    with pytest.raises(sdk.InvalidMessage):
        run(body)
