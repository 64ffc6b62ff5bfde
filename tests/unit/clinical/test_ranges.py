"""Marks and limits, in the unit that a value came in."""

import pytest

from clinical import units
from clinical.ranges import POSSIBLE, impossible, mark_of, marked
from clinical.records import Detection, Device, Quantity
from tests.builders import a_glucose

DEXCOM = Device(vendor="Dexcom", generation="g7")
LIBRE = Device(vendor="Abbott", model="FreeStyle Libre 2")
BELOW, ABOVE = Detection.BELOW, Detection.ABOVE


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Low", BELOW),
        ("LO", BELOW),
        ("< 40", BELOW),
        ("<2.2 mmol/L", BELOW),
        ("SG_BELOW_40_MGDL", BELOW),
        ("High", ABOVE),
        ("HI", ABOVE),
        (">400", ABOVE),
        ("SG_ABOVE_400_MGDL", ABOVE),
        ("Special High", ABOVE),
        ("39", None),
        ("0", None),
        ("lowest", None),
        ("NO_ERROR_MESSAGE", None),
        ("<", None),
        ("", None),
        (None, None),
    ],
)
def test_words_and_states_that_stand_for_a_number(text: str | None, mark: Detection | None) -> None:
    assert mark_of(text) is mark


@pytest.mark.parametrize(
    ("device", "steps", "unit", "mark", "kept"),
    [
        (DEXCOM, 39, units.MG_DL, BELOW, 40),
        (DEXCOM, 40, units.MG_DL, None, 40),
        (DEXCOM, 401, units.MG_DL, ABOVE, 400),
        (DEXCOM, 400, units.MG_DL, None, 400),
        (DEXCOM, 21, units.MMOL_L, BELOW, 22),
        (DEXCOM, 22, units.MMOL_L, None, 22),
        (LIBRE, 40, units.MG_DL, BELOW, 40),
        (LIBRE, 41, units.MG_DL, None, 41),
        (LIBRE, 500, units.MG_DL, ABOVE, 500),
        (LIBRE, 22, units.MMOL_L, BELOW, 22),
        (LIBRE, 278, units.MMOL_L, ABOVE, 278),
        (LIBRE, 277, units.MMOL_L, None, 277),
        (Device(vendor="Who", model="Knows"), 30, units.MG_DL, None, 30),
        (None, 30, units.MG_DL, None, 30),
    ],
)
def test_a_sensors_own_numbers_for_what_it_could_not_measure(
    device: Device | None, steps: int, unit: str, mark: Detection | None, kept: int
) -> None:
    before = a_glucose(device=device, value=Quantity(steps=steps, unit=unit))
    after = marked(before)
    assert (after.detection, after.value, after.original) == (mark, Quantity(steps=kept, unit=unit), before.original)
    assert len(after.done) == (mark is not None)
    assert marked(after) is after


@pytest.mark.parametrize("unit", POSSIBLE)
def test_the_limits_of_the_possible_are_possible(unit: str) -> None:
    least, most = POSSIBLE[unit]
    assert not any(impossible(Quantity(steps=steps, unit=unit)) for steps in (least, most))
    assert all(impossible(Quantity(steps=steps, unit=unit)) for steps in (least - 1, most + 1, 0, -5))
