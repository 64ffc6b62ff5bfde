"""`identify_patient` and the links it looks up."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from clinical.records import Glucose, PatientRef, decode, encode
from engine.model.errors import InvalidMessage, NeedsReview
from engine.model.message import Message, Shape
from engine.model.outcome import Aside, Drop, StepOutput
from engine.testing.builders import a_message
from ledger.patients import BadLinks, Imported, Link, import_links, read_links
from ledger.tables import patient, patient_link
from tests.builders import glucoses
from tests.unit.ledger.support import MemoryLedger, a_reading, passed_on
from transformers.identify_patient import IdentifyPatientSettings, identify_patient

STM = "stm"


def of(name: str, value: float = 182, system: str = STM) -> Glucose:
    return replace(a_reading(value), patient=PatientRef(system=system, value=name))


def step(ledger: MemoryLedger, *records: Glucose, if_unknown: str = "review") -> Sequence[StepOutput]:
    settings = IdentifyPatientSettings.model_validate({"if_unknown": if_unknown})
    message = a_message(encode(records), Shape.RECORDS)
    return list(asyncio.run(identify_patient(message, settings, ledger.tx)))


def link(ledger: MemoryLedger, *links: Link, tenant: str = "default") -> Imported:
    return asyncio.run(import_links(ledger.tx, tenant, links, at=1))


def test_a_linked_patient_gets_our_id_and_the_message_its_order_key() -> None:
    with MemoryLedger() as ledger:
        link(ledger, Link(STM, "MRN1", "p1"))
        (output,) = step(ledger, of("MRN1"), of("MRN1", 190))
        assert isinstance(output, Message)
        assert output.order_key == "p1"
        assert [r.patient for r in decode(output.body)] == [PatientRef(system=STM, value="MRN1", id="p1")] * 2


def test_two_sources_of_one_patient_meet() -> None:
    with MemoryLedger() as ledger:
        link(ledger, Link(STM, "MRN1", "p1"), Link("dexcom", "U1", "p1"))
        (output,) = step(ledger, of("MRN1"), of("U1", system="dexcom"))
        assert {r.patient.id for r in passed_on([output])} == {"p1"}


def test_the_same_identifier_in_another_system_or_tenant_is_unknown() -> None:
    with MemoryLedger() as ledger:
        link(ledger, Link("dexcom", "MRN1", "p1"))
        link(ledger, Link(STM, "MRN1", "p1"), tenant="other")
        with pytest.raises(NeedsReview):
            step(ledger, of("MRN1"))


@pytest.mark.parametrize(("if_unknown", "word"), [("review", NeedsReview), ("hold", InvalidMessage)])
def test_an_unknown_patient_waits_with_a_remedy_and_without_the_identifier(
    if_unknown: str, word: type[Exception]
) -> None:
    with MemoryLedger() as ledger, pytest.raises(word) as raised:
        step(ledger, of("CANARY-9"), if_unknown=if_unknown)
    assert getattr(raised.value, "code", None) == "patient-not-found"
    assert getattr(raised.value, "path", None) == "records[0].patient"
    assert "import the link" in str(raised.value)
    assert "CANARY" not in str(raised.value)


def test_known_patients_go_on_where_another_is_unknown() -> None:
    with MemoryLedger() as ledger:
        link(ledger, Link(STM, "MRN1", "p1"))
        outputs = step(ledger, of("MRN2", 100), of("MRN1", 110), of("MRN2", 120))
        assert [r.value.steps for r in passed_on(outputs)] == [110]
        (aside,) = [output for output in outputs if isinstance(output, Aside)]
        assert [r.value.steps for r in glucoses(decode(aside.body))] == [100, 120]
        assert aside.error.path == "records[0].patient"


def test_registering_makes_one_patient_and_finds_it_again() -> None:
    with MemoryLedger() as ledger:
        first = passed_on(step(ledger, of("MRN1"), of("MRN1", 190), if_unknown="register"))
        again = passed_on(step(ledger, of("MRN1", 200), if_unknown="register"))
        assert len({r.patient.id for r in [*first, *again]}) == 1
        assert ledger.connection.scalar(select(func.count()).select_from(patient)) == 1
        assert ledger.connection.execute(select(patient_link.c.how)).scalars().all() == ["registered"]


def test_a_record_that_is_identified_keeps_its_patient() -> None:
    with MemoryLedger() as ledger:
        (record,) = passed_on(step(ledger, a_reading(182, patient="p9")))
        assert record.patient.id == "p9"


def test_nothing_to_identify_is_filtered() -> None:
    with MemoryLedger() as ledger:
        (output,) = step(ledger)
        assert isinstance(output, Drop)


# --- importing links


def test_an_import_adds_what_is_new_and_counts_what_is_known() -> None:
    with MemoryLedger() as ledger:
        assert link(ledger, Link(STM, "1", "p1"), Link(STM, "2", "p1"), Link(STM, "1", "p1")) == Imported(2, 1)
        assert link(ledger, Link(STM, "1", "p1"), Link(STM, "3", "p3")) == Imported(1, 1)
        assert ledger.connection.scalar(select(func.count()).select_from(patient)) == 2


def test_a_link_to_another_patient_stops_the_whole_import() -> None:
    with MemoryLedger() as ledger:
        link(ledger, Link(STM, "1", "p1"))
        wrong = Link(STM, "1", "p2", line=3)
        assert link(ledger, Link(STM, "4", "p4", line=2), wrong) == Imported(0, 0, [wrong])
        assert ledger.connection.scalar(select(func.count()).select_from(patient_link)) == 1
        twice = link(ledger, Link(STM, "5", "p5"), Link(STM, "5", "p6", line=9))
        assert [conflict.line for conflict in twice.conflicts] == [9]


def test_thousands_of_links_are_imported_in_portions() -> None:
    with MemoryLedger() as ledger:
        many = [Link(STM, str(n), f"p{n}") for n in range(12_000)]
        assert link(ledger, *many).added == 12_000
        assert link(ledger, *many).known == 12_000


def test_links_are_read_from_csv_in_any_order_of_columns() -> None:
    links = read_links("\ufeffpatient,system,note,value\np1,stm,x, MRN1 \np2,dexcom,,U2\n")
    assert links == [Link("stm", "MRN1", "p1", 2), Link("dexcom", "U2", "p2", 3)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: the header lacks system, value, patient"),
        ("system,value\nstm,CANARY\n", "line 1: the header lacks patient"),
        ("system,value,patient\nstm,CANARY,\n", "line 2: patient is empty"),
        ("system,value,patient\nstm,CANARY\n", "line 2: patient is empty"),
        ('system,value,patient\nstm,"CANARY"x,p1\n', "line 2: is not CSV"),
    ],
)
def test_a_bad_list_says_where_and_nothing_of_its_content(text: str, says: str) -> None:
    with pytest.raises(BadLinks) as raised:
        read_links(text)
    assert str(raised.value).startswith(says)
    assert "CANARY" not in str(raised.value)
