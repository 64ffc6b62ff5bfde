"""Android's Health Connect records to records."""

from collections.abc import Sequence

from clinical.vendors.health_connect import read_health_connect
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer(
    "health_connect_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS
)
def health_connect_to_records(
    message: sdk.Message, settings: VendorSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One list of records, as an app that reads Health Connect writes them, to one message.

    A quantity must say its unit. A record that cannot be read is set aside with its path
    (`records[3].level.inMillimolesPerLiter`). Raises InvalidMessage, with line and column, for what is no such list.
    """
    person = whose(message, settings)
    try:
        parsed = read_health_connect(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
