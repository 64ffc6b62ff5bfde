"""Glooko's export, zipped or one of its files, to records."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from clinical.vendors.glooko import read_glooko
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class GlookoSettings(VendorSettings):
    """Settings of `glooko_csv_to_records`."""

    dates: Literal["day-first", "month-first"] | None = Field(
        None, description="How the account writes dates, for exports that do not tell"
    )
    if_twice: Literal["hold", "earlier", "later"] = Field(
        "hold", description="What a time means that occurs twice in autumn where the order of rows does not tell"
    )


@sdk.transformer(
    "glooko_csv_to_records",
    settings=GlookoSettings,
    accepts={sdk.Shape.CSV, sdk.Shape.BYTES},
    emits=sdk.Shape.RECORDS,
)
def glooko_csv_to_records(message: sdk.Message, settings: GlookoSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One export, the zip as it comes or a single CSV, to one message: sensor, meter, boluses, basal, totals, alarms.

    A row that cannot be read is set aside with its file and line. Raises InvalidMessage for what is no Glooko export,
    is damaged or cut, and with a question for dates that read both ways.
    """
    person = whose(message, settings)
    if_twice = None if settings.if_twice == "hold" else settings.if_twice
    name = message.meta.get("file_name", "")
    try:
        parsed = read_glooko(message.body, person, name, dates=settings.dates, if_twice=if_twice)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
