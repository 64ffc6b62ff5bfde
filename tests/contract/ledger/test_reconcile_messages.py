"""`reconcile`: the message as a whole, and the settings of the step."""

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from clinical import units
from clinical.records import PatientRef, Road, decode, encode
from engine.model.errors import InvalidMessage
from engine.model.message import Shape
from engine.testing.builders import a_message
from ledger.tables import reading_source
from tests.builders import glucose_of
from tests.unit.ledger.support import MemoryLedger, a_reading, asides, drops, passed_on
from transformers.reconcile import ReconcileSettings

FHIR, HL7, CLOUD, CSV = Road.FHIR, Road.HL7V2, Road.CLOUD, Road.CSV
MMOL = units.MMOL_L


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
        assert glucose_of(decode(b'{"records":[' + row.record + b"]}")[0]).value.steps == 182


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
