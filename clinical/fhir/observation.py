"""Glucose readings as Observations, after the HL7 CGM guide 1.0.0 (hl7.fhir.uv.cgm). The hot path."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from clinical.codes import loinc_for
from clinical.fhir.errors import FhirError
from clinical.fhir.form import Form
from clinical.fhir.frame import frame
from clinical.fhir.quantities import UNIT_TEXT
from clinical.fhir.terms import LOINC, UCUM, UNKNOWN, category, concept
from clinical.fhir.times import date_time
from clinical.records import Analyte, AnyRecord, Detection, Glucose, Quantity, Status
from clinical.units import MG_DL, MMOL_L, STEP

_GUIDE = "http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-sensor-reading-"
PROFILES = {
    (Analyte.INTERSTITIAL_GLUCOSE, MG_DL): _GUIDE + "mass-per-volume",
    (Analyte.INTERSTITIAL_GLUCOSE, MMOL_L): _GUIDE + "moles-per-volume",
}

# ObservationStatus (R4 and R5, required binding) for each of ours.
STATUS = {
    Status.PRELIMINARY: "preliminary",
    Status.FINAL: "final",
    Status.AMENDED: "amended",
    Status.CORRECTED: "corrected",
    Status.ENTERED_IN_ERROR: "entered-in-error",
}
COMPARATOR = {Detection.BELOW: "<", Detection.ABOVE: ">"}

_DEFAULT = Form()
_GLUCOSE_UNITS = (MG_DL, MMOL_L)


def glucose_to_observation(record: Glucose, form: Form = _DEFAULT, recorded: datetime | None = None) -> dict[str, Any]:
    """One reading as an Observation; the same record gives the same dict. Treat it as read-only: parts are shared.

    The value is a Decimal with the digits of its unit's step (182 mg/dL, 10.1 and 10.0 mmol/L), so write it with
    `frame.encode`. Below or above the measuring range it is the limit with a comparator. The identifier does not
    contain the value; nor does the resource where it was withdrawn without one. Raises FhirError if the subject cannot
    be named.
    """
    unit = record.value.unit
    if unit not in _GLUCOSE_UNITS:
        raise FhirError("is no unit of glucose that FHIR output knows; use mg/dL or mmol/L", "value.unit", "unit")
    observation, device = frame("Observation", record, form, PROFILES.get((record.analyte, unit)), recorded)
    observation["status"] = STATUS[record.status]
    if form.category is not None:
        observation["category"] = category(form.category)
    observation["code"] = _code(record.analyte, unit)
    observation["effectiveDateTime"] = date_time(record.effective)
    if is_withdrawn_alone(record, record.value):
        observation["dataAbsentReason"] = UNKNOWN
    else:
        observation["valueQuantity"] = _value(record, unit)
    if device is not None:
        observation["device"] = device
    return observation


def is_withdrawn_alone(record: AnyRecord, value: Quantity) -> bool:
    """Was it withdrawn without saying of which value? Its 0 is none then."""
    return value.steps == 0 and record.status is Status.ENTERED_IN_ERROR


def _value(record: Glucose, unit: str) -> dict[str, Any]:
    value: dict[str, Any] = {"value": record.value.steps * STEP[unit]}
    if record.detection is not None:
        value["comparator"] = COMPARATOR[record.detection]
    return {**value, "unit": UNIT_TEXT[unit], "system": UCUM, "code": unit}


@lru_cache(maxsize=64)
def _code(analyte: Analyte, unit: str) -> dict[str, Any]:
    return concept(LOINC, *loinc_for(analyte, unit))
