"""The `reconcile` step: what each kind of record comes to, in the ledger and downstream."""

import json

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from clinical import units
from clinical.records import Analyte, Detection, PatientRef, Quantity, Road, Status, decode, encode
from engine.model.errors import InvalidMessage, NeedsReview
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from ledger.tables import reading_source
from tests.unit.ledger.support import MemoryLedger, a_reading, asides, drops, passed_on
from transformers.reconcile import ReconcileSettings

FHIR, HL7, CLOUD, CSV = Road.FHIR, Road.HL7V2, Road.CLOUD, Road.CSV
MMOL = units.MMOL_L


def tally_of(outputs: object) -> str:
    assert isinstance(outputs, list)
    first = outputs[0]
    assert isinstance(first, Message)
    return first.meta["tally"]


# --- new readings and duplicates


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


# --- precedence


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


# --- disagreement


def test_two_honest_values_at_one_moment_go_to_a_person_with_both_sides() -> None:
    with MemoryLedger() as ledger:
        (stored,) = passed_on(ledger.receive(a_reading(250, road=HL7)))
        outputs = ledger.receive(a_reading(182, road=FHIR))
        (aside,) = asides(outputs)
        assert isinstance(aside.error, NeedsReview)
        assert aside.error.code == "readings-disagree"
        assert aside.error.path == "records[0].value"
        both = json.loads(aside.error.detail or "")
        assert (both["arrived"]["value"], both["kept"]["value"]) == ("182", "250")
        assert both["reading_id"] == stored.reading_id
        assert "182" not in str(aside.error)
        assert ledger.truths()[0][2] == 250


def test_the_other_readings_of_a_message_go_on_past_a_conflict() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(250, road=HL7))
        outputs = ledger.receive(a_reading(182, road=FHIR), a_reading(190, seconds=300, road=FHIR))
        assert [r.value.steps for r in passed_on(outputs)] == [190]
        assert tally_of(outputs) == "conflict=1 new=1"
        (aside,) = asides(outputs)
        assert [r.value.steps for r in decode(aside.body)] == [182]


def test_a_conflict_that_is_sent_again_is_not_reviewed_twice() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(250, road=HL7))
        ledger.receive(a_reading(182, road=FHIR))
        outputs = ledger.receive(a_reading(182, road=FHIR))
        assert asides(outputs) == []
        assert drops(outputs)[0].duplicate


def test_a_conflict_that_comes_back_from_review_undecided_waits_again() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(250, road=HL7))
        (aside,) = asides(ledger.receive(a_reading(182, road=FHIR)))
        for _ in range(2):
            (aside,) = asides(ledger.take(a_message(aside.body, Shape.RECORDS)))
        assert ledger.fates()["conflict"] == 3


def test_a_reviewer_who_accepts_makes_it_the_truth() -> None:
    with MemoryLedger() as ledger:
        (stored,) = passed_on(ledger.receive(a_reading(250, road=HL7)))
        (aside,) = asides(ledger.receive(a_reading(182, road=CSV)))
        (now,) = passed_on(ledger.take(a_message(aside.body, Shape.RECORDS, meta={"review": "accept"})))
        assert (now.value.steps, now.reading_id, now.status) == (182, stored.reading_id, Status.AMENDED)
        assert now.replaces_value == Quantity(steps=250, unit="mg/dL")
        assert drops(ledger.receive(a_reading(250, road=FHIR)))  # known, and the choice stands
        assert ledger.truths()[0][2] == 182


def test_a_reviewer_who_keeps_the_stored_one_ends_it() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(250, road=HL7))
        (aside,) = asides(ledger.receive(a_reading(182, road=FHIR)))
        outputs = ledger.take(a_message(aside.body, Shape.RECORDS, meta={"review": "keep"}))
        assert drops(outputs)[0].duplicate
        assert asides(ledger.receive(a_reading(182, road=FHIR))) == []
        assert ledger.truths()[0][2] == 250


def test_a_verdict_in_other_words_is_refused() -> None:
    with MemoryLedger() as ledger, pytest.raises(InvalidMessage) as raised:
        ledger.take(a_message(encode([a_reading()]), Shape.RECORDS, meta={"review": "maybe"}))
    assert raised.value.path == "meta.review"


def test_a_small_difference_needs_no_person_and_the_preferred_one_is_kept() -> None:
    small = {"by_less_than": {"amount": 15, "unit": "mg/dL", "then": "keep_preferred"}}
    with MemoryLedger(if_they_disagree=small) as ledger:
        (first,) = passed_on(ledger.receive(a_reading(182, road=CLOUD)))
        assert drops(ledger.receive(a_reading(192, road=CSV)))[0].tally == {"superseded": 1}
        (now,) = passed_on(ledger.receive(a_reading(196, road=FHIR)))
        assert (now.value.steps, now.reading_id, now.status) == (196, first.reading_id, Status.AMENDED)
        assert asides(ledger.receive(a_reading(211, road=CSV, seconds=2)))  # 15 is not less than 15


