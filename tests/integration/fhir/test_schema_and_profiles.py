"""What we write against the official R4 JSON schema and the CGM guide's own profiles, read from ../shared/fhir."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.observation import PROFILES, glucose_to_observation
from clinical.fhir.resource import to_resource
from clinical.records import Analyte
from tests.unit.fhir.builders import a_reading, many_readings
from tests.unit.fhir.kinds import PUMP, every_kind
from tests.unit.fhir.test_kinds import RECORDED
from tests.unit.fhir.test_models import FORMS

SHARED = Path(__file__).resolve().parents[4] / "shared" / "fhir"
GUIDE = SHARED / "cgm-1.0.0"


def shared(path: Path) -> Any:
    if not path.exists():
        pytest.skip(f"NOT CHECKED: {path} is not on this machine, so our Observations were not held against it")
    return orjson.loads(path.read_bytes())


def observations() -> list[dict[str, Any]]:
    return [
        orjson.loads(encode(glucose_to_observation(reading, form))) for reading in many_readings() for form in FORMS
    ]


@pytest.fixture(scope="module")
def schema() -> Any:
    """The R4 schema for one Observation; the whole schema's `oneOf` of 148 types would hide where a problem is."""
    whole = shared(SHARED / "r4.schema.json")
    one = {"$schema": whole["$schema"], "$ref": "#/definitions/Observation", "definitions": whole["definitions"]}
    return jsonschema_rs.validator_for(one)


def test_every_observation_satisfies_the_official_schema(schema: Any) -> None:
    for observation in observations():
        assert [f"{error.instance_path}: {error.message}" for error in schema.iter_errors(observation)] == []


@pytest.mark.parametrize("details", [True, False])
@pytest.mark.parametrize("kind", ["Observation", "MedicationAdministration"])
def test_every_other_kind_of_record_satisfies_the_official_schema(kind: str, details: bool) -> None:
    whole = shared(SHARED / "r4.schema.json")
    one = {"$schema": whole["$schema"], "$ref": f"#/definitions/{kind}", "definitions": whole["definitions"]}
    judge = jsonschema_rs.validator_for(one)
    form = Form(details=details, provenance="contained")
    resources = [orjson.loads(encode(to_resource(record, form, RECORDED))) for record in every_kind()]
    held = [each for each in resources if each["resourceType"] == kind]
    assert len(held) > 5
    for resource in held:
        assert [f"{error.instance_path}: {error.message}" for error in judge.iter_errors(resource)] == []


def test_every_contained_device_names_itself_as_the_guide_wants_it() -> None:
    """The guide's Device profile: a user-friendly name, an identifier, the serial number where it must be supported."""
    elements = {id_: each for id_, each in differential("cgm-device").items() if each.get("min", 0) > 0}
    (device,) = to_resource(a_reading(device=PUMP))["contained"]
    assert {id_.split(".")[1].split(":")[0] for id_ in elements if "." in id_} <= device.keys()
    assert device["deviceName"][0]["type"] == "user-friendly-name"


@pytest.mark.parametrize(
    "change",
    [{"status": "done"}, {"effectiveDateTime": "2026-13-01"}, {"valueQuantity": {"value": "182"}}, {"typo": 1}],
)
def test_the_schema_would_see_what_is_wrong(schema: Any, change: dict[str, Any]) -> None:
    assert not schema.is_valid({**observations()[0], **change})


def differential(name: str) -> dict[str, Any]:
    """Element id → what the profile says of it."""
    profile = shared(GUIDE / f"StructureDefinition-{name}.json")
    return {element["id"]: element for element in profile["differential"]["element"]}


def breaches(observation: dict[str, Any], elements: dict[str, Any]) -> list[str]:
    """Which rules of a sensor reading profile an Observation breaks: patterns, cardinalities, invariants."""
    found = []
    for id_, element in elements.items():
        name = id_.split(":")[-1].removeprefix("Observation.").replace("value[x]", "valueQuantity")
        name = name.replace("effective[x]", "effectiveDateTime")
        held = observation.get(name)
        if element.get("min", 0) > 0 and held is None and id_ != "Observation":
            found.append(f"{name} is missing")
        for kind in ("patternCodeableConcept", "patternQuantity"):
            if kind in element and held is not None and not matches(held, element[kind]):
                found.append(f"{name} does not match {element[kind]}")
        for invariant in element.get("constraint", []):
            assert invariant["expression"] == "value.exists() or dataAbsentReason.exists()", "a rule this test lacks"
            if not observation.keys() & {"valueQuantity", "dataAbsentReason"}:
                found.append(invariant["key"])
    return found


def matches(held: Any, pattern: Any) -> bool:
    """FHIR's pattern[x]: all that the pattern has is there; lists hold each of its members somewhere."""
    if isinstance(pattern, dict):
        return isinstance(held, dict) and all(matches(held.get(name), part) for name, part in pattern.items())
    if isinstance(pattern, list):
        return isinstance(held, list) and all(any(matches(each, part) for each in held) for part in pattern)
    return bool(held == pattern)


@pytest.mark.parametrize("unit", ["mg/dL", "mmol/L"])
def test_every_sensor_reading_satisfies_the_profile_that_it_claims(unit: str) -> None:
    url = PROFILES[Analyte.INTERSTITIAL_GLUCOSE, unit]
    name = url.rsplit("/", 1)[1]
    elements = differential(name)
    assert shared(GUIDE / f"StructureDefinition-{name}.json")["url"] == url
    claiming = [each for each in observations() if url in each.get("meta", {}).get("profile", [])]
    assert len(claiming) >= len(FORMS)
    for observation in claiming:
        assert breaches(observation, elements) == []


def test_the_guides_own_examples_satisfy_it_and_broken_ones_do_not() -> None:
    elements = differential("cgm-sensor-reading-mass-per-volume")
    example = shared(GUIDE / "Observation-cgmSensorReadingMassPerVolumeExample.json")
    assert breaches(example, elements) == []
    assert breaches({**example, "code": {"coding": [{"code": "2345-7", "system": "http://loinc.org"}]}}, elements)
    assert breaches({**example, "valueQuantity": {**example["valueQuantity"], "unit": "mg/dL"}}, elements)
    for name in ("valueQuantity", "effectiveDateTime", "subject"):
        assert breaches({key: value for key, value in example.items() if key != name}, elements)


def test_our_reading_of_the_guides_example_is_the_guides() -> None:
    """The same reading, mapped by us, says the same wherever the example says anything."""
    example = shared(GUIDE / "Observation-cgmSensorReadingMolesPerVolumeExample.json")
    ours = next(each for each in observations() if each["valueQuantity"]["code"] == "mmol/L" and "meta" in each)
    assert matches(ours["category"], example["category"])
    assert matches(ours["code"], example["code"])
    assert {**ours["valueQuantity"], "value": 6.7} == example["valueQuantity"]
