"""Quantities of resources as quantities of records."""

from decimal import Decimal
from typing import Any

from clinical.codes import code_system
from clinical.fhir.errors import FhirError
from clinical.fhir.quantities import number_of
from clinical.fhir.read_common import deed
from clinical.measures import UNIT, Measure, factor_to, is_plausible_glucose, is_possible
from clinical.records import Detection
from clinical.units import MG_DL, STEP, to_steps, ucum

_DETECTION = {"<": Detection.BELOW, "<=": Detection.BELOW, ">": Detection.ABOVE, ">=": Detection.ABOVE}
_ROUNDED = "rounded to the step of its unit"

Read = tuple[dict[str, Any], list[dict[str, str]]]
"""A quantity as plain values, and the deeds of making it."""


def glucose_quantity(held: Any, path: str) -> Read:
    """In mg/dL or mmol/L, as it came. Raises FhirError for another unit, or a value that nobody can have."""
    number, words = number_of(held, path)
    unit = next((unit for word in words if (unit := ucum(word)) is not None), None)
    if unit is None:
        raise FhirError("is no unit of glucose; mg/dL and mmol/L are", f"{path}.code", "unit-unknown")
    steps, exact = to_steps(number, unit)
    if not is_plausible_glucose(steps, unit):
        raise FhirError("is implausible for its unit; is it the other unit?", f"{path}.value", "implausible")
    return {"steps": steps, "unit": unit}, [] if exact else [deed(_ROUNDED)]


def quantity_of(held: Any, measure: Measure, path: str) -> Read:
    """In the measure's own unit; another unit of its kind is converted, and that is written down."""
    number, words = number_of(held, path)
    unit = UNIT[measure]
    factor = next((factor for word in words if (factor := factor_to(unit, word)) is not None), None)
    if factor is None:
        raise FhirError(f"is no unit for this; {unit} is", f"{path}.code", "unit-unknown")
    number *= factor
    if not is_possible(measure, number):
        raise FhirError("is a value that nobody can have; is the unit right?", f"{path}.value", "implausible")
    steps, exact = to_steps(number, unit)
    deeds = [] if factor == 1 else [deed(f"converted to {unit}")]
    return {"steps": steps, "unit": unit}, deeds if exact else [*deeds, deed(_ROUNDED)]


def own_quantity(held: Any, path: str) -> dict[str, Any]:
    """A quantity in any unit of ours, named by its UCUM code."""
    number, words = number_of(held, path)
    unit = next((word for word in words if word in STEP), None)
    if unit is None:
        raise FhirError("is no unit that records have", f"{path}.code", "unit-unknown")
    return {"steps": to_steps(number, unit)[0], "unit": unit}


def detection_of(held: Any, path: str) -> Detection | None:
    """What a comparator says. Raises FhirError for one that is none of R4's."""
    comparator = held.get("comparator") if isinstance(held, dict) else None
    if comparator is None:
        return None
    if comparator not in _DETECTION:
        raise FhirError("is none of < <= > >=", f"{path}.comparator", "comparator")
    return _DETECTION[comparator]


def original_of(held: Any, code: str | None, system: str | None, time: Any) -> dict[str, str]:
    """What was received: number with its digits, unit as written, code and system, time."""
    quantity = held if isinstance(held, dict) else {}
    value = quantity.get("value")
    told = {
        "value": str(value) if isinstance(value, (int, float, Decimal)) else held if isinstance(held, str) else None,
        "unit": quantity.get("code") or quantity.get("unit"),
        "code": code,
        "system": code_system(system) or system,
        "time": time,
    }
    return {name: text for name, text in told.items() if isinstance(text, str) and text}


WITHDRAWN_VALUE = {"steps": 0, "unit": MG_DL}
