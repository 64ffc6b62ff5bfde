"""`reconcile`: insulin, carbohydrate, pressure, events and notes through two vendors are told once, and only once."""

from typing import Any

import pytest

from clinical import units
from clinical.records import (
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    DeviceEvent,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Original,
    Quantity,
    Status,
    VitalKind,
    VitalSign,
)
from tests.builders import a_bolus, an_entry
from tests.unit.ledger.support import MemoryLedger, drops, records_on

TANDEM, GLOOKO = "tandem", "glooko"


def carbs(grams: float, seconds: float = 0, **changes: Any) -> Carbohydrate:
    return Carbohydrate(**an_entry(seconds, **changes), amount=Quantity(steps=round(grams * 10), unit=units.GRAM))


def pressure(systolic: int, diastolic: int, seconds: float = 0, **changes: Any) -> BloodPressure:
    upper, lower = (Quantity(steps=steps, unit=units.PRESSURE) for steps in (systolic, diastolic))
    return BloodPressure(**an_entry(seconds, **changes), systolic=upper, diastolic=lower)


def vital(kind: VitalKind, steps: int, unit: str, seconds: float = 0, **changes: Any) -> VitalSign:
    return VitalSign(**an_entry(seconds, **changes), kind=kind, value=Quantity(steps=steps, unit=unit))


def event(word: str, seconds: float = 0, code: str | None = None, **changes: Any) -> DeviceEvent:
    return DeviceEvent(**an_entry(seconds, original=Original(code=code), **changes), event=word)


def note(text: str, seconds: float = 0, **changes: Any) -> Annotation:
    return Annotation(**an_entry(seconds, **changes), text=text)


def weight(kilograms: float, seconds: float = 0, **changes: Any) -> VitalSign:
    return vital(VitalKind.WEIGHT, round(kilograms * 100), units.KILOGRAM, seconds, **changes)


def pulse(beats: int, seconds: float = 0, **changes: Any) -> VitalSign:
    return vital(VitalKind.HEART_RATE, beats, units.PER_MINUTE, seconds, **changes)


def total(insulin_units: int, **changes: Any) -> InsulinTotal:
    return InsulinTotal(**an_entry(**changes), total=Quantity(steps=insulin_units * 1000, unit=units.INSULIN))


def through_both(one: AnyRecord, other: AnyRecord) -> int:
    """How many records stand after both sources have told."""
    with MemoryLedger() as ledger:
        told = records_on(ledger.receive(one)) + records_on(ledger.receive(other))
        assert len(ledger.truths()) == len(told)
        return len(told)


