"""How one site wants its resources, and how it names a patient."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

from clinical.fhir.errors import FhirError
from clinical.fhir.identifiers import READING_SYSTEM
from clinical.records import PatientRef

PATIENT_SYSTEM = "urn:islet:patient"
_ID_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")


@dataclass(frozen=True, slots=True)
class Form:
    """How one site wants its resources."""

    release: Literal["R4", "R5"] = "R4"
    identifier_system: str = READING_SYSTEM
    subject: Literal["identifier", "source-identifier", "reference"] = "identifier"
    """`identifier`: our patient id where known, else the source's; `source-identifier`: always the source's;
    `reference`: `Patient/{our id}`."""
    patient_system: str = PATIENT_SYSTEM
    """The system of our own patient ids."""
    patient_systems: Mapping[str, str] = field(default_factory=dict)
    """Assigner as the source names it → URI of its identifiers."""
    category: Literal["laboratory", "vital-signs"] | None = "laboratory"
    """Of glucose readings; vital signs are always that."""
    device: Literal["contained", "identifier"] | None = "contained"
    profiles: bool = True
    """Claim profiles in `meta.profile`: the CGM guide's for interstitial readings, FHIR's own for vital signs."""
    provenance: Literal["contained"] | None = None
    """`contained`: who measured, sent and made it, inside the resource, for servers that take no Provenance."""
    details: bool = False
    """Carry what FHIR has no element for in an extension, so that reading the resource gives the same record."""


def subject_of(patient: PatientRef, form: Form) -> dict[str, Any]:
    """A Reference to the patient. Raises FhirError if the form needs an id of ours and there is none."""
    if form.subject == "reference":
        return {"reference": f"Patient/{_own_id(patient)}"}
    if form.subject == "identifier" and patient.id is not None:
        return {"type": "Patient", "identifier": {"system": form.patient_system, "value": patient.id}}
    system = form.patient_systems.get(patient.system) or source_system(patient.system, form.patient_system)
    return {"type": "Patient", "identifier": {"system": system, "value": patient.value}}


def _own_id(patient: PatientRef) -> str:
    if patient.id is None:
        raise FhirError(
            "is not known; put `identify_patient` before this step, or set `subject: identifier`",
            "patient.id",
            "patient-unknown",
        )
    if not 0 < len(patient.id) <= 64 or not _ID_SIGNS.issuperset(patient.id):
        raise FhirError(
            "is no FHIR id (1 to 64 letters, digits, `-`, `.`); set `subject: identifier`", "patient.id", "patient-id"
        )
    return patient.id


@lru_cache(maxsize=256)
def source_system(assigner: str, patient_system: str) -> str:
    """A URI as it is; a bare name below our own system."""
    if ":" in assigner and not any(sign.isspace() for sign in assigner):
        return assigner
    return f"{patient_system}:{quote(assigner, safe='')}"
