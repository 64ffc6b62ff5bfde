"""What the simulated FHIR server demands of a resource before it stores it: R4's rules as far as senders break them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

TYPES: Final = frozenset(
    {
        "Device",
        "DiagnosticReport",
        "DocumentReference",
        "MedicationAdministration",
        "Observation",
        "Patient",
        "Provenance",
        "ServiceRequest",
    }
)
_STATUS: Final = frozenset(
    {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}
)
_COMPARATORS: Final = frozenset({"<", "<=", ">=", ">"})
_DATE: Final = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])"
_TIME: Final = r"(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00))?)?)?"
_DATE_TIME: Final = re.compile(_DATE + _TIME)
_GUIDE: Final = "http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-sensor-reading-"
_PATTERNS: Final = {
    _GUIDE + "mass-per-volume": ("99504-3", "mg/dL", "mg/dl"),
    _GUIDE + "moles-per-volume": ("105272-9", "mmol/L", "mmol/l"),
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome."""

    code: str
    text: str
    expression: str | None = None
    severity: str = "error"


def outcome(*issues: Issue) -> dict[str, Any]:
    """An OperationOutcome."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": issue.severity,
                "code": issue.code,
                "diagnostics": issue.text,
                **({"expression": [issue.expression]} if issue.expression else {}),
            }
            for issue in issues
        ],
    }


def problems(resource: Mapping[str, Any]) -> list[Issue]:
    """Everything that is wrong with a resource; nothing if it may be stored."""
    kind = str(resource.get("resourceType"))
    found = list(_empty(resource, kind))
    if kind == "Observation":
        found += _observation(resource)
        for profile in (resource.get("meta") or {}).get("profile", []):
            if profile in _PATTERNS:
                found += _sensor_reading(resource, *_PATTERNS[profile])
    return found


def _empty(value: Any, path: str) -> Iterator[Issue]:
    """FHIR knows no null and nothing empty (R4 section 2.6.2)."""
    if value is None or value in ("", [], {}):
        yield Issue("invalid", "an element must not be empty", path)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _empty(part, f"{path}.{name}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _empty(part, f"{path}[{number}]")


def _observation(resource: Mapping[str, Any]) -> Iterator[Issue]:
    status = resource.get("status")
    if status is None:
        yield Issue("required", "status is required", "Observation.status")
    elif status not in _STATUS:
        yield Issue("code-invalid", f"{status!r} is no observation status", "Observation.status")
    code = resource.get("code")
    if not isinstance(code, dict) or not (code.get("coding") or code.get("text")):
        yield Issue("required", "code is required", "Observation.code")
    for choice in ("value", "effective"):
        if sum(re.fullmatch(choice + "[A-Z][A-Za-z]+", name) is not None for name in resource) > 1:
            yield Issue("structure", f"only one {choice}[x] is allowed", f"Observation.{choice}[x]")
    when = resource.get("effectiveDateTime")
    if when is not None and not (isinstance(when, str) and _DATE_TIME.fullmatch(when)):
        yield Issue("value", f"{when!r} is no dateTime", "Observation.effectiveDateTime")
    if "valueQuantity" in resource:
        yield from _quantity(resource["valueQuantity"])


def _quantity(quantity: Any) -> Iterator[Issue]:
    value = quantity.get("value") if isinstance(quantity, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield Issue("value", "value must be a number", "Observation.valueQuantity.value")
    elif quantity.get("comparator", "<") not in _COMPARATORS:
        yield Issue("code-invalid", "no such comparator", "Observation.valueQuantity.comparator")


def _sensor_reading(resource: Mapping[str, Any], loinc: str, ucum: str, text: str) -> Iterator[Issue]:
    """The CGM guide's sensor reading profiles."""
    codings = (resource.get("code") or {}).get("coding") or []
    if not any(coding.get("system") == "http://loinc.org" and coding.get("code") == loinc for coding in codings):
        yield Issue("code-invalid", f"the profile demands LOINC {loinc}", "Observation.code")
    for name in ("subject", "effectiveDateTime"):
        if name not in resource:
            yield Issue("required", f"the profile demands {name}", f"Observation.{name}")
    quantity = resource.get("valueQuantity")
    if quantity is None and "dataAbsentReason" not in resource:
        yield Issue("invariant", "cgm-sensor-value-or-dar", "Observation")
    elif isinstance(quantity, dict) and (quantity.get("code"), quantity.get("unit")) != (ucum, text):
        yield Issue("value", f"the profile demands unit {text!r} and code {ucum!r}", "Observation.valueQuantity")
