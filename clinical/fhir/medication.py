"""Insulin given, as MedicationAdministration (R4 section 11.3, R5 section 11.3).

A bolus or an injection has an `effectiveDateTime`; what takes time, an extended bolus or a basal rate, a period.
The code is the substance's (RxNorm ingredient) where the product is known, with SNOMED CT's for insulin beside it.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

from clinical.fhir.errors import FhirError
from clinical.fhir.form import Form
from clinical.fhir.frame import effective, frame
from clinical.fhir.quantities import quantity
from clinical.fhir.terms import INSULIN_DELIVERY, RXNORM, SNOMED, coding, concept
from clinical.insulins import is_short_acting, substance_of
from clinical.records import InsulinDose, InsulinKind, Status
from clinical.units import text_of

INSULIN = ("67866001", "Insulin (substance)")
SHORT_ACTING = ("411531001", "Short-acting insulin (substance)")
_SUBCUTANEOUS = ("34206005", "Subcutaneous route (qualifier value)")
AUTOMATIC = "automatic"


def administration_status(record: InsulinDose) -> str:
    """MedicationAdministration status (required binding): what became of the dose, unless it is an error.

    Priming reached nobody: `not-done`. Less than was asked for: `stopped`.
    """
    if record.status is Status.ENTERED_IN_ERROR:
        return "entered-in-error"
    if record.kind is InsulinKind.PRIMING:
        return "not-done"
    if record.status is Status.PRELIMINARY:
        return "in-progress"
    return "stopped" if _interrupted(record) else "completed"


def insulin_dose(record: InsulinDose, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """One dose, or a basal rate while it held. The dose is what was delivered, else what was asked for.

    Raises FhirError if it has neither an amount nor a rate, unless it is entered in error.
    """
    resource, device = frame("MedicationAdministration", record, form, None, recorded)
    resource["status"] = administration_status(record)
    if record.kind is InsulinKind.PRIMING:
        resource["statusReason"] = [{"text": "priming"}]
    medication = _medication(record.insulin)
    kind, value = effective(record.effective, record.duration_seconds)
    if form.release == "R4":
        resource["medicationCodeableConcept"] = medication
        resource[f"effective{kind}"] = value
    else:
        resource["medication"] = {"concept": medication}
        resource[f"occurence{kind}"] = value
    if device is not None:
        resource["device"] = [device] if form.release == "R4" else [{"reference": device}]
    dosage = _dosage(record)
    if dosage is not None:
        resource["dosage"] = dosage
    elif record.status is Status.ENTERED_IN_ERROR:  # a dosage needs an amount (mad-1), so the way is told beside it
        given = concept(INSULIN_DELIVERY, record.kind.value)
        resource["category"] = given if form.release == "R4" else [given]
    else:
        raise FhirError("has neither an amount nor a rate", "delivered", "dose-missing")
    return resource


@lru_cache(maxsize=256)
def _medication(name: str | None) -> dict[str, Any]:
    codings = []
    if (substance := substance_of(name)) is not None:
        codings.append(coding(RXNORM, substance.rxnorm, substance.display))
    codings.append(coding(SNOMED, *(SHORT_ACTING if is_short_acting(name) else INSULIN)))
    return {"coding": codings, "text": name} if name else {"coding": codings}


def _dosage(record: InsulinDose) -> dict[str, Any] | None:
    amount = record.delivered if record.delivered is not None else record.requested
    if amount is None and record.rate is None:
        return None
    methods = [coding(INSULIN_DELIVERY, record.kind.value)]
    if record.automatic:
        methods.append(coding(INSULIN_DELIVERY, AUTOMATIC))
    dosage: dict[str, Any] = {"route": concept(SNOMED, *_SUBCUTANEOUS), "method": {"coding": methods}}
    if amount is not None:
        dosage["dose"] = quantity(amount, "delivered" if record.delivered is not None else "requested")
    if record.rate is not None:
        dosage["rateQuantity"] = quantity(record.rate, "rate")
    if record.requested is not None and record.delivered is not None and record.requested != record.delivered:
        dosage["text"] = f"requested {text_of(record.requested.steps, record.requested.unit)} {record.requested.unit}"
    return dosage


def _interrupted(record: InsulinDose) -> bool:
    if record.requested is None or record.delivered is None or record.requested.unit != record.delivered.unit:
        return False
    return record.delivered.steps < record.requested.steps
