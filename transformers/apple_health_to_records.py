"""Apple Health's export.xml to records."""

from collections.abc import Sequence

from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


@sdk.transformer("apple_health_to_records", settings=VendorSettings, accepts={sdk.Shape.XML}, emits=sdk.Shape.RECORDS)
def apple_health_to_records(
    message: sdk.Message, settings: VendorSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One export, or a part that `apple_health_reader` cut from one, to one message with its records.

    A sample that cannot be read is set aside with its line. Raises InvalidMessage, with line and column, for XML that
    was cut or is no export of Apple Health.
    """
    person = whose(message, settings)
    try:
        parsed = read_apple_health(message.body, person)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
