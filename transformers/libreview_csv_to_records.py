"""Abbott LibreView's CSV export to records."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from clinical.vendors.libreview import Settings, read_libreview
from clinical.vendors.parsing import Unreadable
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class LibreViewSettings(VendorSettings):
    """Settings of `libreview_csv_to_records`."""

    dates: Literal["day-first", "month-first"] | None = Field(
        None, description="How the account writes dates, for files that do not tell; one that says otherwise is refused"
    )
    summer_time: Literal["find-out", "followed", "ignored"] = Field(
        "find-out", description="Whether the device's clock is put forward in spring: a phone's is, a reader's is not"
    )
    if_twice: Literal["hold", "earlier", "later"] = Field(
        "hold", description="What a time means that occurs twice in autumn where the order of rows does not tell"
    )
    libre_3_scans: Literal["skip", "keep"] = Field(
        "skip", description="Scans of a Libre 3 only say that somebody looked at the app"
    )


@sdk.transformer(
    "libreview_csv_to_records", settings=LibreViewSettings, accepts={sdk.Shape.CSV}, emits=sdk.Shape.RECORDS
)
def libreview_csv_to_records(
    message: sdk.Message, settings: LibreViewSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One LibreView export, in any language, to one message: glucose, insulin, carbohydrate, notes.

    A row that cannot be read is set aside with its line. Raises InvalidMessage, with the line, for a file that is no
    LibreView export, is garbled or cut, and with a question for one whose dates read both ways.
    """
    person = whose(message, settings)
    wanted = Settings(
        dates=settings.dates,
        if_twice=None if settings.if_twice == "hold" else settings.if_twice,
        summer_time={"find-out": None, "followed": True, "ignored": False}[settings.summer_time],
        views=settings.libre_3_scans == "keep",
    )
    try:
        parsed = read_libreview(message.body, person, wanted)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
