"""Bodies of FHIR messages: a resource, or a Bundle of any type."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from engine import sdk

# Digits are data in FHIR (R4 section 2.24.0.1, decimal): 5.40 is not 5.4.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def read_body(body: bytes) -> Mapping[str, Any]:
    """The resource, numbers with a fraction as Decimals. Raises InvalidMessage for what is none."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError):
        raise sdk.InvalidMessage("the body is not JSON", code="not-json") from None
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise sdk.InvalidMessage(
            "the body is no FHIR resource: it names no type", code="resource-type", path="resourceType"
        )
    return found


def resources_of(found: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The resource itself, or those of a Bundle, each with the path to it. Answers about a search are no content."""
    if found["resourceType"] != "Bundle":
        yield "", found
        return
    entries = found.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
            yield f"entry[{number}].resource.", resource
