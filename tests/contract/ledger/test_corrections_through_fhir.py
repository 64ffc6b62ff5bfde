"""Corrections that come through FHIR keep the rules of those through HL7 v2, for every kind of record, and reach what
we wrote into the server ourselves."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import orjson
import pytest

from clinical.fhir.frame import encode as encode_resource
from clinical.fhir.resource import to_resource
from clinical.records import AnyRecord, decode
from engine import sdk
from engine.testing.builders import a_message
from tests.contract.ledger.test_corrections_from_outside import oru, sent, standing
from tests.unit.fhir.builders import a_reading
from tests.unit.ledger.support import MemoryLedger
from transformers.fhir_to_records import FhirToRecordsSettings, fhir_to_records

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with MemoryLedger() as made:
        yield made


def observation(code: str, version: str | None = "1", hour: int | None = 10, **more: Any) -> dict[str, Any]:
    """`...` takes an element away."""
    meta = {"versionId": version} if version else {}
    if hour is not None:
        meta["lastUpdated"] = f"2026-11-20T{hour}:00:00Z"
    whole = {
        "resourceType": "Observation",
        "id": "o-1",
        "meta": meta,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"identifier": {"system": "STM", "value": "MRN1"}},
        "effectiveDateTime": "2026-11-20T10:00:00Z",
        **more,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def quantity(value: float, unit: str = "mg/dL") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def glucose(value: float, version: str | None = "1", hour: int | None = 10, **more: Any) -> dict[str, Any]:
    return observation("99504-3", version, hour, valueQuantity=quantity(value), **more)


def take(ledger: MemoryLedger, resource: dict[str, Any] | bytes, id_: str) -> None:
    body = resource if isinstance(resource, bytes) else orjson.dumps(resource)
    sent(ledger, fhir_to_records(a_message(body, sdk.Shape.FHIR), FhirToRecordsSettings()), id_)


@pytest.mark.parametrize("hour", [10, None])
def test_of_two_versions_of_one_moment_or_none_the_higher_number_counts(ledger: MemoryLedger, hour: int | None) -> None:
    take(ledger, glucose(99, "10", hour, status="corrected"), "later")
    take(ledger, glucose(182, "9", hour), "earlier")
    assert standing(ledger) == [("MRN1", 99)]
    assert ledger.fates()["outdated"] == 1


def test_a_version_that_comes_late_is_ignored_whatever_its_number(ledger: MemoryLedger) -> None:
    take(ledger, glucose(99, "1", 11, status="amended"), "restored")  # a server that counts from one again
    take(ledger, glucose(182, "7", 10), "earlier")
    assert standing(ledger) == [("MRN1", 99)]


def test_the_same_version_again_says_nothing_new(ledger: MemoryLedger) -> None:
    take(ledger, glucose(182), "first")
    take(ledger, glucose(182), "second")
    assert ledger.fates() == {"new": 1, "duplicate": 1}


def test_what_was_taken_back_does_not_come_to_life_by_an_older_version(ledger: MemoryLedger) -> None:
    take(ledger, glucose(182, "1", 10), "1")
    take(ledger, observation("99504-3", "3", 12, status="entered-in-error"), "3")
    take(ledger, glucose(180, "2", 11, status="corrected"), "2")
    assert (standing(ledger), ledger.withdrawn()) == ([], 1)


def test_a_preliminary_reading_becomes_final_without_being_a_correction(ledger: MemoryLedger) -> None:
    take(ledger, glucose(180, "1", 10, status="preliminary"), "1")
    take(ledger, glucose(182, "2", 11), "2")
    assert standing(ledger) == [("MRN1", 182)]
    assert ledger.fates() == {"new": 1, "updates": 1}


PRESSURE = [
    {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
    for code, value in (("8480-6", 128), ("8462-4", 81))
]
INSULIN = {
    "resourceType": "MedicationAdministration",
    "id": "m-1",
    "meta": {"lastUpdated": "2026-11-20T10:00:00Z"},
    "status": "completed",
    "medicationCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "67866001"}]},
    "subject": {"identifier": {"system": "STM", "value": "MRN1"}},
    "effectiveDateTime": "2026-11-20T10:00:00Z",
    "dosage": {"dose": quantity(4.5, "[iU]")},
}


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (observation("85354-9", component=PRESSURE), "component"),
        (observation("29463-7", valueQuantity=quantity(81.5, "kg")), "valueQuantity"),
        (observation("8867-4", valueQuantity=quantity(62, "/min")), "valueQuantity"),
        (observation("9059-7", valueQuantity=quantity(45, "g")), "valueQuantity"),
        (observation("48767-8", valueString="felt low"), "valueString"),
        (INSULIN, "dosage"),
    ],
    ids=["blood pressure", "weight", "heart rate", "carbohydrate", "note", "insulin"],
)
@pytest.mark.parametrize("keeps_its_value", [True, False])
def test_every_kind_of_record_can_be_taken_back_with_or_without_its_value(
    ledger: MemoryLedger, resource: dict[str, Any], value: str, keeps_its_value: bool
) -> None:
    gone = {name: held for name, held in resource.items() if keeps_its_value or name != value}
    take(ledger, resource, "1")
    take(ledger, gone | {"status": "entered-in-error", "meta": {"lastUpdated": "2026-11-20T11:00:00Z"}}, "2")
    assert (standing(ledger), ledger.withdrawn()) == ([], 1)


def ours(reading: AnyRecord, hour: int, **changes: Any) -> bytes:
    """What we wrote into a server, as it comes back from there."""
    resource = orjson.loads(encode_resource(to_resource(reading)))
    resource |= {"id": "77", "meta": {"versionId": str(hour), "lastUpdated": f"2026-11-20T{hour}:00:00Z"}, **changes}
    return orjson.dumps(resource)


def test_what_we_wrote_comes_back_as_a_duplicate_and_what_is_marked_over_there_is_taken_back(
    ledger: MemoryLedger,
) -> None:
    reading = a_reading(reading_id="r-1")
    (record,) = decode_one(ours(reading, 10))
    assert (record.source.system, record.source.value) == ("urn:islet:reading", "r-1")
    take(ledger, ours(reading, 10), "back")
    take(ledger, ours(reading, 10), "again")
    take(ledger, ours(reading, 11, status="entered-in-error"), "marked")
    assert (standing(ledger), ledger.withdrawn()) == ([], 1)
    assert ledger.fates() == {"new": 1, "duplicate": 1, "corrects": 1}


def decode_one(body: bytes) -> tuple[AnyRecord, ...]:
    (output,) = fhir_to_records(a_message(body, sdk.Shape.FHIR), FhirToRecordsSettings())
    return decode(output.body)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_was_moved_and_then_taken_back_stays_away_in_whatever_order_its_versions_come(
    ledger: MemoryLedger, order: tuple[int, ...]
) -> None:
    moved = {"subject": {"identifier": {"system": "STM", "value": "MRN2"}}}
    versions = [
        glucose(182, "1", 10),
        glucose(182, "2", 11, status="corrected", **moved),
        glucose(182, "3", 12, status="entered-in-error", **moved),
    ]
    for number in order:
        take(ledger, versions[number], str(number))
    assert standing(ledger) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("resource", "word"),
    [(glucose(182), "cancelled"), (observation("85354-9", component=PRESSURE), "cancelled"), (INSULIN, "not-done")],
    ids=["glucose", "blood pressure", "insulin"],
)
@pytest.mark.parametrize("keeps_its_value", [True, False])
def test_a_later_version_without_a_result_takes_back_what_an_earlier_one_told(
    ledger: MemoryLedger, resource: dict[str, Any], word: str, keeps_its_value: bool, order: tuple[int, int]
) -> None:
    values = () if keeps_its_value else ("valueQuantity", "component", "dosage")
    gone = {name: held for name, held in resource.items() if name not in values}
    meta = {"versionId": "2", "lastUpdated": "2026-11-20T11:00:00Z"}
    for number in order:
        take(ledger, [resource, {**gone, "status": word, "meta": meta}][number], str(number))
    assert standing(ledger) == []


def test_a_correction_that_leaves_no_value_takes_back_the_old_one(ledger: MemoryLedger) -> None:
    take(ledger, glucose(182), "1")
    absent = {"coding": [{"code": "error"}]}
    take(ledger, observation("99504-3", "2", 11, status="corrected", dataAbsentReason=absent), "2")
    assert (standing(ledger), ledger.withdrawn()) == ([], 1)


def test_what_was_called_off_before_anything_was_measured_has_no_result() -> None:
    ordered = observation("99504-3", "2", 11, status="cancelled", effectiveDateTime=...)
    made = fhir_to_records(a_message(orjson.dumps(ordered), sdk.Shape.FHIR), FhirToRecordsSettings())
    assert made == sdk.Drop("no records (1 no-result)")


SYSTEM = "http://stm.example/results"


@pytest.mark.parametrize("fhir_first", [True, False])
@pytest.mark.parametrize(("status", "left"), [("corrected", [("MRN1", 99)]), ("entered-in-error", [])])
def test_a_result_that_has_one_name_on_both_roads_is_corrected_by_the_later_word(
    ledger: MemoryLedger, status: str, left: list[tuple[str, int]], fhir_first: bool
) -> None:
    correction = glucose(99, "2", 11, status=status, identifier=[{"system": SYSTEM, "value": "R-1"}])
    if fhir_first:
        take(ledger, correction, "fhir")
    oru(ledger, "182", f21=f"R-1^^{SYSTEM}^URI")
    if not fhir_first:
        take(ledger, correction, "fhir")
    assert standing(ledger) == left
