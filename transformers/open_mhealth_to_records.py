"""Open mHealth and IEEE 1752 data points to records."""

from collections.abc import Sequence

from clinical.vendors.open_mhealth import read_open_mhealth
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("open_mhealth_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def open_mhealth_to_records(
    message: sdk.Message, settings: VendorSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One data point, or a list of them, to one message with its records.

    A value with a descriptive statistic is no reading. A point that its schema would refuse is set aside with its
    path. Raises InvalidMessage, with line and column, for what is no JSON.
    """
    person = whose(message, settings)
    try:
        parsed = read_open_mhealth(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
