"""MedicationAdministrations of insulin as doses."""

from collections.abc import Mapping
from typing import Any

from clinical.fhir.errors import FhirError
from clinical.fhir.medication import AUTOMATIC, INSULIN, SHORT_ACTING
from clinical.fhir.read_common import ReadForm, codings_of, effective_of, takes_back
from clinical.fhir.read_values import original_of, quantity_of
from clinical.fhir.terms import INSULIN_DELIVERY, RXNORM, SNOMED
from clinical.insulins import substance_by_rxnorm, substance_of
from clinical.measures import Measure
from clinical.records import InsulinKind, Status

_LONG_ACTING = "25305005"
_INSULINS = frozenset({INSULIN[0], SHORT_ACTING[0], _LONG_ACTING})
_STATUS = {
    "completed": Status.FINAL,
    "stopped": Status.FINAL,
    "in-progress": Status.PRELIMINARY,
    "on-hold": Status.PRELIMINARY,
    "entered-in-error": Status.ENTERED_IN_ERROR,
}


def administration(resource: Mapping[str, Any], form: ReadForm, details: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as the readers of Observations
    """A dose's own parts as plain values. Without a word of ours on how it was given, a rate is a basal one, and a
    dose an injection. Raises FhirError as `read.read_resource`."""
    concept = _medication(resource)
    code, system = _insulin(concept)
    methods = _methods(resource)
    kind = _kind(resource, methods)
    stem = "occurence" if any(name.startswith("occurence") for name in resource) else "effective"
    when = effective_of(resource, stem)
    told: dict[str, Any] = {
        "record": "insulin-dose",
        "kind": kind.value,
        "status": _status(resource, kind).value,
        "effective": when["effective"],
        "automatic": AUTOMATIC in methods,
        "done": [],
    }
    if "seconds" in when:
        told["duration_seconds"] = when["seconds"]
    if isinstance(text := concept.get("text"), str) and text:
        told["insulin"] = text
    held = _amounts(resource, told, kind)
    return {**told, "original": original_of(held, code, system, when["time"])}


def _medication(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """R4's medicationCodeableConcept, or the concept of R5's CodeableReference."""
    held = resource.get("medicationCodeableConcept")
    if held is None and isinstance(reference := resource.get("medication"), dict):
        held = reference.get("concept")
    return held if isinstance(held, dict) else {}


def _insulin(concept: Mapping[str, Any]) -> tuple[str | None, str | None]:
    for code, system, display in codings_of(concept):
        known = (system == SNOMED and code in _INSULINS) or (system == RXNORM and substance_by_rxnorm(code) is not None)
        if known or "insulin" in (display or "").lower():
            return code, system
    text = concept.get("text")
    if isinstance(text, str) and ("insulin" in text.lower() or substance_of(text) is not None):
        return None, None
    raise FhirError("is no insulin", "medication", "unknown-code")


def _methods(resource: Mapping[str, Any]) -> set[str]:
    """Our own words on how it was given."""
    dosage, categories = resource.get("dosage"), resource.get("category")
    concepts = [dosage.get("method")] if isinstance(dosage, dict) else []
    concepts += categories if isinstance(categories, list) else [categories]
    return {code for each in concepts for code, system, _ in codings_of(each) if system == INSULIN_DELIVERY}


def _kind(resource: Mapping[str, Any], methods: set[str]) -> InsulinKind:
    for kind in InsulinKind:
        if kind.value in methods:
            return kind
    dosage = resource.get("dosage")
    return InsulinKind.BASAL if isinstance(dosage, dict) and "rateQuantity" in dosage else InsulinKind.INJECTION


def _status(resource: Mapping[str, Any], kind: InsulinKind) -> Status:
    word = resource.get("status")
    if word == "not-done" and kind is InsulinKind.PRIMING:
        return Status.FINAL
    if word == "not-done" and takes_back(resource):
        return Status.ENTERED_IN_ERROR
    status = _STATUS.get(str(word))
    if status is None:
        raise FhirError("says that nothing was given", "status", "no-result")
    return status


def _amounts(resource: Mapping[str, Any], told: dict[str, Any], kind: InsulinKind) -> Any:
    """Dose and rate into the record; the one that came first in importance is given back as the original."""
    dosage = resource.get("dosage")
    held = dosage if isinstance(dosage, dict) else {}
    if (dose := held.get("dose")) is not None:
        measure = Measure.BASAL if kind is InsulinKind.BASAL else Measure.BOLUS
        told["delivered"], deeds = quantity_of(dose, measure, "dosage.dose")
        told["done"] += deeds
    if (rate := held.get("rateQuantity")) is not None:
        told["rate"], deeds = quantity_of(rate, Measure.BASAL_RATE, "dosage.rateQuantity")
        told["done"] += deeds
    if dose is None and rate is None and told["status"] != Status.ENTERED_IN_ERROR.value:
        raise FhirError("has neither a dose nor a rate", "dosage", "value-missing")
    return dose if dose is not None else rate
