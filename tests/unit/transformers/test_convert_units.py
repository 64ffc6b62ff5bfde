from clinical.records import Quantity, decode, encode
from engine import sdk
from engine.testing.builders import a_message
from tests.builders import glucoses
from tests.unit.transformers.test_records_to_oru import reading
from transformers.convert_units import ConvertUnitsSettings, convert_units

TO_MMOL = ConvertUnitsSettings(to="mmol/L")
TO_MG = ConvertUnitsSettings(to="mg/dL")


def records(*given: object) -> sdk.Message:
    return a_message(encode(given), sdk.Shape.RECORDS)  # type: ignore[arg-type]


def test_the_value_is_converted_the_original_stays_and_the_deed_is_written_down() -> None:
    before = reading()
    (after,) = glucoses(decode(convert_units(records(before), TO_MMOL).body))
    assert after.value == Quantity(steps=101, unit="mmol/L")
    assert after.original == before.original
    assert [(deed.rule, deed.what) for deed in after.done] == [("convert-units", "from 182 mg/dL to mmol/L")]


def test_the_value_that_a_correction_replaces_is_converted_too() -> None:
    (after,) = glucoses(
        decode(convert_units(records(reading(replaces_value=Quantity(steps=90, unit="mg/dL"))), TO_MMOL).body)
    )
    assert after.replaces_value == Quantity(steps=50, unit="mmol/L")


def test_readings_in_the_unit_already_are_left_alone() -> None:
    mixed = records(reading(), reading(1, value=Quantity(steps=101, unit="mmol/L")))
    first, second = glucoses(decode(convert_units(mixed, TO_MG).body))
    assert (first.done, first.value.steps) == ((), 182)
    assert (len(second.done), second.value) == (1, Quantity(steps=182, unit="mg/dL"))
    untouched = records(reading())
    assert convert_units(untouched, TO_MG) is untouched


def test_a_chain_of_conversions_can_be_followed_back() -> None:
    there = convert_units(records(reading()), TO_MMOL)
    (back,) = glucoses(decode(convert_units(there, TO_MG).body))
    assert [deed.what for deed in back.done] == ["from 182 mg/dL to mmol/L", "from 10.1 mmol/L to mg/dL"]
    assert back.original.value == "182"
