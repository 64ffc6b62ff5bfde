"""Readings as they are taken: a day grows by them, and is the same as made from the ledger at once."""

import asyncio
from datetime import timedelta

import pytest

from clinical import units
from clinical.issued import Cause, OutcomeStatus, decode
from clinical.records import AnyRecord, Device, DeviceEvent, Original, Road, SourceId, Status
from engine import sdk
from engine.model.message import Message
from ledger import outcome_store
from tests.builders import ten_oclock
from tests.contract.outcomes.support import DAY, P1, TEN, OutcomeLedger, morning
from tests.unit.ledger.support import a_reading
from transformers.outcomes import outcomes


def taken(number: int, patient: str = "p1") -> AnyRecord:
    """Each quarter of an hour by a clock that jitters; in mmol/L from the second evening on."""
    seconds = 900 * number + number * 37 % 60 - 30
    value = 60 + number * 53 % 190
    if number > 130:
        return a_reading(
            round(value / 18, 1), units.MMOL_L, seconds=seconds, id_=f"{patient}/{number}", patient=patient
        )
    return a_reading(value, seconds=seconds, id_=f"{patient}/{number}", patient=patient)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose days were made from the ledger's readings, each time."""
    found: list[str] = []
    original = outcome_store.standing_readings

    async def noted(tx: sdk.Transaction, tenant: str, patient: str, *rest: object) -> object:
        found.append(patient)
        return await original(tx, tenant, patient, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(outcome_store, "standing_readings", noted)
    return found


def test_a_day_that_grows_reading_by_reading_over_two_midnights_equals_a_full_recompute(asked: list[str]) -> None:
    with OutcomeLedger(windows=[1]) as ledger:
        for number in range(160):
            ledger.tell(taken(number), hours=number / 4 + 0.05)
        assert len(asked) == 1  # the very first; all later ones were added
        grown = ledger.elements()
        ledger.forget_days()
        assert [each for each in ledger.rebuild("2026-11-20", "2026-11-22", 41) if each.replaces] == []
        whole = ledger.elements()
        assert {day: whole[day] for day in grown if day in whole} == {day: grown[day] for day in grown if day in whole}


def test_readings_that_nobody_told_of_are_found_by_their_number(asked: list[str]) -> None:
    with OutcomeLedger(windows=[1]) as ledger:
        ledger.tell(taken(0), hours=0.1)
        ledger.receive(taken(1), taken(2))  # while `outcomes` did not run
        (found,) = ledger.tell(taken(9), hours=2.3)
        assert found.readings == 4
        assert len(asked) == 2


def test_a_device_event_makes_the_day_from_the_ledger_and_what_follows_grows_again(asked: list[str]) -> None:
    start = DeviceEvent(
        patient=P1,
        effective=ten_oclock(0),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="sys-cloud", value="start"),
        original=Original(code="S"),
        device=Device(vendor="Dexcom", model="G6"),
        event="sensor-start",
    )
    with OutcomeLedger(windows=[1]) as ledger:
        ledger.tell(taken(1), hours=0.3)
        (warm,) = ledger.tell(start, hours=0.4)
        (still,) = ledger.tell(taken(2), hours=0.6)
        (after,) = ledger.tell(taken(9), hours=2.3)
        assert (warm.readings, still.readings, after.readings) == (0, 0, 1)
        assert len(asked) == 2


def test_messages_of_several_patients_go_together_and_each_patient_is_told_of_once() -> None:
    with OutcomeLedger(windows=[1]) as together, OutcomeLedger(windows=[1]) as one_by_one:
        messages = []
        for number in range(1, 7):
            at = TEN + timedelta(minutes=15 * number)
            record = taken(number, f"p{number % 2 + 1}")
            messages += [each for each in together.receive(record, received_at=at) if isinstance(each, Message)]
            one_by_one.tell(record, hours=number / 4)
        assert outcomes.together is not None
        outputs = asyncio.run(outcomes.together(messages, together.wanted, together.tx))
        told = [
            [found for each in some if isinstance(each, Message) for found in decode(each.body)] for some in outputs
        ]
        assert [len(some) for some in told] == [0, 0, 0, 0, 1, 1]
        assert all(isinstance(some[0], sdk.Drop) for some in outputs[:4])
        assert [some[0].readings for some in told[4:]] == [3, 3]
        for patient in ("p1", "p2"):
            assert together.elements(patient) == one_by_one.elements(patient)


def test_a_reading_that_is_read_from_another_source_now_is_looked_at_again() -> None:
    """Nobody is told, since the value is the same within the tolerance; in its unit it counts in another band."""
    with OutcomeLedger(windows=[1]) as ledger:
        (first,) = ledger.tell(a_reading(70, seconds=300), hours=1)
        assert first.figures["below"] == 0
        assert ledger.tell(a_reading(3.8, units.MMOL_L, seconds=310, road=Road.FHIR), hours=1.1) == []
        (again,) = ledger.end(hours=1.2)
        assert (again.cause, again.replaces, again.figures["below"]) == (Cause.CORRECTED, first.id, 100.0)


def test_an_exclusion_that_became_shorter_gives_the_time_back() -> None:
    def error(until: float, version: str) -> DeviceEvent:
        return DeviceEvent(
            patient=P1,
            effective=ten_oclock(-3600),
            status=Status.FINAL,
            source=SourceId(road=Road.CLOUD, system="sys-cloud", value="error", version=version),
            original=Original(code="E"),
            event="sensor-error",
            until=ten_oclock(until),
        )

    with OutcomeLedger(windows=[1]) as ledger:
        ledger.tell(*morning())
        ledger.tell(*morning(days=1), hours=25)
        ledger.tell(error(30 * 3600, "1"), hours=26)
        assert ledger.standing()["day", "2026-11-21"].readings == 0
        ledger.tell(error(0, "2"), hours=27)
        found = ledger.standing()["day", "2026-11-21"]
        assert (found.readings, found.cause, found.status) == (6, Cause.EXCLUSION, OutcomeStatus.PARTIAL)


def test_an_exclusion_of_several_days_is_found_however_long_ago_it_began() -> None:
    error = DeviceEvent(
        patient=P1,
        effective=ten_oclock(-3 * DAY),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="sys-cloud", value="error"),
        original=Original(code="E"),
        event="sensor-error",
        until=ten_oclock(30 * 3600),
    )
    with OutcomeLedger(windows=[1]) as ledger:
        ledger.tell(error, hours=1)
        ledger.tell(*morning(days=1, count=2), hours=25)
        ledger.tell(*morning(days=1, count=4), hours=26)
        assert ("day", "2026-11-21") not in ledger.standing()  # every reading is excluded, so there is no outcome
