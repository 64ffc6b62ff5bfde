"""`reconcile`: two honest values of one moment, and the reviewer's choice between them."""

import json

import pytest

from clinical.records import Quantity, Road, Status, decode, encode
from engine.model.errors import InvalidMessage, NeedsReview
from engine.model.message import Shape
from engine.testing.builders import a_message
from tests.builders import glucoses
from tests.unit.ledger.support import MemoryLedger, a_reading, asides, drops, passed_on, tally_of

FHIR, HL7, CLOUD, CSV = Road.FHIR, Road.HL7V2, Road.CLOUD, Road.CSV


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
        assert [r.value.steps for r in glucoses(decode(aside.body))] == [182]


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
