"""`reconcile`: what a sender changes, withdraws or moves after it was told."""

from clinical import units
from clinical.records import Quantity, Road, Status, encode
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from tests.unit.ledger.support import MemoryLedger, a_reading, asides, drops, passed_on, tally_of

FHIR, HL7, CLOUD = Road.FHIR, Road.HL7V2, Road.CLOUD
MMOL = units.MMOL_L


def test_a_correction_changes_the_reading_and_says_what_it_replaces() -> None:
    with MemoryLedger() as ledger:
        (first,) = passed_on(ledger.receive(a_reading(182, id_="r1", road=HL7, version="1")))
        outputs = ledger.receive(a_reading(128, id_="r1", road=HL7, version="2", status=Status.CORRECTED))
        (now,) = passed_on(outputs)
        assert (now.reading_id, now.status, now.value.steps) == (first.reading_id, Status.CORRECTED, 128)
        assert now.replaces_value == Quantity(steps=182, unit="mg/dL")
        assert now.done[-1].rule == "reconcile"
        assert tally_of(outputs) == "corrects=1"


def test_a_correction_wins_over_a_preferred_source() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="r1", road=HL7))
        ledger.receive(a_reading(182, road=FHIR))
        (now,) = passed_on(ledger.receive(a_reading(128, id_="r1", road=HL7, status=Status.CORRECTED)))
        assert now.value.steps == 128
        assert ledger.truths()[0][2] == 128


def test_a_correction_does_not_win_where_that_is_switched_off() -> None:
    with MemoryLedger(correction_wins=False) as ledger:
        ledger.receive(a_reading(182, id_="r1", road=HL7))
        ledger.receive(a_reading(182, road=FHIR))
        assert passed_on(ledger.receive(a_reading(180, id_="r1", road=HL7, status=Status.CORRECTED))) == []
        assert ledger.truths()[0][2:5] == (182, "mg/dL", "fhir")


def test_a_copy_of_the_corrected_value_that_comes_late_is_recognised() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="r1", road=HL7))
        ledger.receive(a_reading(128, id_="r1", road=HL7, status=Status.CORRECTED))
        outputs = ledger.receive(a_reading(10.1, MMOL, road=CLOUD))
        assert drops(outputs)[0].tally == {"superseded": 1}
        assert ledger.truths()[0][2] == 128


def test_a_vendors_update_of_its_own_record_is_an_amendment() -> None:
    with MemoryLedger() as ledger:
        (first,) = passed_on(ledger.receive(a_reading(182, id_="e1", version="2026-11-20T10:05:00Z")))
        (now,) = passed_on(ledger.receive(a_reading(176, id_="e1", version="2026-11-20T10:10:00Z")))
        assert (now.reading_id, now.status) == (first.reading_id, Status.AMENDED)
        assert now.replaces_value == Quantity(steps=182, unit="mg/dL")


def test_preliminary_to_final_is_no_correction() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="e1", status=Status.PRELIMINARY))
        outputs = ledger.receive(a_reading(185, id_="e1"))
        (now,) = passed_on(outputs)
        assert now.status is Status.FINAL
        assert tally_of(outputs) == "updates=1"


def test_an_older_version_is_ignored() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(128, id_="r1", version="10"))
        outputs = ledger.receive(a_reading(182, id_="r1", version="9"))
        assert drops(outputs)[0].tally == {"outdated": 1}
        assert ledger.truths()[0][2] == 128


def test_a_repeat_in_a_newer_version_makes_what_lies_between_outdated() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="r1", version="1"))
        ledger.receive(a_reading(182, id_="r1", version="3"))
        ledger.receive(a_reading(190, id_="r1", version="2"))
        assert ledger.truths()[0][2] == 182


def test_a_replay_of_an_old_version_does_not_bring_it_back() -> None:
    """Without versions the order of receipt decides, and a replay was received when its origin was."""
    with MemoryLedger() as ledger:
        first = a_message(encode([a_reading(182, id_="r1")]), Shape.RECORDS)
        ledger.take(first)
        ledger.receive(a_reading(190, id_="r1"))
        replay = first.child("test", first, first.received_at)
        assert drops(ledger.take(replay))[0].duplicate
        assert ledger.truths()[0][2] == 190


def test_a_correction_of_a_conflict_settles_it() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, road=FHIR))
        assert asides(ledger.receive(a_reading(250, id_="r1", road=HL7)))
        outputs = ledger.receive(a_reading(10.1, MMOL, id_="r1", road=HL7, status=Status.CORRECTED))
        assert asides(outputs) == []
        assert len(ledger.truths()) == 1
        assert ledger.truths()[0][4] == "hl7v2"


