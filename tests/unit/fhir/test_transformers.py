"""`records_to_fhir` and `validate_fhir`."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from clinical.records import PatientRef, Quantity, Status, decode, encode
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.fhir.builders import a_reading, many_readings
from transformers.records_to_fhir import RecordsToFhirSettings, records_to_fhir
from transformers.validate_fhir import validate_fhir


def transformed(*records: Any, **settings: Any) -> list[Any]:
    message = a_message(encode(records), sdk.Shape.RECORDS, order_key="p1", meta={"site": "stm"})
    return list(records_to_fhir(message, RecordsToFhirSettings(**settings)))


def test_each_record_becomes_one_message_with_what_its_delivery_needs() -> None:
    first, second = transformed(a_reading(reading_id="r-1"), a_reading(reading_id="r-2"))
    assert (first.shape, second.shape) == (sdk.Shape.FHIR, sdk.Shape.FHIR)
    assert first.meta == {
        "site": "stm",
        "resource_type": "Observation",
        "identifier": "urn:islet:reading|r-1",
        "interaction": "create",
        "replaces_earlier": "yes",
    }
    assert orjson.loads(second.body)["identifier"][0]["value"] == "r-2"


def test_versions_of_one_reading_stay_in_order_and_different_readings_are_independent() -> None:
    first, other = transformed(a_reading(reading_id="r-1"), a_reading(reading_id="r-2"))
    (corrected,) = transformed(a_reading(reading_id="r-1", status=Status.CORRECTED))
    assert first.order_key == corrected.order_key == "urn:islet:reading|r-1"
    assert other.order_key == "urn:islet:reading|r-2"


@pytest.mark.parametrize(
    ("status", "interaction"),
    [
        (Status.PRELIMINARY, "create"),
        (Status.FINAL, "create"),
        (Status.AMENDED, "update"),
        (Status.CORRECTED, "update"),
        (Status.ENTERED_IN_ERROR, "update"),
    ],
)
def test_corrections_are_updates(status: Status, interaction: str) -> None:
    assert transformed(a_reading(status=status))[0].meta["interaction"] == interaction


def test_which_states_update_can_be_said() -> None:
    (output,) = transformed(a_reading(), updates=["final", "corrected"])
    assert output.meta["interaction"] == "update"


def test_a_record_that_cannot_be_written_is_set_aside_and_the_others_go_on() -> None:
    stranger = a_reading(patient=PatientRef(system="stm", value="CANARY"))
    good, aside, last = transformed(a_reading(), stranger, a_reading(), subject="reference")
    assert isinstance(aside, sdk.Aside)
    assert isinstance(aside.error, sdk.InvalidMessage)
    assert (aside.error.code, aside.error.path) == ("patient-unknown", "records[1].patient.id")
    assert decode(aside.body) == (stranger,)
    assert aside.shape is sdk.Shape.RECORDS
    assert "CANARY" not in f"{aside!r} {aside.error}"
    assert isinstance(good, sdk.Message)
    assert isinstance(last, sdk.Message)


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"{", "not-json", None),
        (b"\xff", "not-json", None),
        (
            b'{"records":[{"record":"glucose","patient":{"system":"CANARY","value":7}}]}',
            "records",
            "records[0].patient.value",
        ),
        (b'{"records":[{"record":"CANARY"}]}', "records", "records[0].record"),
        (b'{"records":1}', "records", "records"),
        (b"[]", "records", None),
    ],
)
def test_a_body_that_holds_no_records_is_invalid_with_its_path(body: bytes, code: str, path: str | None) -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        records_to_fhir(a_message(body, sdk.Shape.RECORDS), RecordsToFhirSettings())
    assert (caught.value.code, caught.value.path) == (code, path)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"identifier_system": "no uri"}, {"patient_systems": {"stm": "x"}}, {"subject": "Patient"}, {"typo": 1}],
)
def test_settings_that_could_not_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RecordsToFhirSettings(**settings)


def test_what_we_write_is_valid() -> None:
    for output in transformed(*many_readings()):
        assert validate_fhir(output, sdk.NoSettings()) is output


def broken(**changes: Any) -> bytes:
    (output,) = transformed(a_reading(), device="none")
    resource = {**orjson.loads(output.body), **changes}
    return orjson.dumps({name: value for name, value in resource.items() if value is not ...}, default=str)


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b'{"a":', "not-json", None),
        (b"[]", "resource-type", "resourceType"),
        (b'{"resourceType":"CANARY"}', "resource-type", "resourceType"),
        (b'{"resourceType":7}', "resource-type", "resourceType"),
        (broken(status="CANARY"), "fhir-code-invalid", "Observation.status"),
        (broken(CANARY=1), "fhir-extra-forbidden", "Observation"),
        (broken(effectiveDateTime="CANARY"), "fhir-value-error", "Observation.effectiveDateTime"),
        (
            broken(valueQuantity={"value": 1, "comparator": "CANARY"}),
            "fhir-code-invalid",
            "Observation.valueQuantity.comparator",
        ),
        (broken(code=...), "fhir-missing", "Observation.code"),
        (broken(code=None), "fhir-empty", "Observation.code"),
        (broken(note=[{"text": "CANARY", "extension": []}]), "fhir-empty", "Observation.note[0].extension"),
        (
            broken(contained=[{"resourceType": "Device", "deviceName": [{"name": "CANARY"}]}]),
            "fhir-missing",
            "Observation.contained[0].deviceName[0].type",
        ),
        (
            broken(contained=[{"resourceType": "Device", "status": "CANARY"}]),
            "fhir-code-invalid",
            "Observation.contained[0].status",
        ),
    ],
)
def test_what_breaks_the_model_is_invalid_with_its_path_and_without_its_value(
    body: bytes, code: str, path: str | None
) -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        validate_fhir(a_message(body, sdk.Shape.FHIR), sdk.NoSettings())
    assert (caught.value.code, caught.value.path) == (code, path)
    assert "CANARY" not in f"{caught.value} {caught.value.text}"


def test_the_number_of_problems_is_told() -> None:
    with pytest.raises(sdk.InvalidMessage, match=r"\(and 1 more\)"):
        validate_fhir(a_message(broken(a=1, b=2), sdk.Shape.FHIR), sdk.NoSettings())


def test_a_value_of_a_wrong_unit_is_set_aside() -> None:
    (aside,) = transformed(a_reading(value=Quantity(steps=1, unit="furlong")))
    assert isinstance(aside, sdk.Aside)
    assert aside.error.path == "records[0].value.unit"
