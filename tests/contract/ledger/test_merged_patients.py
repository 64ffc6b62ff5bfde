"""After a merge (ADT^A40) the readings of both patients are the survivor's, each of them once."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from clinical.records import PatientRef, Road, Status, decode, encode
from engine.model.message import Message, Shape
from engine.model.outcome import Aside, Drop, StepOutput
from engine.testing.builders import a_message
from ledger.patients import Link, find, import_links
from tests.unit.hl7v2.messages import message
from tests.unit.ledger.support import MemoryLedger, a_reading, records_on
from transformers.adt_to_identities import AdtToIdentitiesSettings, adt_to_identities
from transformers.identify_patient import IdentifyPatientSettings, identify_patient
from transformers.move_merged_readings import MoveMergedReadingsSettings, move_merged_readings


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with MemoryLedger() as made:
        asyncio.run(import_links(made.tx, "default", [Link("STM", "NEW", "new"), Link("STM", "OLD", "old")], at=1))
        yield made


def merge(ledger: MemoryLedger, stays: str = "NEW", goes: str = "OLD", id_: str = "m5") -> Sequence[StepOutput]:
    """Both steps of the channel, and what they bring into the ledger. Returns what the second step gave."""
    msh = "MSH|^~\\&|REG|STM|ISLET|HUB|20261120101500||ADT^A40|1|P|2.5"
    raw = message(msh, "EVN|A40", f"PID|1||{stays}^^^STM^MR", f"MRG|{goes}^^^STM^MR")
    came = a_message(raw, Shape.HL7V2, id_=id_)
    settings = AdtToIdentitiesSettings(merged_readings="move")
    (output,) = asyncio.run(adt_to_identities(came, settings, ledger.tx))
    assert isinstance(output, Message)  # no aside
    moved = list(asyncio.run(move_merged_readings(output, MoveMergedReadingsSettings(), ledger.tx)))
    for number, part in enumerate(moved):
        if isinstance(part, Message):
            ledger.receive(*decode(part.body), id_=f"{id_}-{number}")
    return moved


def patients(ledger: MemoryLedger) -> list[tuple[str, int]]:
    return [(patient, steps) for patient, _, steps, *_ in ledger.truths()]


def test_old_readings_are_found_under_the_survivor(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="old"), a_reading(90, patient="old", seconds=300), id_="m1")
    merge(ledger)
    assert patients(ledger) == [("new", 182), ("new", 90)]


def test_those_downstream_hear_of_the_withdrawal_and_of_the_reading(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="old"), id_="m1")
    asyncio.run(adt_to_identities(_a40(), AdtToIdentitiesSettings(merged_readings="move"), ledger.tx))
    (part,) = asyncio.run(move_merged_readings(_a40(), MoveMergedReadingsSettings(), ledger.tx))
    assert isinstance(part, Message)
    assert part.order_key == "new"
    told = records_on(ledger.receive(*decode(part.body), id_="m2"))
    assert {(record.patient.id, record.status) for record in told} == {
        ("new", Status.FINAL),
        ("old", Status.ENTERED_IN_ERROR),
    }


def _a40() -> Message:
    msh = "MSH|^~\\&|REG|STM|ISLET|HUB|20261120101500||ADT^A40|1|P|2.5"
    return a_message(message(msh, "EVN|A40", "PID|1||NEW^^^STM^MR", "MRG|OLD^^^STM^MR"), Shape.HL7V2)


def test_what_both_had_is_there_once(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="new", road=Road.CLOUD), id_="m1")
    ledger.receive(a_reading(182, patient="old", road=Road.HL7V2), id_="m2")
    merge(ledger)
    assert patients(ledger) == [("new", 182)]


def test_a_reading_with_two_sources_stays_one(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="old", road=Road.CLOUD), id_="m1")
    ledger.receive(a_reading(182, patient="old", road=Road.HL7V2), id_="m2")
    merge(ledger)
    assert patients(ledger) == [("new", 182)]


def test_a_later_correction_of_an_old_reading_finds_it(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="old", id_="r1", version="1"), id_="m1")
    merge(ledger, id_="m2")
    correction = a_reading(190, patient="new", id_="r1", version="2", status=Status.CORRECTED)
    ledger.receive(correction, id_="m3")
    assert patients(ledger) == [("new", 190)]


def test_what_was_on_its_way_lands_under_the_survivor(ledger: MemoryLedger) -> None:
    merge(ledger)
    ledger.receive(a_reading(182, patient="old"), id_="m9")
    assert patients(ledger) == [("new", 182)]
    body = encode([a_reading(182, patient="old")])
    (output,) = asyncio.run(identify_patient(a_message(body, Shape.RECORDS), IdentifyPatientSettings(), ledger.tx))
    assert isinstance(output, Message)
    assert output.order_key == "new"


def test_a_survivor_who_is_merged_takes_along_whom_it_took(ledger: MemoryLedger) -> None:
    asyncio.run(import_links(ledger.tx, "default", [Link("STM", "LAST", "last")], at=1))
    ledger.receive(a_reading(182, patient="old"), id_="m1")
    merge(ledger, id_="m2")
    merge(ledger, "LAST", "NEW", id_="m3")
    ledger.receive(a_reading(90, patient="old", seconds=300), id_="m4")
    assert patients(ledger) == [("last", 182), ("last", 90)]


def test_readings_from_before_anybody_linked_the_patient_move_too(ledger: MemoryLedger) -> None:
    stray = msgspec.structs.replace(a_reading(182), patient=PatientRef(system="STM", value="STRAY"))
    ledger.receive(stray, id_="m1")
    merge(ledger, goes="STRAY", id_="m2")
    assert patients(ledger) == [("new", 182)]


def test_the_same_merge_again_moves_nothing(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="old"), id_="m1")
    merge(ledger, id_="m2")
    (again,) = merge(ledger, id_="m3")
    assert isinstance(again, Drop)
    assert patients(ledger) == [("new", 182)]


def test_names_that_people_linked_to_a_merged_patient_follow_at_its_next_merge(ledger: MemoryLedger) -> None:
    merge(ledger, id_="m2")
    asyncio.run(import_links(ledger.tx, "default", [Link("NHS", "N1", "old"), Link("STM", "OLD2", "old")], at=2))
    merge(ledger, "NEW", "OLD2", id_="m3")
    found = asyncio.run(find(ledger.tx, "default", [("NHS", "N1")]))
    assert set(found.values()) == {"new"}


def test_without_the_step_a_person_hears_of_it(ledger: MemoryLedger) -> None:
    ledger.receive(a_reading(182, patient="old"), id_="m1")
    _, aside = asyncio.run(adt_to_identities(_a40(), AdtToIdentitiesSettings(), ledger.tx))
    assert isinstance(aside, Aside)