def test_a_deletion_makes_the_reading_entered_in_error_with_its_value() -> None:
    with MemoryLedger() as ledger:
        (first,) = passed_on(ledger.receive(a_reading(182, id_="r1", road=HL7)))
        gone = a_reading(0, id_="r1", road=HL7, status=Status.ENTERED_IN_ERROR, seconds=900)
        (now,) = passed_on(ledger.receive(gone))
        assert (now.reading_id, now.status) == (first.reading_id, Status.ENTERED_IN_ERROR)
        assert now.value.steps == 182  # the value and time that they were told, not what came with the deletion
        assert now.effective == first.effective
        assert (ledger.truths(), ledger.withdrawn()) == ([], 1)


def test_a_deletion_is_heard_of_once() -> None:
    gone = a_reading(182, id_="r1", road=HL7, status=Status.ENTERED_IN_ERROR)
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="r1", road=HL7))
        assert passed_on(ledger.receive(gone))
        assert passed_on(ledger.receive(gone)) == []


def test_a_late_original_of_what_was_deleted_does_not_come_to_life() -> None:
    with MemoryLedger() as ledger:
        outputs = ledger.receive(a_reading(182, id_="r1", road=HL7, status=Status.ENTERED_IN_ERROR))
        assert drops(outputs)[0].tally == {"tombstone": 1}
        assert not drops(outputs)[0].duplicate
        assert passed_on(ledger.receive(a_reading(182, id_="r1", road=HL7))) == []
        assert passed_on(ledger.receive(a_reading(10.1, MMOL, road=CLOUD))) == []  # nor a copy of it
        assert (ledger.truths(), ledger.withdrawn()) == ([], 1)


def test_a_deletion_of_one_disputed_value_leaves_the_other() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, road=FHIR))
        ledger.receive(a_reading(250, id_="r1", road=HL7))
        assert passed_on(ledger.receive(a_reading(250, id_="r1", road=HL7, status=Status.ENTERED_IN_ERROR))) == []
        assert ledger.truths()[0][2] == 182


def test_another_value_at_the_moment_of_a_deleted_one_is_a_reading() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(250, id_="r1", road=HL7, status=Status.ENTERED_IN_ERROR))
        assert len(passed_on(ledger.receive(a_reading(182, road=FHIR)))) == 1


def test_without_winning_corrections_another_source_keeps_a_deleted_reading_alive() -> None:
    with MemoryLedger(correction_wins=False, pass_on_same_value=True) as ledger:
        ledger.receive(a_reading(182, id_="r1", road=HL7))
        ledger.receive(a_reading(182, road=CLOUD))
        (now,) = passed_on(ledger.receive(a_reading(182, id_="r1", road=HL7, status=Status.ENTERED_IN_ERROR)))
        assert now.source.road is CLOUD
        assert ledger.truths()[0][4] == "cloud"


def test_a_newer_version_brings_a_deleted_reading_back() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="r1", version="1"))
        ledger.receive(a_reading(182, id_="r1", version="2", status=Status.ENTERED_IN_ERROR))
        (now,) = passed_on(ledger.receive(a_reading(182, id_="r1", version="3")))
        assert now.status is Status.FINAL
        assert len(ledger.truths()) == 1


def test_a_result_that_moves_to_another_patient_leaves_the_first_as_an_error() -> None:
    with MemoryLedger() as ledger:
        (first,) = passed_on(ledger.receive(a_reading(182, id_="r1", version="1")))
        outputs = ledger.receive(a_reading(182, id_="r1", version="2", patient="p2"))
        messages = [output for output in outputs if isinstance(output, Message)]
        assert {message.order_key for message in messages} == {"p1", "p2"}
        by_patient = {record.patient.value: record for record in passed_on(outputs)}
        assert by_patient["p1"].status is Status.ENTERED_IN_ERROR
        assert by_patient["p1"].reading_id == first.reading_id
        assert by_patient["p2"].status is Status.FINAL
        assert by_patient["p2"].reading_id != first.reading_id
        assert tally_of(outputs) == "corrects=1"


def test_a_result_that_moves_in_time_meets_what_is_known_there() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(182, id_="r1", version="1", road=HL7))
        ledger.receive(a_reading(182, id_="c1", seconds=900))
        (gone,) = passed_on(ledger.receive(a_reading(182, id_="r1", version="2", road=HL7, seconds=902)))
        assert gone.status is Status.ENTERED_IN_ERROR
        ((_, effective, *_),) = ledger.truths()
        assert effective == a_reading(seconds=902).effective.millis
