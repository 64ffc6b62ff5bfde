"""Senseonics Eversense's export, and answers of its follow service, to records."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from clinical.vendors.eversense import read_eversense
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class EversenseSettings(VendorSettings):
    """Settings of `eversense_to_records`."""

    if_twice: Literal["hold", "earlier", "later"] = Field(
        "hold", description="What a time means that occurs twice in autumn where the order of rows does not tell"
    )
    user: str | None = Field(None, repr=False, description="UserID, for a list of several people an account follows")


@sdk.transformer(
    "eversense_to_records",
    settings=EversenseSettings,
    accepts={sdk.Shape.BYTES, sdk.Shape.CSV, sdk.Shape.JSON},
    emits=sdk.Shape.RECORDS,
)
def eversense_to_records(
    message: sdk.Message, settings: EversenseSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One DMS export (XLSX or CSV) or one answer of the follow service to one message with its readings.

    What cannot be read is set aside with its line or path. A reading that was deleted at its source is taken back.
    Raises InvalidMessage for what is neither, or was cut.
    """
    person = whose(message, settings)
    if_twice = None if settings.if_twice == "hold" else settings.if_twice
    try:
        parsed = read_eversense(message.body, person, if_twice=if_twice, user_id=settings.user)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
