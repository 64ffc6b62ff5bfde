"""FHIR resources as records: what we wrote, and what others write (R4 and R5).

An Observation or a MedicationAdministration becomes one record. What our own extension holds goes before what the
elements say, so that a resource written with `details` gives the record that it was made of.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from clinical.fhir.details import FIELDS, read_details
from clinical.fhir.errors import FhirError
from clinical.fhir.read_administration import administration
from clinical.fhir.read_common import ReadForm, common
from clinical.fhir.read_observation import observation
from clinical.records import AnyRecord, RecordSet

_DEFAULT = ReadForm()
_READERS = {"Observation": observation, "MedicationAdministration": administration}
TYPES = frozenset(_READERS)


def read_resource(resource: Mapping[str, Any], form: ReadForm = _DEFAULT) -> AnyRecord:
    """The record that a resource (plain values, numbers best as Decimals) stands for.

    Raises FhirError with the element's path: `unknown-code` for what is none of our kinds, `no-result` for a status
    without a result, `implausible` for a value that nobody can have, `modifier-extension` for what may not be
    read without knowing one (R4 section 2.4.2), and others for what is missing or wrong.
    """
    kind = resource.get("resourceType")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise FhirError("is none of the resource types that records are made of", "resourceType", "resource-type")
    details = read_details(resource)
    try:
        told = {**common(resource, form, known=details), **reader(resource, form, details)}
        _hold_modified(resource)
        if details:
            told = {name: value for name, value in told.items() if name not in FIELDS} | {"original": {}} | details
        made = msgspec.convert({"records": [told]}, RecordSet)
    except FhirError as error:
        raise FhirError(error.text, f"{kind}.{error.path}" if error.path else str(kind), error.code) from None
    except msgspec.ValidationError:
        raise FhirError("holds an extension of ours that is no record's", f"{kind}.extension", "details") from None
    return made.records[0]


def _hold_modified(resource: Mapping[str, Any]) -> None:
    if resource.get("modifierExtension"):
        text = "may turn the meaning round by an extension that we do not know"
        raise FhirError(text, "modifierExtension", "modifier-extension")
