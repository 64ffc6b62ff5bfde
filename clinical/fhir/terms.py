"""Code systems and how a code is written."""

from functools import lru_cache
from typing import Any

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MDC = "urn:iso:std:iso:11073:10101"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"

# Our own words, where nobody else has one.
OBSERVATION_KINDS = "urn:islet:observation"
DEVICE_EVENTS = "urn:islet:device-event"
ANNOTATION_KINDS = "urn:islet:annotation"
INSULIN_DELIVERY = "urn:islet:insulin-delivery"


@lru_cache(maxsize=512)
def coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    """A Coding; read-only, since it is shared."""
    named = {"system": system, "code": code}
    return {**named, "display": display} if display else named


@lru_cache(maxsize=512)
def concept(system: str, code: str, display: str | None = None, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of one code; read-only, since it is shared."""
    made: dict[str, Any] = {"coding": [coding(system, code, display)]}
    return {**made, "text": text} if text else made


UNKNOWN = concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", "Unknown")
"""dataAbsentReason of what has no value; read-only, since it is shared."""


@lru_cache(maxsize=8)
def category(code: str) -> list[dict[str, Any]]:
    """An observation's category; read-only, since it is shared."""
    return [concept(CATEGORIES, code)]
