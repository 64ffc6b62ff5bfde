"""Corrections as hospitals send them, from the bytes to the ledger: OBX-11 C, A, D, W in ORU^R01, and FHIR statuses."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import orjson
import pytest

from clinical.records import decode, encode
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx
from tests.unit.ledger.support import MemoryLedger
from transformers.fhir_to_records import FhirToRecordsSettings, fhir_to_records
from transformers.oru_to_records import OruToRecordsSettings, oru_to_records


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with MemoryLedger() as made:
        yield made


def sent(ledger: MemoryLedger, outputs: Any, id_: str) -> None:
    """Into the ledger, as if every patient were known by the identifier itself."""
    for number, output in enumerate(outputs if isinstance(outputs, Sequence) else [outputs]):
        assert isinstance(output, Message), output
        records = [
            msgspec.structs.replace(record, patient=msgspec.structs.replace(record.patient, id=record.patient.value))
            for record in decode(output.body)
        ]
        ledger.take(a_message(encode(records), Shape.RECORDS, id_=f"{id_}-{number}"))


def oru(
    ledger: MemoryLedger, value: str, status: str = "F", at: str = "101500", mrn: str = "MRN1", **more: Any
) -> None:
    """One result, sent at a time of the day."""
    msh = MSH.replace("101500", at)
    raw = message(msh, PID.replace("MRN1", mrn), OBR, obx(value=value, status=status, **more))
    settings = OruToRecordsSettings(timezone="UTC")
    sent(ledger, oru_to_records(a_message(raw, Shape.HL7V2), settings), f"{at}{mrn}{status}")


def fhir(ledger: MemoryLedger, value: float | None, status: str = "final", hour: int = 10, mrn: str = "MRN1") -> None:
    """One Observation in the version of an hour."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o-1",
        "meta": {"lastUpdated": f"2026-11-20T{hour}:00:00Z"},
        "status": status,
        "code": {"coding": [{"system": "http://loinc.org", "code": "99504-3"}]},
        "subject": {"identifier": {"system": "STM", "value": mrn}},
        "effectiveDateTime": "2026-11-20T10:00:00Z",
    }
    if value is not None:
        resource["valueQuantity"] = {"value": value, "unit": "mg/dL"}
    made = fhir_to_records(a_message(orjson.dumps(resource), Shape.FHIR), FhirToRecordsSettings())
    sent(ledger, made, f"{hour}{status}{mrn}")


def standing(ledger: MemoryLedger) -> list[tuple[str, int]]:
    return [(patient, steps) for patient, _, steps, *_ in ledger.truths()]


def test_a_clock_that_was_not_put_forward_does_not_correct_the_hour_that_the_zone_leaves_out(
    ledger: MemoryLedger,
) -> None:
    """01:30 of 29 March does not occur in Dublin; read with the offset before it, it is the instant of 02:30."""
    outputs = []
    for wall, value in (("20260329013000", "100"), ("20260329023000", "140")):
        raw = message(MSH, PID, OBR, obx(value=value, time=wall))
        (output,) = oru_to_records(a_message(raw, Shape.HL7V2), OruToRecordsSettings(timezone="Europe/Dublin"))
        assert isinstance(output, Message)
        outputs.append(decode(output.body)[0])
        sent(ledger, output, wall)
    assert [record.effective.gap for record in outputs] == [True, False]
    assert outputs[0].source.value != outputs[1].source.value
    assert standing(ledger) == [("MRN1", 100)]
    assert ledger.fates() == {"new": 1, "conflict": 1}


@pytest.mark.parametrize("status", ["C", "A"])
def test_a_correction_changes_the_same_record(ledger: MemoryLedger, status: str) -> None:
    oru(ledger, "182")
    oru(ledger, "99", status, at="113000")
    assert standing(ledger) == [("MRN1", 99)]
    assert ledger.fates() == {"new": 1, "corrects": 1}


def test_a_correction_of_what_nobody_has_is_added(ledger: MemoryLedger) -> None:
    oru(ledger, "99", "C")
    assert standing(ledger) == [("MRN1", 99)]


@pytest.mark.parametrize("status", ["D", "W"])
@pytest.mark.parametrize("value", ["182", ""])
def test_what_is_deleted_or_wrong_is_withdrawn_and_kept(ledger: MemoryLedger, status: str, value: str) -> None:
    oru(ledger, "182")
    oru(ledger, value, status, at="113000")
    assert (standing(ledger), ledger.withdrawn()) == ([], 1)


def test_a_deletion_that_comes_first_leaves_a_tombstone_and_the_original_does_not_come_back(
    ledger: MemoryLedger,
) -> None:
    oru(ledger, "", "D", at="113000")
    oru(ledger, "182")
    assert standing(ledger) == []
    assert ledger.fates()["tombstone"] == 1


def test_an_older_version_is_ignored(ledger: MemoryLedger) -> None:
    oru(ledger, "99", "C", at="113000")
    oru(ledger, "182")
    assert standing(ledger) == [("MRN1", 99)]
    assert ledger.fates()["outdated"] == 1


@pytest.mark.parametrize(
    "instance",
    [{}, {"f21": "R-1^GLU"}, {"f21": "R-1^GLU", "f19": "20261120100100+0000"}],
    ids=["composed", "own", "19"],
)
def test_a_result_of_the_wrong_patient_moves_and_its_history_stays(
    ledger: MemoryLedger, instance: dict[str, str]
) -> None:
    oru(ledger, "182", **instance)
    oru(ledger, "182", "W", at="113000", **instance)
    oru(ledger, "182", at="113100", mrn="MRN2", **instance)
    assert standing(ledger) == [("MRN2", 182)]
    assert ledger.fates().total() == 3


def test_a_correction_under_the_right_patient_takes_the_result_along(ledger: MemoryLedger) -> None:
    oru(ledger, "182", f21="R-1^GLU")
    oru(ledger, "182", "C", at="113000", mrn="MRN2", f21="R-1^GLU")
    assert standing(ledger) == [("MRN2", 182)]


@pytest.mark.parametrize("status", ["amended", "corrected"])
def test_a_correction_through_fhir_changes_the_same_record(ledger: MemoryLedger, status: str) -> None:
    fhir(ledger, 182)
    fhir(ledger, 99, status, hour=11)
    fhir(ledger, 182, hour=10)
    assert standing(ledger) == [("MRN1", 99)]


@pytest.mark.parametrize("value", [182, None])
def test_what_is_entered_in_error_in_fhir_is_withdrawn(ledger: MemoryLedger, value: float | None) -> None:
    fhir(ledger, 182)
    fhir(ledger, value, "entered-in-error", hour=11)
    assert (standing(ledger), ledger.withdrawn()) == ([], 1)


def test_an_error_that_comes_first_leaves_a_tombstone_in_fhir_too(ledger: MemoryLedger) -> None:
    fhir(ledger, None, "entered-in-error", hour=11)
    fhir(ledger, 182, hour=10)
    assert (standing(ledger), ledger.fates()["tombstone"]) == ([], 1)


def test_an_observation_that_was_given_to_another_patient_moves(ledger: MemoryLedger) -> None:
    fhir(ledger, 182)
    fhir(ledger, 182, "corrected", hour=11, mrn="MRN2")
    assert standing(ledger) == [("MRN2", 182)]
