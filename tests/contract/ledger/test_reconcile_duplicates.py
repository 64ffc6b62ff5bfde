"""`reconcile`: which readings are one reading, and which of its sources is told downstream."""

import pytest
from sqlalchemy import select

from clinical import units
from clinical.records import Analyte, Detection, Quantity, Road, Status, encode
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from ledger.tables import reading_source
from tests.unit.ledger.support import MemoryLedger, a_reading, drops, passed_on, tally_of

FHIR, HL7, CLOUD, CSV = Road.FHIR, Road.HL7V2, Road.CLOUD, Road.CSV
MMOL = units.MMOL_L


def test_new_readings_pass_with_an_id_each_and_a_tally() -> None:
    with MemoryLedger() as ledger:
        outputs = ledger.receive(a_reading(182), a_reading(190, seconds=300))
        passed = passed_on(outputs)
        assert [r.value.steps for r in passed] == [182, 190]
        assert len({r.reading_id for r in passed}) == 2
        assert all(r.status is Status.FINAL and not r.done for r in passed)
        assert tally_of(outputs) == "new=2"


def test_the_same_record_again_is_a_duplicate_and_ends_there() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182))
        outputs = ledger.receive(a_reading(182))
        assert passed_on(outputs) == []
        (drop,) = drops(outputs)
        assert drop.duplicate
        assert drop.tally == {"duplicate": 1}
        assert ledger.fates() == {"new": 1, "duplicate": 1}


def test_equal_readings_within_one_message_are_one_reading() -> None:
    with MemoryLedger() as ledger:
        outputs = ledger.receive(a_reading(182, id_="a"), a_reading(182, id_="b"), a_reading(182, id_="a"))
        assert len(passed_on(outputs)) == 1
        assert tally_of(outputs) == "new=1 duplicate=2"


def test_a_copy_through_hl7_in_mmol_five_seconds_later_is_the_same_reading() -> None:
    """The clock crosses a minute and the sender divides by 18: both neighbours are needed."""
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(155, seconds=57, road=HL7))
        copy = a_reading(8.6, MMOL, seconds=62, road=CLOUD)  # 155 / 18.01559 = 8.604; next bucket is 8.7
        assert drops(ledger.receive(copy))[0].duplicate
        copy = a_reading(8.7, MMOL, seconds=62, road=CSV)
        assert drops(ledger.receive(copy))[0].duplicate
        assert len(ledger.truths()) == 1


def test_a_whole_day_of_equal_values_five_minutes_apart_stays_288_readings() -> None:
    with MemoryLedger() as ledger:
        day = [a_reading(110, seconds=300 * n) for n in range(288)]
        assert len(passed_on(ledger.receive(*day))) == 288
        assert len(ledger.truths()) == 288


def test_a_minute_by_minute_sensor_with_equal_values_keeps_each_reading() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(*[a_reading(110, seconds=60 * n + n % 7) for n in range(60)])
        assert len(ledger.truths()) == 60


def test_a_time_written_to_the_minute_meets_the_exact_one_within_that_minute() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(110, seconds=47))
        outputs = ledger.receive(a_reading(110, seconds=0, road=CSV, precision="minute"))
        assert drops(outputs)[0].duplicate


@pytest.mark.parametrize(
    "other",
    [
        a_reading(182, patient="p2"),
        a_reading(182, analyte=Analyte.CAPILLARY_GLUCOSE, id_="capillary"),
        a_reading(182, seconds=31, road=HL7),
    ],
    ids=["another patient", "another analyte", "beyond the tolerance"],
)
def test_what_is_another_reading_stays_one(other: object) -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182))
        assert len(passed_on(ledger.receive(other))) == 1  # type: ignore[arg-type]


def test_tenants_know_nothing_of_each_other() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182))
        message = a_message(encode([a_reading(182)]), Shape.RECORDS)
        other = Message(
            id=message.id,
            channel="test",
            shape=Shape.RECORDS,
            body=message.body,
            received_at=message.received_at,
            origin_id=message.id,
            tenant="other",
        )
        assert len(passed_on(ledger.take(other))) == 1


def test_low_is_low_whatever_number_stands_in_for_it() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(39, detection=Detection.BELOW))
        copy = a_reading(1.7, MMOL, seconds=3, road=CSV, detection=Detection.BELOW)
        assert drops(ledger.receive(copy))[0].duplicate


def test_a_preferred_source_takes_over_and_the_reading_keeps_its_id() -> None:
    with MemoryLedger() as ledger:
        (first,) = passed_on(ledger.receive(a_reading(10.1, MMOL, seconds=40, road=HL7)))
        outputs = ledger.receive(a_reading(182, seconds=65, road=FHIR))
        assert drops(outputs)[0].tally == {"supersedes": 1}  # the value is the same
        ((_, _, steps, unit, road, _),) = ledger.truths()
        assert (steps, unit, road) == (182, "mg/dL", "fhir")
        rows = ledger.connection.execute(select(reading_source.c.reading_id).distinct()).scalars().all()
        assert rows == [first.reading_id]


def test_a_change_of_source_with_the_same_value_passes_where_it_is_asked_for() -> None:
    with MemoryLedger(pass_on_same_value=True) as ledger:
        (first,) = passed_on(ledger.receive(a_reading(10.1, MMOL, road=HL7)))
        (now,) = passed_on(ledger.receive(a_reading(182, road=FHIR)))
        assert now.reading_id == first.reading_id
        assert now.status is Status.AMENDED
        assert now.replaces_value == Quantity(steps=101, unit=MMOL)
        assert now.done[-1].what == "supersedes"


def test_a_tie_goes_to_the_earliest_received() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="a", system="one"))
        ledger.receive(a_reading(183, id_="b", system="two"))
        ((_, _, steps, *_),) = ledger.truths()
        assert steps == 182


def test_preference_follows_the_settings() -> None:
    with MemoryLedger(prefer=["csv", "fhir"]) as ledger:
        ledger.receive(a_reading(182, road=FHIR))
        ledger.receive(a_reading(182, road=CSV))
        ledger.receive(a_reading(182, road=HL7))
        assert ledger.truths()[0][4] == "csv"
