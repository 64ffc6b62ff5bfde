"""`adt_to_identities`: admissions link, merges move, and what cannot be decided waits."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import select

from engine.model.errors import InvalidMessage, NeedsReview
from engine.model.message import Message, Shape
from engine.model.outcome import Aside, Drop, StepOutput
from engine.testing.builders import a_message
from ledger.merges import FORMER
from ledger.patients import Link, import_links
from ledger.tables import patient_link
from tests.unit.hl7v2.messages import message, sample
from tests.unit.ledger.support import MemoryLedger, a_reading
from transformers.adt_to_identities import AdtToIdentitiesSettings, adt_to_identities


@pytest.fixture
def ledger() -> Iterator[MemoryLedger]:
    with MemoryLedger() as made:
        yield made


def adt(event: str, *lines: str) -> bytes:
    return message(f"MSH|^~\\&|REG|STM|ISLET|HUB|20261120101500||ADT^{event}|1|P|2.5", f"EVN|{event}", *lines)


def step(ledger: MemoryLedger, raw: bytes, **settings: object) -> Sequence[StepOutput]:
    made = AdtToIdentitiesSettings.model_validate(settings)
    return list(asyncio.run(adt_to_identities(a_message(raw, Shape.HL7V2), made, ledger.tx)))


def linked(ledger: MemoryLedger, *links: Link) -> None:
    asyncio.run(import_links(ledger.tx, "default", links, at=1))


def links(ledger: MemoryLedger) -> dict[tuple[str, str], str]:
    columns = patient_link.c
    rows = ledger.connection.execute(select(columns.system, columns.value, columns.patient))
    return {(row[0], row[1]): row[2] for row in rows if row[0] != FORMER}


@pytest.mark.parametrize("event", ["A01", "A04", "A08", "A28", "A31"])
def test_all_identifiers_of_a_patient_name_one(ledger: MemoryLedger, event: str) -> None:
    (output,) = step(ledger, adt(event, "PID|1||M1^^^STM^MR~N9^^^NHS^NH~X^^^STM^PI"), identifier_types=["MR", "NH"])
    assert isinstance(output, Message)
    assert output.meta["tally"] == "linked=1 registered=1"
    found = links(ledger)
    assert found.keys() == {("STM", "M1"), ("NHS", "N9")}
    assert len(set(found.values())) == 1


def test_a_new_identifier_joins_the_patient_who_is_known(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "M1", "p1"))
    step(ledger, adt("A08", "PID|1||M1^^^STM^MR~N9^^^NHS^NH"), identifier_types=["MR", "NH"])
    assert links(ledger) == {("STM", "M1"): "p1", ("NHS", "N9"): "p1"}


def test_the_same_message_again_changes_nothing(ledger: MemoryLedger) -> None:
    raw = adt("A01", "PID|1||M1^^^STM^MR")
    step(ledger, raw)
    before = links(ledger)
    (output,) = step(ledger, raw)
    assert isinstance(output, Message)
    assert links(ledger) == before


def test_a_merge_moves_everything_of_the_prior_patient_to_the_survivor(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "OLD", "p2"), Link("dexcom", "U2", "p2"), Link("STM", "NEW", "p1"))
    (output,) = step(ledger, adt("A40", "PID|1||NEW^^^STM^MR", "MRG|OLD^^^STM^MR"))
    assert isinstance(output, Message)
    assert output.meta["tally"] == "linked=0 merged=1"
    assert set(links(ledger).values()) == {"p1"}


def test_several_merges_in_one_message(ledger: MemoryLedger) -> None:
    linked(ledger, *(Link("STM", name, f"p-{name}") for name in ("A", "B", "C", "D")))
    raw = adt("A40", "PID|1||A^^^STM^MR", "MRG|B^^^STM^MR", "PID|2||C^^^STM^MR", "MRG|D^^^STM^MR")
    step(ledger, raw)
    assert links(ledger) == {("STM", "A"): "p-A", ("STM", "B"): "p-A", ("STM", "C"): "p-C", ("STM", "D"): "p-C"}


def test_a_merge_of_a_patient_whom_only_the_old_number_names_keeps_that_patient(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "OLD", "p2"))
    step(ledger, adt("A40", "PID|1||NEW^^^STM^MR", "MRG|OLD^^^STM^MR"))
    assert links(ledger) == {("STM", "OLD"): "p2", ("STM", "NEW"): "p2"}


def test_readings_of_a_merged_patient_are_said_for_review_and_the_merge_stands(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "OLD", "p2"), Link("STM", "NEW", "p1"))
    ledger.receive(a_reading(patient="p2"))
    raw = adt("A40", "PID|1||NEW^^^STM^MR", "MRG|OLD^^^STM^MR")
    _, aside = step(ledger, raw)
    assert isinstance(aside, Aside)
    assert aside.error.code == "merged-readings"
    assert set(links(ledger).values()) == {"p1"}
    assert len(step(ledger, aside.body)) == 1


def test_identifiers_of_two_patients_without_a_merge_wait_for_review(ledger: MemoryLedger) -> None:
    linked(ledger, Link("STM", "M1", "p1"), Link("NHS", "N9", "p2"))
    with pytest.raises(NeedsReview) as raised:
        step(ledger, adt("A08", "PID|1||M1^^^STM^MR~N9^^^NHS^NH"), identifier_types=["MR", "NH"])
    assert raised.value.code == "identities-disagree"
    assert set(links(ledger).values()) == {"p1", "p2"}


def test_unknown_patients_can_be_left_to_their_first_result(ledger: MemoryLedger) -> None:
    (output,) = step(ledger, adt("A01", "PID|1||M1^^^STM^MR"), if_unknown="ignore")
    assert isinstance(output, Message)
    assert links(ledger) == {}


def test_other_events_are_dropped(ledger: MemoryLedger) -> None:
    (output,) = step(ledger, adt("A11", "PID|1||M1^^^STM^MR"))
    assert isinstance(output, Drop)


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (adt("A01"), "patient-missing", "PID"),
        (adt("A01", "PID|1||CANARY^^^STM^PI"), "patient-missing", "PID[1]-3"),
        (adt("A40", "PID|1||CANARY^^^STM^MR"), "merge-alone", "PID[1]"),
        (adt("A40", "MRG|CANARY^^^STM^MR"), "merge-alone", "MRG[1]"),
        (adt("A40", "PID|1||A^^^STM^MR", "MRG|CANARY^^^STM^AN"), "patient-missing", "MRG[1]-1"),
    ],
)
def test_a_message_that_names_nobody_is_invalid_with_its_path(
    ledger: MemoryLedger, raw: bytes, code: str, path: str
) -> None:
    with pytest.raises(InvalidMessage) as raised:
        step(ledger, raw)
    assert (raised.value.code, raised.value.path) == (code, path)
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("other/cosyte_canonical_adt-a04.hl7", {("HOSP", "MRN-A04-001")}),
        ("other/cosyte_canonical_adt-a08.hl7", {("HOSP", "MRN-A08-001")}),
        ("other/cosyte_canonical_adt-a40-merge.hl7", {("HOSP", "MRN99001"), ("HOSP", "MRN99002")}),
        ("other/cosyte_canonical_adt-a34-merge.hl7", {("HOSP", "MRN99003"), ("HOSP", "MRN99004")}),
        ("other/cosyte_vendor-shapes_adt-a01_2.hl7", {("HOSP.MRN", "EPIC-00001")}),
    ],
)
def test_real_messages_are_read(ledger: MemoryLedger, path: str, names: set[tuple[str, str]]) -> None:
    step(ledger, sample(path))
    assert links(ledger).keys() == names
    assert len(set(links(ledger).values())) == 1
