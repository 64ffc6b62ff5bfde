"""`patients_to_identities`: a FHIR server's Patients link what other feeds call by a number, and merges move."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest

from engine import sdk
from engine.testing.builders import a_message
from ledger.patients import Link
from tests.contract.ledger.test_adt_to_identities import linked, links
from tests.unit.ledger.support import MemoryLedger
from transformers.patients_to_identities import PatientsToIdentitiesSettings, patients_to_identities

MRN = "urn:oid:2.16.840.1.113883.2.1.4.1"


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with MemoryLedger() as made:
        yield made


def step(ledger: MemoryLedger, resource: object, **settings: object) -> Sequence[sdk.StepOutput]:
    made = PatientsToIdentitiesSettings.model_validate({"server": "ehr", "patient_systems": {MRN: "STM"}, **settings})
    message = a_message(orjson.dumps(resource), sdk.Shape.FHIR)
    return list(asyncio.run(patients_to_identities(message, made, ledger.tx)))


def patient(id_: str = "1", *numbers: str, **more: Any) -> dict[str, Any]:
    identifiers = [{"system": MRN, "value": number} for number in numbers]
    return {"resourceType": "Patient", "id": id_, "identifier": identifiers, **more}


def page(*patients: object) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in patients]}


def link(kind: str, reference: str | None = "Patient/2") -> dict[str, Any]:
    return {"link": [{"type": kind, "other": {"reference": reference} if reference else {}}]}


def test_the_id_on_the_server_joins_the_patient_who_is_known_by_a_number(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "M1", "p1"))
    (output,) = step(ledger, page(patient("1", "M1"), patient("2", "M2")))
    assert isinstance(output, sdk.Message)
    assert output.meta["tally"] == "linked=2 registered=1"
    found = links(ledger)
    assert (found["ehr", "1"], found["STM", "M1"]) == ("p1", "p1")
    assert found["ehr", "2"] == found["STM", "M2"] != "p1"


def test_identifiers_of_other_systems_and_old_or_temporary_ones_name_nobody(ledger: MemoryLedger) -> None:
    one = patient("1", "M1")
    one["identifier"] += [{"system": "urn:other", "value": "X"}, {"value": "no-system"}]
    one["identifier"] += [{"system": MRN, "value": use, "use": use} for use in ("old", "temp")]
    step(ledger, one)
    assert links(ledger).keys() == {("ehr", "1"), ("STM", "M1")}


@pytest.mark.parametrize("reference", ["Patient/2", "https://ehr.example/r4/Patient/2", "Patient/2/_history/3"])
def test_a_patient_that_was_replaced_is_merged_into_the_other(ledger: MemoryLedger, reference: str) -> None:
    linked(ledger, Link("ehr", "1", "p1"), Link("STM", "M1", "p1"), Link("ehr", "2", "p2"))
    step(ledger, patient("1", active=False, **link("replaced-by", reference)))
    assert set(links(ledger).values()) == {"p2"}


def test_a_patient_that_replaces_another_takes_it_in(ledger: MemoryLedger) -> None:
    linked(ledger, Link("ehr", "1", "p1"), Link("ehr", "2", "p2"))
    step(ledger, patient("1", **link("replaces")))
    assert set(links(ledger).values()) == {"p1"}


def test_a_merge_that_is_told_from_both_sides_is_one(ledger: MemoryLedger) -> None:
    step(ledger, page(patient("1", "M1", **link("replaced-by")), patient("2", "M2", **link("replaces", "Patient/1"))))
    assert len(set(links(ledger).values())) == 1
    assert links(ledger).keys() == {("ehr", "1"), ("ehr", "2"), ("STM", "M1"), ("STM", "M2")}


@pytest.mark.parametrize("kind", ["seealso", "refer"])
def test_other_links_say_nothing_of_who_is_who(ledger: MemoryLedger, kind: str) -> None:
    linked(ledger, Link("ehr", "1", "p1"), Link("ehr", "2", "p2"))
    step(ledger, patient("1", **link(kind)))
    assert links(ledger) == {("ehr", "1"): "p1", ("ehr", "2"): "p2"}


@pytest.mark.parametrize(
    ("wrong", "code", "path"),
    [
        ({"resourceType": "Patient", "name": [{"text": "CANARY"}]}, "no-identifier", "Patient.id"),
        (patient("1", "CANARY", **link("replaced-by", None)), "merge-alone", "Patient.link[0].other"),
        (patient("1", "M1", "M2", name=[{"text": "CANARY"}]), "identities-disagree", "Patient.identifier"),
    ],
)
def test_a_patient_that_cannot_be_kept_is_set_aside_and_the_others_go_on(
    ledger: MemoryLedger, wrong: dict[str, Any], code: str, path: str
) -> None:
    linked(ledger, Link("STM", "M1", "p1"), Link("STM", "M2", "p2"))
    output, aside = step(ledger, page(wrong, patient("9", "M9")))
    assert isinstance(output, sdk.Message)
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, aside.error.path) == (code, f"entry[0].resource.{path}")
    assert orjson.loads(aside.body) == wrong
    assert "CANARY" not in f"{aside.error} {aside!r}"
    assert links(ledger)["ehr", "9"] == links(ledger)["STM", "M9"]


def test_unknown_patients_can_be_left_to_their_first_result(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "M1", "p1"))
    step(ledger, page(patient("1", "M1"), patient("2", "M2")), if_unknown="ignore")
    assert links(ledger) == {("STM", "M1"): "p1", ("ehr", "1"): "p1"}


def test_what_has_no_patients_is_dropped_and_what_is_no_resource_is_invalid(ledger: MemoryLedger) -> None:
    assert step(ledger, page({"resourceType": "Observation", "id": "o"})) == [sdk.Drop("no patients")]
    with pytest.raises(sdk.InvalidMessage):
        step(ledger, {"id": "1"})
