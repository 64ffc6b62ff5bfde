"""Glucose readings as FHIR R4 Observations, after the HL7 CGM guide 1.0.0 (hl7.fhir.uv.cgm)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from clinical.codes import loinc_for
from clinical.fhir.device import CONTAINED_ID, device_reference, device_resource
from clinical.fhir.errors import FhirError
from clinical.fhir.identifiers import READING_SYSTEM, reading_value
from clinical.fhir.times import date_time
from clinical.records import Analyte, Detection, Device, Glucose, PatientRef, Status
from clinical.units import MG_DL, MMOL_L, STEP

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
PATIENT_SYSTEM = "urn:islet:patient"

# The guide's pattern has the unit's text in lower case and the UCUM code in its own.
UNIT_TEXT = {MG_DL: "mg/dl", MMOL_L: "mmol/l"}

_GUIDE = "http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-sensor-reading-"
PROFILES = {
    (Analyte.INTERSTITIAL_GLUCOSE, MG_DL): _GUIDE + "mass-per-volume",
    (Analyte.INTERSTITIAL_GLUCOSE, MMOL_L): _GUIDE + "moles-per-volume",
}

# ObservationStatus (R4, required binding) for each of ours.
STATUS = {
    Status.PRELIMINARY: "preliminary",
    Status.FINAL: "final",
    Status.AMENDED: "amended",
    Status.CORRECTED: "corrected",
    Status.ENTERED_IN_ERROR: "entered-in-error",
}

_COMPARATOR = {Detection.BELOW: "<", Detection.ABOVE: ">"}
_ID_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")


@dataclass(frozen=True, slots=True)
class ObservationForm:
    """How one site wants its Observations."""

    identifier_system: str = READING_SYSTEM
    subject: Literal["identifier", "source-identifier", "reference"] = "identifier"
    """`identifier`: our patient id where known, else the source's; `source-identifier`: always the source's;
    `reference`: `Patient/{our id}`."""
    patient_system: str = PATIENT_SYSTEM
    """The system of our own patient ids."""
    patient_systems: Mapping[str, str] = field(default_factory=dict)
    """Assigner as the source names it → URI of its identifiers."""
    category: Literal["laboratory", "vital-signs"] | None = "laboratory"
    device: Literal["contained", "identifier"] | None = "contained"
    profiles: bool = True
    """Claim the guide's profile in `meta.profile` where the reading is interstitial."""


_DEFAULT = ObservationForm()


def glucose_to_observation(record: Glucose, form: ObservationForm = _DEFAULT) -> dict[str, Any]:
    """One reading as an Observation; the same record gives the same dict. Treat it as read-only: parts are shared.

    The value is a Decimal with the digits of its unit's step (182 mg/dL, 10.1 and 10.0 mmol/L), so write it with
    `encode`. Below or above the measuring range it is the limit with a comparator. The identifier does not contain
    the value. Raises FhirError if the subject cannot be named.
    """
    unit = record.value.unit
    observation: dict[str, Any] = {"resourceType": "Observation"}
    profile = PROFILES.get((record.analyte, unit)) if form.profiles else None
    if profile is not None:
        observation["meta"] = {"profile": [profile]}
    device = _device(record.device, form) if record.device is not None and form.device is not None else None
    if device is not None and form.device == "contained":
        observation["contained"] = [device]
        device = {"reference": f"#{CONTAINED_ID}"}
    observation["identifier"] = [{"system": form.identifier_system, "value": reading_value(record)}]
    observation["status"] = STATUS[record.status]
    if form.category is not None:
        observation["category"] = _category(form.category)
    observation["code"] = _code(record.analyte, unit)
    observation["subject"] = _subject(record.patient, form)
    observation["effectiveDateTime"] = date_time(record.effective)
    observation["valueQuantity"] = _quantity(record)
    if notes := [{"text": text} for text in record.notes if text.strip()]:
        observation["note"] = notes
    if device is not None:
        observation["device"] = device
    return observation


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(resource: Mapping[str, Any]) -> bytes:
    """A resource as JSON. Decimals become numbers and keep their digits (10.0 stays 10.0)."""
    return _encoder.encode(resource)


def _quantity(record: Glucose) -> dict[str, Any]:
    unit = record.value.unit
    step = STEP.get(unit)
    if step is None:
        raise FhirError("is no unit of glucose that FHIR output knows; use mg/dL or mmol/L", "value.unit", "unit")
    quantity: dict[str, Any] = {"value": record.value.steps * step}
    if record.detection is not None:
        quantity["comparator"] = _COMPARATOR[record.detection]
    quantity["unit"] = UNIT_TEXT[unit]
    quantity["system"] = UCUM
    quantity["code"] = unit
    return quantity


@lru_cache(maxsize=64)
def _code(analyte: Analyte, unit: str) -> dict[str, Any]:
    if unit not in UNIT_TEXT:
        raise FhirError("is no unit of glucose that FHIR output knows; use mg/dL or mmol/L", "value.unit", "unit")
    code, display = loinc_for(analyte, unit)
    return {"coding": [{"system": LOINC, "code": code, "display": display}]}


@lru_cache(maxsize=8)
def _category(category: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": CATEGORIES, "code": category}]}]


def _device(device: Device, form: ObservationForm) -> dict[str, Any] | None:
    return device_resource(device) if form.device == "contained" else device_reference(device)


def _subject(patient: PatientRef, form: ObservationForm) -> dict[str, Any]:
    if form.subject == "reference":
        if patient.id is None:
            raise FhirError(
                "is not known; put `identify_patient` before this step, or set `subject: identifier`",
                "patient.id",
                "patient-unknown",
            )
        if not 0 < len(patient.id) <= 64 or not _ID_SIGNS.issuperset(patient.id):
            raise FhirError(
                "is no FHIR id (1 to 64 letters, digits, `-`, `.`); set `subject: identifier`",
                "patient.id",
                "patient-id",
            )
        return {"reference": f"Patient/{patient.id}"}
    if form.subject == "identifier" and patient.id is not None:
        return {"type": "Patient", "identifier": {"system": form.patient_system, "value": patient.id}}
    system = form.patient_systems.get(patient.system) or _source_system(patient.system, form.patient_system)
    return {"type": "Patient", "identifier": {"system": system, "value": patient.value}}


@lru_cache(maxsize=256)
def _source_system(assigner: str, patient_system: str) -> str:
    """A URI as it is; a bare name below our own system."""
    if ":" in assigner and not any(sign.isspace() for sign in assigner):
        return assigner
    return f"{patient_system}:{quote(assigner, safe='')}"
