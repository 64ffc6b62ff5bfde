"""Tidepool's data to records."""

from collections.abc import Sequence

from clinical.vendors.parsing import Unreadable
from clinical.vendors.tidepool import read_tidepool
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("tidepool_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def tidepool_to_records(message: sdk.Message, settings: VendorSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One list of Tidepool's data to one message with its records.

    A datum that cannot be read is set aside with its path (`[3].value`). Raises InvalidMessage, with line and column,
    for what is no list of data.
    """
    person = whose(message, settings)
    try:
        parsed = read_tidepool(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
