"""Tandem t:connect's therapy timeline export to records."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from clinical.vendors.parsing import Unreadable
from clinical.vendors.tconnect_csv import read_tconnect
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class TconnectSettings(VendorSettings):
    """Settings of `tconnect_csv_to_records`."""

    if_twice: Literal["hold", "earlier", "later"] = Field(
        "hold", description="What a time means that occurs twice in autumn where the order of rows does not tell"
    )


@sdk.transformer("tconnect_csv_to_records", settings=TconnectSettings, accepts={sdk.Shape.CSV}, emits=sdk.Shape.RECORDS)
def tconnect_csv_to_records(
    message: sdk.Message, settings: TconnectSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One export with its tables, in any order, to one message: readings, boluses, basal rates, carbohydrate.

    A row that cannot be read is set aside with its line. Raises InvalidMessage, with the line, for a file without any
    of these tables, or one that is garbled or cut.
    """
    person = whose(message, settings)
    if_twice = None if settings.if_twice == "hold" else settings.if_twice
    try:
        parsed = read_tconnect(message.body, person, if_twice=if_twice)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
