"""Nightscout's entries and treatments to records."""

from collections.abc import Sequence

from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("nightscout_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def nightscout_to_records(message: sdk.Message, settings: VendorSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer or file of entries or treatments to one message with its records.

    What was deleted (`isValid: false`) becomes a record that was entered in error. A document that cannot be read is
    set aside with its path (`result[3].sgv`). Raises InvalidMessage, with line and column, for what is no such list.
    """
    person = whose(message, settings)
    try:
        parsed = read_nightscout(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
