"""Units: every value that can be written goes there and back, in every unit; the limits of conversion are stated."""

from decimal import Decimal

import pytest

from clinical import units

MG, MMOL = units.MG_DL, units.MMOL_L
EVERY_MG, EVERY_MMOL = range(1001), range(556)


@pytest.mark.parametrize("unit", units.STEP)
def test_every_value_is_read_back_from_what_is_written(unit: str) -> None:
    for steps in range(40_000 if unit in (units.INSULIN, units.INSULIN_RATE) else 6_000):
        text = units.text_of(steps, unit)
        assert units.steps_of(text, unit) == steps
        assert units.to_steps(Decimal(text), unit) == (steps, True)
        assert "E" not in text


def test_every_mmol_survives_the_way_through_mg() -> None:
    assert [units.convert(units.convert(n, MMOL, MG), MG, MMOL) for n in EVERY_MMOL] == list(EVERY_MMOL)


def test_a_mg_moves_by_one_at_most_on_the_way_through_mmol() -> None:
    """0.1 mmol/L is 1.8 mg/dL, so nothing better can be had: what was received is what is kept."""
    moved = [abs(units.convert(units.convert(n, MG, MMOL), MMOL, MG) - n) for n in EVERY_MG]
    assert max(moved) == 1
    assert 0 < sum(moved) < len(moved)


@pytest.mark.parametrize(("unit", "other", "values"), [(MG, MMOL, EVERY_MG), (MMOL, MG, EVERY_MMOL)])
def test_conversion_keeps_the_order_and_its_own_unit(unit: str, other: str, values: range) -> None:
    converted = [units.convert(steps, unit, other) for steps in values]
    assert converted == sorted(converted)
    assert [units.convert(steps, unit, unit) for steps in values] == list(values)


def test_conversion_is_rounded_once_from_the_exact_value() -> None:
    for steps in EVERY_MG:
        exact = Decimal(steps) / units.MG_DL_PER_MMOL_L
        assert abs(units.convert(steps, MG, MMOL) * units.STEP[MMOL] - exact) <= units.STEP[MMOL] / 2
    for steps in EVERY_MMOL:
        exact = steps * units.STEP[MMOL] * units.MG_DL_PER_MMOL_L
        assert abs(units.convert(steps, MMOL, MG) - exact) <= Decimal("0.5")