def test_keep_preferred_may_be_chosen_for_every_disagreement() -> None:
    with MemoryLedger(if_they_disagree={"otherwise": "keep_preferred"}) as ledger:
        ledger.receive(a_reading(250, road=HL7))
        outputs = ledger.receive(a_reading(100, road=CSV))
        assert asides(outputs) == []
        assert ledger.truths()[0][2] == 250


# --- corrections


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


# --- withdrawals


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


# --- results that move


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


# --- the message itself


def test_the_same_message_twice_is_entered_once() -> None:
    with MemoryLedger() as ledger:
        message = a_message(encode([a_reading(182), a_reading(190, seconds=300)]), Shape.RECORDS)
        ledger.take(message)
        before = ledger.fates()
        assert drops(ledger.take(message))[0].duplicate
        assert ledger.fates() == before


def test_the_sources_name_message_and_origin() -> None:
    with MemoryLedger() as ledger:
        message = a_message(encode([a_reading(182)]), Shape.RECORDS).child(
            "reconcile", a_message(id_="0198-origin"), a_message().received_at
        )
        ledger.take(message)
        row = ledger.connection.execute(select(reading_source)).one()
        assert (row.message_id, row.position, row.origin_id) == (message.id, 0, "0198-origin")
        assert decode(b'{"records":[' + row.record + b"]}")[0].value.steps == 182


def test_a_body_that_is_no_set_of_records_is_refused() -> None:
    with MemoryLedger() as ledger, pytest.raises(InvalidMessage):
        ledger.take(a_message(b"{", Shape.RECORDS))


def test_an_empty_set_is_filtered() -> None:
    with MemoryLedger() as ledger:
        (drop,) = drops(ledger.take(a_message(encode([]), Shape.RECORDS)))
        assert not drop.duplicate


def test_a_message_of_thousands_of_readings_is_read_in_portions() -> None:
    with MemoryLedger() as ledger:
        many = [a_reading(100 + n % 50, seconds=300 * n) for n in range(5000)]
        assert len(passed_on(ledger.receive(*many))) == 5000
        assert drops(ledger.receive(*many))[0].duplicate
        assert ledger.fates() == {"new": 5000, "duplicate": 5000}


def test_an_unlinked_patient_is_known_by_the_sources_name() -> None:
    from msgspec.structs import replace

    with MemoryLedger() as ledger:
        unlinked = replace(a_reading(182), patient=PatientRef(system="dexcom", value="U1"))
        outputs = ledger.receive(unlinked)
        assert outputs[0].order_key == "dexcom|U1"  # type: ignore[union-attr]
        assert ledger.truths()[0][0] == "dexcom|U1"


def test_what_goes_wrong_says_nothing_of_the_patient() -> None:
    canary = "CANARY-7731"
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(250, road=HL7, patient=canary, id_=canary))
        outputs = ledger.receive(a_reading(183, road=FHIR, patient=canary))
        for text in (repr(outputs), str(asides(outputs)[0].error), *(d.reason for d in drops(outputs))):
            assert canary not in text
            assert "183" not in text


# --- settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefer": []},
        {"prefer": ["fhir", "fhir"]},
        {"prefer": ["pigeon"]},
        {"time_tolerance": "2m"},
        {"time_tolerance": 30},
        {"value_tolerance": {"amount": 2, "unit": "mg/dL"}},
        {"value_tolerance": {"amount": 0.15, "unit": "mmol/L"}},
        {"if_they_disagree": {"by_less_than": {"amount": 15, "unit": "furlong", "then": "keep_preferred"}}},
        {"if_they_disagree": {"by_less_than": {"amount": 15, "unit": "mg/dL"}}},
        {"remember": "90d"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ReconcileSettings.model_validate(wrong)


def test_settings_become_rules() -> None:
    rules = ReconcileSettings.model_validate(
        {
            "prefer": ["cloud", "csv"],
            "time_tolerance": "20s",
            "value_tolerance": {"amount": 0.2, "unit": "mmol/l"},
            "if_they_disagree": {"by_less_than": {"amount": 0.8, "unit": "mmol/L", "then": "keep_preferred"}},
        }
    ).rules
    assert rules.prefer == (CLOUD, CSV)
    assert (rules.tolerance.millis, rules.tolerance.buckets) == (20_000, 2)
    assert rules.agree_below == (8, MMOL)
    assert rules.review
