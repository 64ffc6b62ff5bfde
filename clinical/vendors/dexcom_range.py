"""What a Dexcom value says: a number inside the measuring range of 40 to 400 mg/dL, or below or above it.

Limits are applied in the unit that the value came in, before any conversion.
"""

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from clinical import units
from clinical.records import Detection, Quantity
from clinical.vendors.making import CONTRADICTED, LEAST_MG_DL
from clinical.vendors.parsing import Flaw

# In steps of the unit (1 mg/dL, 0.1 mmol/L).
_RANGE = {units.MG_DL: (40, 400), units.MMOL_L: (22, 222)}
_POSSIBLE = {units.MG_DL: (20, 600), units.MMOL_L: (11, 333)}
_WORDS = {"low": Detection.BELOW, "high": Detection.ABOVE}


class Measured(NamedTuple):
    """`detection` says that `value` is the limit of the range, and the truth lies beyond it.

    `remark` says in words what was decided, if anything was.
    """

    value: Quantity
    detection: Detection | None = None
    remark: str | None = None


@lru_cache(maxsize=8192)
def measured(number: str | None, unit: str, status: str | None) -> Measured:
    """Read a value (`101`, `5.6`, `Low`, None) in a UCUM unit with the vendor's status word, if it gave one.

    Numbers one unit beyond the range (39, 401) are how phones write Low and High. Numbers under 20 mg/dL are
    receivers' error codes, over 600 nothing a sensor can say: both raise Flaw, as do text and a missing value.
    """
    said = _WORDS.get((number or status or "").strip().lower()) if number is None or number.isalpha() else None
    if said is not None:
        return _beyond(said, unit)
    if number is None or not number.strip():
        raise Flaw("value", "value-missing", "has no value, and no status low or high")
    steps = units.steps_of(number, unit)
    if steps is None:
        raise Flaw("value", "value-not-a-number", "is not a number")
    low, high = _POSSIBLE[unit]
    if not low <= steps <= high:
        raise Flaw("value", "value-impossible", "lies outside what is possible (20 to 600 mg/dL, 1.1 to 33.3 mmol/L)")
    if unit == units.MG_DL and "." in number and (steps < LEAST_MG_DL or Decimal(number) != steps):
        raise Flaw("value", "unit-contradicted", CONTRADICTED)
    return _placed(steps, unit, _WORDS.get((status or "").lower()))


def _placed(steps: int, unit: str, status: Detection | None) -> Measured:
    low, high = _RANGE[unit]
    if steps < low or (steps == low and status is Detection.BELOW):
        return _beyond(Detection.BELOW, unit)
    if steps > high or (steps == high and status is Detection.ABOVE):
        return _beyond(Detection.ABOVE, unit)
    remark = f"status says {status.value} the range, the number does not: number kept" if status else None
    return Measured(Quantity(steps=steps, unit=unit), None, remark)


def _beyond(detection: Detection, unit: str) -> Measured:
    low, high = _RANGE[unit]
    limit = low if detection is Detection.BELOW else high
    return Measured(Quantity(steps=limit, unit=unit), detection, f"{detection.value} the measuring range: limit kept")
