"""Dexcom Share's readings to records."""

from collections.abc import Sequence

from clinical.vendors.dexcom_share import read_share
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("dexcom_share_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def dexcom_share_to_records(
    message: sdk.Message, settings: VendorSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer of the followers' API to one message with its readings.

    A reading that cannot be read is set aside with its path (`[3].Value`). Raises InvalidMessage, with line and column,
    for what is no list.
    """
    person = whose(message, settings)
    try:
        parsed = read_share(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
