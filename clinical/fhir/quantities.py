"""Numbers with their units, as FHIR writes and as others write them."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from clinical import units
from clinical.fhir.errors import FhirError
from clinical.fhir.terms import UCUM
from clinical.records import Quantity

# The CGM guide's pattern has the unit's text in lower case and the UCUM code in its own; the others as people say them.
UNIT_TEXT: Mapping[str, str] = {
    units.MG_DL: "mg/dl",
    units.MMOL_L: "mmol/l",
    units.INSULIN: "U",
    units.INSULIN_RATE: "U/h",
    units.GRAM: "g",
    units.KILOGRAM: "kg",
    units.PRESSURE: "mmHg",
    units.PER_MINUTE: "/min",
    units.COUNT: "steps",
}


def quantity(value: Quantity, path: str) -> dict[str, Any]:
    """A FHIR Quantity, the number a Decimal without idle zeros; read-only, since it is shared.

    Raises FhirError for a unit without steps.
    """
    if value.unit not in UNIT_TEXT:
        raise FhirError("is no unit that FHIR output knows", f"{path}.unit", "unit")
    return _written(value.steps, value.unit)


@lru_cache(maxsize=4096)
def _written(steps: int, unit: str) -> dict[str, Any]:
    return {"value": Decimal(units.text_of(steps, unit)), "unit": UNIT_TEXT[unit], "system": UCUM, "code": unit}


def number_of(held: Any, path: str) -> tuple[Decimal, list[str]]:
    """The number of a Quantity, and the words for its unit, the code first.

    Raises FhirError if there is no number or no unit.
    """
    if not isinstance(held, dict) or held.get("value") is None:
        raise FhirError("has no value", path, "value-missing")
    value = held["value"]
    try:
        number = Decimal(str(value)) if isinstance(value, (int, float, Decimal)) else Decimal("NaN")
    except InvalidOperation:  # pragma: no cover - numbers are numbers
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite():
        raise FhirError("is not a number", f"{path}.value", "not-a-number")
    words = [word for name in ("code", "unit") if isinstance(word := held.get(name), str) and word.strip()]
    if not words:
        raise FhirError("has no unit", f"{path}.code", "unit-missing")
    return number, words
