"""`check_readings`: the impossible waits for a person; a change of unit, a mark and lateness are written down."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from clinical import units
from clinical.records import AnyRecord, Device, Glucose, Quantity, Road, Status, encode
from engine import sdk
from engine.testing.builders import STANDS_AT, a_message
from tests.builders import a_bolus, a_glucose, glucoses
from tests.unit.ledger.support import MemoryLedger, a_reading, asides, drops, passed_on, records_on
from transformers.check_readings import CheckReadingsSettings, check_readings

MMOL = units.MMOL_L


def check(
    ledger: MemoryLedger, *records: AnyRecord, meta: dict[str, str] | None = None, **settings: Any
) -> Sequence[sdk.StepOutput]:
    message = a_message(encode(records), sdk.Shape.RECORDS, meta=meta or {}, received_at=STANDS_AT)
    chosen = CheckReadingsSettings.model_validate({"late_after": "1d", **settings})
    return list(asyncio.run(check_readings(message, chosen, ledger.tx)))


def tally(outputs: Sequence[sdk.StepOutput]) -> str:
    return " ".join(one.meta.get("tally", "") for one in outputs if isinstance(one, sdk.Message))


def deeds(record: AnyRecord) -> list[str]:
    return [deed.what for deed in record.done]


@pytest.mark.parametrize(
    ("value", "unit"), [(19, units.MG_DL), (601, units.MG_DL), (5, units.MG_DL), (101, MMOL), (1.0, MMOL)]
)
def test_an_impossible_value_waits_for_a_person_and_the_others_go_on(value: float, unit: str) -> None:
    with MemoryLedger() as ledger:
        outputs = check(ledger, a_reading(182), a_reading(value, unit, seconds=300))
        (aside,) = asides(outputs)
        assert isinstance(aside.error, sdk.NeedsReview)
        assert (aside.error.code, aside.error.path) == ("value-impossible", "records[1].value")
        assert [r.value.steps for r in passed_on(outputs)] == [182]


def test_it_is_held_instead_where_the_site_wants_that_and_believed_once_a_person_accepts_it() -> None:
    with MemoryLedger() as ledger:
        (aside,) = asides(check(ledger, a_reading(650), impossible="hold"))
        assert isinstance(aside.error, sdk.InvalidMessage)
        assert len(passed_on(check(ledger, a_reading(650), meta={"review": "accept"}))) == 1


def test_a_withdrawal_may_come_without_a_sensible_value() -> None:
    with MemoryLedger() as ledger:
        assert asides(check(ledger, a_reading(0, status=Status.ENTERED_IN_ERROR))) == []


def test_what_is_in_order_goes_on_untouched() -> None:
    with MemoryLedger() as ledger:
        (output,) = check(ledger, a_reading(182), a_bolus())
        assert isinstance(output, sdk.Message)
        assert output.body == encode([a_reading(182), a_bolus()])
        assert drops(check(ledger))[0].reason == "no readings"


def test_a_stream_that_changes_its_unit_is_marked_reading_by_reading() -> None:
    with MemoryLedger() as ledger:
        day = [
            a_reading(110, seconds=0),
            a_reading(6.1, MMOL, seconds=300),
            a_reading(6.2, MMOL, seconds=600),
            a_reading(112, seconds=900),
        ]
        outputs = check(ledger, *day)
        assert tally(outputs) == "unit-switch=2"
        assert [deeds(r) for r in passed_on(outputs)] == [
            [],
            ["the stream's unit changed from mg/dL to mmol/L"],
            [],
            ["the stream's unit changed from mmol/L to mg/dL"],
        ]
        assert [r.value for r in passed_on(outputs)] == [r.value for r in day]


def test_the_ledger_remembers_a_streams_unit_for_a_day() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(110))
        assert tally(check(ledger, a_reading(6.1, MMOL, seconds=300))) == "unit-switch=1"
        assert tally(check(ledger, a_reading(6.1, MMOL, seconds=90_000))) == ""
        assert tally(check(ledger, a_reading(6.1, MMOL, seconds=300, patient="p2"))) == ""


def test_two_sources_may_each_have_their_unit() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_reading(110))
        assert (
            tally(check(ledger, a_reading(6.1, MMOL, seconds=300, road=Road.HL7V2), a_reading(112, seconds=301))) == ""
        )


def test_a_sensors_own_number_for_low_gets_its_mark() -> None:
    with MemoryLedger() as ledger:
        low = a_glucose(device=Device(vendor="Dexcom", generation="g6"), value=Quantity(steps=39, unit=units.MG_DL))
        outputs = check(ledger, low)
        assert tally(outputs) == "beyond-range=1"
        (reading,) = passed_on(outputs)
        assert reading.detection == "below"


def test_what_comes_late_says_so_once() -> None:
    with MemoryLedger() as ledger:
        ago = (STANDS_AT - timedelta(minutes=47)).timestamp() * 1000
        at = a_glucose().effective.millis
        old: Glucose = a_reading(182, seconds=(ago - at) / 1000)
        fresh = a_reading(150, seconds=(STANDS_AT.timestamp() * 1000 - at) / 1000 - 60)
        outputs = check(ledger, old, fresh, late_after="15m")
        assert tally(outputs) == "late=1"
        late, in_time = records_on(outputs)
        assert (deeds(late), deeds(in_time)) == (["late: arrived 47 min after its time"], [])
        assert tally(check(ledger, *glucoses([late]), late_after="15m")) == ""
