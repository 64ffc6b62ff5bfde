"""Dexcom EGVs (developer API v3, and the older v2 shape) to records."""

from collections.abc import Sequence

from clinical.records import PatientRef
from clinical.vendors import dexcom
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_readings import outputs, patient_of, refuse, version_of


@sdk.transformer("dexcom_egvs_to_records", accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def dexcom_egvs_to_records(
    message: sdk.Message, _settings: sdk.NoSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer of `/v3/users/self/egvs` to one message with its readings.

    The patient is the one that the `dexcom` source names in the message's meta; without that it is Dexcom's own
    `userId`, under the system `dexcom`. A record that cannot be read is set aside with its path
    (`records[3].value`), the others go on. Raises InvalidMessage for a body that is no EGV answer, or was cut.
    """
    try:
        egvs = dexcom.open_egvs(message.body)
    except Unreadable as unreadable:
        refuse(unreadable)
    patient = patient_of(message) or (PatientRef(system=dexcom.SYSTEM, value=egvs.user_id) if egvs.user_id else None)
    if patient is None:
        text = "nothing says whose readings these are: set patient_system and patient_value in the message's meta"
        raise sdk.InvalidMessage(text, code="patient-missing", path="userId")
    parsed = dexcom.read_egvs(egvs, patient, version=version_of(message), asked_at=message.received_at)
    return outputs(message, parsed, patient)
