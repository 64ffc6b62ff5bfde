"""Medtronic CareLink's CSV export to records."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from clinical.vendors.carelink_csv import read_carelink_csv
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class CareLinkCsvSettings(VendorSettings):
    """Settings of `carelink_csv_to_records`."""

    dates: Literal["day-first", "month-first"] | None = Field(
        None, description="How exports of old pumps write dates, for files that do not tell"
    )
    if_twice: Literal["hold", "earlier", "later"] = Field(
        "hold", description="What a time means that occurs twice in autumn where the order of rows does not tell"
    )


@sdk.transformer(
    "carelink_csv_to_records", settings=CareLinkCsvSettings, accepts={sdk.Shape.CSV}, emits=sdk.Shape.RECORDS
)
def carelink_csv_to_records(
    message: sdk.Message, settings: CareLinkCsvSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One CareLink export (700 series, Guardian Connect, Paradigm) to one message with all that its sections say.

    A row that cannot be read is set aside with its line. Raises InvalidMessage, with the line, for a file that is no
    CareLink export, is garbled or cut, and with a question for one whose dates read both ways.
    """
    person = whose(message, settings)
    if_twice = None if settings.if_twice == "hold" else settings.if_twice
    try:
        parsed = read_carelink_csv(message.body, person, dates=settings.dates, if_twice=if_twice)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
