"""Dexcom's events, calibrations and alerts (developer API v3) to records."""

from collections.abc import Sequence

from clinical.vendors.dexcom_events import read_dexcom_events
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("dexcom_events_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def dexcom_events_to_records(
    message: sdk.Message, settings: VendorSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer of `/v3/users/self/events`, `/calibrations` or `/alerts` to one message with its records.

    Deleted events become records entered in error; devices and data ranges give none. A record that cannot be read is
    set aside with its path (`records[3].value`). Raises InvalidMessage for a body that is none of these, or was cut.
    """
    person = whose(message, settings)
    try:
        parsed = read_dexcom_events(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
