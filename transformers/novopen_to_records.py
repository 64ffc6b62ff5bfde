"""Doses of a NovoPen 6 or NovoPen Echo Plus to records."""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import Field

from clinical.vendors.novopen import Priming, read_novopen
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class NovoPenSettings(VendorSettings):
    """Settings of `novopen_to_records`."""

    priming_units: Decimal = Field(Decimal(2), ge=0, le=10, description="The largest dose that may be an air shot")
    priming_within: sdk.Duration = Field(120.0, description="An air shot is followed by another dose so soon")


@sdk.transformer("novopen_to_records", settings=NovoPenSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
def novopen_to_records(message: sdk.Message, settings: NovoPenSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One reading of a pen's tag to one message with its injections; air shots are marked as priming.

    An entry that cannot be read is set aside with its path (`reports[0].entries[3].units`). Raises InvalidMessage for
    what is no such reading.
    """
    person = whose(message, settings)
    priming = Priming(settings.priming_units, int(settings.priming_within))
    try:
        parsed = read_novopen(message.body, person, priming)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
