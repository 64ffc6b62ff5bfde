"""Any record as the FHIR resource that stands for it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from clinical.fhir.form import Form
from clinical.fhir.medication import insulin_dose
from clinical.fhir.observation import glucose_to_observation
from clinical.fhir.observations import (
    annotation,
    blood_pressure,
    carbohydrate,
    device_event,
    insulin_total,
    vital_sign,
)
from clinical.records import (
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    DeviceEvent,
    Glucose,
    InsulinDose,
    InsulinTotal,
    VitalSign,
)

_DEFAULT = Form()
_WRITERS: Mapping[type, Callable[..., dict[str, Any]]] = {
    Glucose: glucose_to_observation,
    InsulinDose: insulin_dose,
    InsulinTotal: insulin_total,
    Carbohydrate: carbohydrate,
    DeviceEvent: device_event,
    VitalSign: vital_sign,
    BloodPressure: blood_pressure,
    Annotation: annotation,
}


def to_resource(record: AnyRecord, form: Form = _DEFAULT, recorded: datetime | None = None) -> dict[str, Any]:
    """The resource of a record, an Observation or a MedicationAdministration, in the form's release.

    The same record gives the same dict; treat it as read-only. `recorded` (aware) is needed for Provenance. Raises
    FhirError with the record's field that keeps it from being written.
    """
    return _WRITERS[type(record)](record, form, recorded)
