"""The simulated server's rules and memory. Its HTTP is tried in tests/integration/fhir."""

from typing import Any

import pytest

from engine.testing.fakes import ManualClock
from simulators.fhir_faults import Ask, Deed, Fault, Faults, fault_from
from simulators.fhir_rules import problems
from simulators.fhir_store import FhirProblem, FhirStore

GOOD: dict[str, Any] = {
    "resourceType": "Observation",
    "identifier": [{"system": "urn:a", "value": "1"}],
    "status": "final",
    "code": {"text": "glucose"},
}
CGM = {
    **GOOD,
    "meta": {"profile": ["http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-sensor-reading-mass-per-volume"]},
    "code": {"coding": [{"system": "http://loinc.org", "code": "99504-3"}]},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2026-11-20T10:00:00Z",
    "valueQuantity": {"value": 182, "unit": "mg/dl", "code": "mg/dL", "system": "http://unitsofmeasure.org"},
}


def a_store() -> FhirStore:
    return FhirStore(ManualClock())


@pytest.mark.parametrize(
    ("changes", "code", "expression"),
    [
        ({"status": ...}, "required", "Observation.status"),
        ({"status": "done"}, "code-invalid", "Observation.status"),
        ({"code": ...}, "required", "Observation.code"),
        ({"code": {"id": "x"}}, "required", "Observation.code"),
        ({"note": []}, "invalid", "Observation.note"),
        ({"note": [{"text": None}]}, "invalid", "Observation.note[0].text"),
        ({"valueString": "x"}, "structure", "Observation.value[x]"),
        ({"effectiveInstant": "x"}, "structure", "Observation.effective[x]"),
        ({"effectiveDateTime": "2026-11-20T10:00"}, "value", "Observation.effectiveDateTime"),
        ({"effectiveDateTime": ...}, "required", "Observation.effectiveDateTime"),
        ({"subject": ...}, "required", "Observation.subject"),
        ({"valueQuantity": {"value": "182"}}, "value", "Observation.valueQuantity.value"),
        ({"valueQuantity": {"value": True}}, "value", "Observation.valueQuantity.value"),
        ({"valueQuantity": {"value": 1, "comparator": "~"}}, "code-invalid", "Observation.valueQuantity.comparator"),
        ({"valueQuantity": {"value": 1, "unit": "mg/dL", "code": "mg/dL"}}, "value", "Observation.valueQuantity"),
        ({"valueQuantity": ...}, "invariant", "Observation"),
        ({"code": {"text": "glucose"}}, "code-invalid", "Observation.code"),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, Any], code: str, expression: str) -> None:
    resource = {name: value for name, value in {**CGM, **changes}.items() if value is not ...}
    assert (code, expression) in {(issue.code, issue.expression) for issue in problems(resource)}


@pytest.mark.parametrize("resource", [GOOD, CGM, {"resourceType": "Patient"}])
def test_what_breaks_no_rule_passes(resource: dict[str, Any]) -> None:
    assert problems(resource) == []


def test_versions_count_up_and_identifiers_follow_the_latest() -> None:
    store = a_store()
    made = store.create(GOOD)
    assert (made["id"], made["meta"]) == ("1", {"versionId": "1", "lastUpdated": "2026-11-20T10:15:00.000Z"})
    store.update("Observation", "1", {**GOOD, "identifier": [{"system": "urn:a", "value": "2"}]})
    assert [version["meta"]["versionId"] for version in store.history("Observation", "1")] == ["1", "2"]
    assert store.search("Observation", [("identifier", "urn:a|1")]) == []
    assert [each["id"] for each in store.search("Observation", [("identifier", "2")])] == ["1"]


def test_an_update_on_top_of_another_version_is_a_conflict() -> None:
    store = a_store()
    store.create(GOOD)
    for id_, version in (("1", "2"), ("9", "1")):
        with pytest.raises(FhirProblem) as caught:
            store.update("Observation", id_, GOOD, if_match=version)
        assert caught.value.status == 412


@pytest.mark.parametrize(
    ("criteria", "ids"),
    [
        ([], ["1", "2"]),
        ([("_id", "2")], ["2"]),
        ([("status", "amended")], ["2"]),
        ([("code", "99504-3")], ["2"]),
        ([("code", "http://loinc.org|99504-3")], ["2"]),
        ([("code", "other|99504-3")], []),
        ([("patient", "1")], ["2"]),
        ([("subject", "Patient/1"), ("status", "final")], []),
        ([("identifier", "urn:a|1"), ("_id", "1")], ["1"]),
        ([("identifier", "urn:b|1")], []),
    ],
)
def test_searches_narrow_down(criteria: list[tuple[str, str]], ids: list[str]) -> None:
    store = a_store()
    store.create(GOOD)
    store.create({**CGM, "status": "amended"})
    assert [found["id"] for found in store.search("Observation", criteria)] == ids


def test_an_unknown_search_is_refused_rather_than_ignored() -> None:
    with pytest.raises(FhirProblem) as caught:
        a_store().search("Observation", [("identifer", "x")])
    assert caught.value.status == 400


def test_faults_are_taken_in_order_and_as_often_as_ordered() -> None:
    faults = Faults()
    faults.add(Fault(Deed.HANG, times=2, where=lambda ask: ask.interaction == "create"))
    faults.add(Fault(Deed.STATUS, times=None))
    deeds = [faults.take(Ask("POST", kind)) for kind in ("read", "create", "create", "create")]
    assert [fault.deed for fault in deeds if fault] == [Deed.STATUS, Deed.HANG, Deed.HANG, Deed.STATUS]
    faults.clear()
    assert faults.take(Ask("POST", "create")) is None


def test_a_fault_can_be_ordered_in_words() -> None:
    fault = fault_from({"deed": "status", "status": 503, "times": None, "on": ["create"], "entries": True})
    assert (fault.deed, fault.status, fault.times) == (Deed.STATUS, 503, None)
    assert fault.where(Ask("POST", "create", in_batch=True))
    assert not fault.where(Ask("POST", "create"))
    assert not fault.where(Ask("PUT", "update", in_batch=True))
    for wrong in ({"deed": "explode"}, {"tiems": 1}):
        with pytest.raises(ValueError, match=r"explode|tiems"):
            fault_from(wrong)
