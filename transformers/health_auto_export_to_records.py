"""Health Auto Export's JSON to records."""

from collections.abc import Sequence

from clinical.vendors.health_auto_export import read_health_auto_export
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer(
    "health_auto_export_to_records", settings=VendorSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS
)
def health_auto_export_to_records(
    message: sdk.Message, settings: VendorSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One export of the app to one message with its records.

    A value that cannot be read is set aside with its path (`data.metrics[0].data[3].qty`). Raises InvalidMessage, with
    line and column, for what is no such export.
    """
    person = whose(message, settings)
    try:
        parsed = read_health_auto_export(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
