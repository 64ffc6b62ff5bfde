"""Medtronic CareLink Connect's JSON to records."""

from collections.abc import Sequence

from clinical.vendors.carelink import read_carelink
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("carelink_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def carelink_to_records(message: sdk.Message, settings: VendorSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer with the last 24 hours of a pump (700 series, Guardian 4, Guardian Connect) to one message.

    A value or marker that cannot be read is set aside with its path (`markers[3].data.dataValues.amount`). Raises
    InvalidMessage, with line and column, for what is no such answer. `timezone` counts only where the answer names no
    zone that is known.
    """
    person = whose(message, settings)
    try:
        parsed = read_carelink(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
