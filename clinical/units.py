"""Units: their steps, their aliases, and the one conversion factor of glucose.

A value is kept in the unit it came in, as an integer number of that unit's steps (1 mg/dL, 0.1 mmol/L), and is
compared with thresholds of that unit. Conversion serves display and matching only, since every factor moves some
value over some edge.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MG_DL = "mg/dL"
MMOL_L = "mmol/L"

MG_DL_PER_MMOL_L = Decimal("18.01559")
"""Molar mass of glucose 180.1559 g/mol, by ten. The one factor of the project."""

INSULIN = "[iU]"
INSULIN_RATE = "[iU]/h"
GRAM = "g"
KILOGRAM = "kg"
PRESSURE = "mm[Hg]"
PER_MINUTE = "/min"
COUNT = "{steps}"
UNITY = "1"

STEP = {
    MG_DL: Decimal(1),
    MMOL_L: Decimal("0.1"),
    INSULIN: Decimal("0.001"),
    INSULIN_RATE: Decimal("0.001"),
    GRAM: Decimal("0.1"),
    KILOGRAM: Decimal("0.01"),
    PRESSURE: Decimal(1),
    PER_MINUTE: Decimal(1),
    COUNT: Decimal(1),
    UNITY: Decimal(1),
}
"""The step of each unit (UCUM): finer than any device writes it."""

_ALIASES = {
    "mg/dl": MG_DL,
    "mgdl": MG_DL,
    "mg_per_dl": MG_DL,
    "mg per dl": MG_DL,
    "mg/100ml": MG_DL,
    "mg/100 ml": MG_DL,
    "mgs/dl": MG_DL,
    "mgm/dl": MG_DL,
    "mg.dl-1": MG_DL,
    "mg%": MG_DL,  # milligrams in 100 mL
    "mg %": MG_DL,
    "mdc_dim_milli_g_per_dl": MG_DL,
    "264274": MG_DL,
    "4::2130": MG_DL,
    "mmol/l": MMOL_L,
    "mmoll": MMOL_L,
    "mmols/l": MMOL_L,
    "mmole/l": MMOL_L,
    "mmol.l-1": MMOL_L,
    "mmol_per_l": MMOL_L,
    "mmol per l": MMOL_L,
    "mdc_dim_milli_mole_per_l": MMOL_L,
    "266866": MMOL_L,
    "4::4722": MMOL_L,
}


def ucum(unit: str) -> str | None:
    """The UCUM code that an alias of a glucose unit stands for (`MG/DL`, `mmol/l`, MDC names and numbers), or None."""
    return _ALIASES.get(unit.strip().lower())


_SCALED = {"g/l": (MG_DL, Decimal(100)), "g per l": (MG_DL, Decimal(100))}


def glucose_unit(unit: str) -> tuple[str, Decimal] | None:
    """As `ucum`, with the factor by which the number is to be multiplied: 1, or the power of ten that makes a g/L a
    mg/dL (an exact one, so no edge moves)."""
    known = ucum(unit)
    return (known, Decimal(1)) if known is not None else _SCALED.get(unit.strip().lower())


def to_steps(number: Decimal, unit: str) -> tuple[int, bool]:
    """How many steps of `unit` (UCUM) a number is, rounded half up to the step, and whether that was exact."""
    steps = number / STEP[unit]
    whole = steps.to_integral_value(ROUND_HALF_UP)
    return int(whole), whole == steps


def steps_of(value: str, unit: str) -> int | None:
    """How many steps of `unit` (UCUM) a number is, rounded half up to the step; None if the text is not a number."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) > 1_000_000:
        return None
    return to_steps(number, unit)[0]


def text_of(steps: int, unit: str) -> str:
    """The value as a person writes it: glucose with its unit's digits (`182`, `10.0`), all else without idle zeros
    (`3.5`, `0.025`)."""
    value = steps * STEP[unit]
    return str(value) if unit in (MG_DL, MMOL_L) else f"{value.normalize():f}"


def convert(steps: int, unit: str, to: str) -> int:
    """Steps of another unit of glucose, rounded half up; for display and matching only."""
    if unit == to:
        return steps
    value = steps * STEP[unit]
    other = value / MG_DL_PER_MMOL_L if to == MMOL_L else value * MG_DL_PER_MMOL_L
    return int((other / STEP[to]).to_integral_value(ROUND_HALF_UP))