SAME = [
    (a_bolus("4.217", system=TANDEM), a_bolus("4.2", seconds=42, system=GLOOKO)),
    (a_bolus("4.2", 47, system=TANDEM), a_bolus("4.2", 0, system=GLOOKO, precision="minute")),
    (a_bolus("6", system=TANDEM, kind=InsulinKind.EXTENDED_BOLUS), a_bolus("6", 3, system=GLOOKO)),
    (carbs(24.6, system=TANDEM), carbs(25, 30, system=GLOOKO)),
    (pressure(128, 82, system="omron"), pressure(128, 82, 20, system="healthkit")),
    (weight(71.2, system="fitbit"), weight(71.21, 5, system="healthkit")),
    (pulse(61, system="fitbit"), pulse(61, 1, system="healthkit")),
    (event("pump-occlusion", system=TANDEM), event("pump-occlusion", 10, system=GLOOKO)),
    (note("swimming", system=TANDEM), note("swimming", 10, system=GLOOKO)),
    (total(41, system=TANDEM), total(41, system=GLOOKO)),
]
OTHER = [
    (a_bolus("4.2", system=TANDEM), a_bolus("4.3", system=GLOOKO)),
    (a_bolus("4.2", system=TANDEM), a_bolus("4.2", 61, system=GLOOKO)),
    (a_bolus("4.2", system=TANDEM), a_bolus("4.2", system=GLOOKO, kind=InsulinKind.PRIMING)),
    (carbs(20, system=TANDEM), carbs(21, system=GLOOKO)),
    (pressure(128, 82, system="omron"), pressure(128, 83, 20, system="healthkit")),
    (pulse(61, system="fitbit"), pulse(61, 2, system="healthkit")),
    (vital(VitalKind.STEPS, 61, units.COUNT, system="fitbit"), pulse(61, system="healthkit")),
    (event("unmapped", code="A7", system=TANDEM), event("unmapped", code="A8", system=GLOOKO)),
    (note("swimming", system=TANDEM), note("running", system=GLOOKO)),
    (total(41, system=TANDEM), a_bolus("41", system=GLOOKO)),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_two_vendors_tell_of_is_one(one: AnyRecord, other: AnyRecord) -> None:
    assert through_both(one, other) == 1
    assert through_both(other, one) == 1


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_differs_stands_beside_it_and_troubles_nobody(one: AnyRecord, other: AnyRecord) -> None:
    assert through_both(one, other) == 2
    assert through_both(other, one) == 2


def test_two_doses_of_one_size_within_a_minute_stay_two_through_every_road() -> None:
    pump = [a_bolus("1", 0, system=TANDEM, id_="7001"), a_bolus("1", 40, system=TANDEM, id_="7002")]
    copies = [a_bolus("1", 0, system=GLOOKO, id_=name, precision="minute") for name in ("a", "b")]
    for order in ([*pump, *copies], [*copies, *pump], [pump[0], *copies, pump[1]]):
        with MemoryLedger() as ledger:
            assert len([told for one in order for told in records_on(ledger.receive(one))]) == 2


def test_one_row_twice_in_a_file_is_one_dose() -> None:
    with MemoryLedger() as ledger:
        rows = [a_bolus("27", system="carelink", id_=name) for name in ("row 0", "row 1")]
        assert len(records_on(ledger.receive(*rows))) == 1


def test_a_dose_that_its_source_changes_is_told_again_as_amended_with_its_id() -> None:
    with MemoryLedger() as ledger:
        (first,) = records_on(ledger.receive(a_bolus("5", system=TANDEM)))
        given = Quantity(steps=2100, unit=units.INSULIN)
        (now,) = records_on(ledger.receive(a_bolus("5", system=TANDEM, delivered=given)))
        assert isinstance(now, InsulinDose)
        assert (now.reading_id, now.status, now.delivered) == (first.reading_id, Status.AMENDED, given)
        assert [deed.what for deed in now.done] == ["corrects"]
        assert ledger.truths()[0][2:4] == (2100, units.INSULIN)


def test_a_change_of_any_field_is_a_change() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(pressure(128, 82))
        assert len(records_on(ledger.receive(pressure(128, 84)))) == 1
        assert drops(ledger.receive(pressure(128, 84)))[0].duplicate


def test_a_tombstone_withdraws_the_dose_and_its_copy() -> None:
    with MemoryLedger() as ledger:
        (told,) = records_on(ledger.receive(a_bolus(system=TANDEM)))
        ledger.receive(a_bolus(system=GLOOKO))
        (gone,) = records_on(ledger.receive(a_bolus("0", system=TANDEM, status=Status.ENTERED_IN_ERROR)))
        assert (gone.reading_id, gone.status) == (told.reading_id, Status.ENTERED_IN_ERROR)
        assert ledger.truths() == []


def test_a_source_that_deletes_one_of_two_equal_entries_keeps_the_other() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(a_bolus(id_="a"), a_bolus(id_="b"))
        ledger.receive(a_bolus(id_="a", status=Status.ENTERED_IN_ERROR))
        assert len(ledger.truths()) == 1


def test_a_late_original_does_not_come_back_to_life() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(carbs(20, status=Status.ENTERED_IN_ERROR))
        assert records_on(ledger.receive(carbs(20))) == []


def test_the_site_says_how_far_apart_two_vendors_may_be() -> None:
    with MemoryLedger(time_tolerances={"insulin-dose": "2m"}) as ledger:
        ledger.receive(a_bolus(system=TANDEM))
        assert drops(ledger.receive(a_bolus(seconds=119, system=GLOOKO)))[0].duplicate
        assert len(records_on(ledger.receive(carbs(20, system=TANDEM), carbs(20, 90, system=GLOOKO)))) == 2


def test_every_second_of_a_heart_is_kept() -> None:
    with MemoryLedger() as ledger:
        beats = [pulse(60, n, id_=str(n)) for n in range(60)]
        assert len(records_on(ledger.receive(*beats))) == 60


def test_a_mixed_message_goes_on_in_the_order_of_time() -> None:
    with MemoryLedger() as ledger:
        told = records_on(ledger.receive(carbs(20, 9), a_bolus("1", 3, id_="x"), note("ran", 5, id_="y")))
        assert [type(record) for record in told] == [InsulinDose, Annotation, Carbohydrate]
