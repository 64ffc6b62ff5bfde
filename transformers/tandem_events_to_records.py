"""Tandem Source's pump events to records."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from clinical.vendors.parsing import Unreadable
from clinical.vendors.tandem import read_tandem_events
from engine import sdk
from transformers.vendor_patient import VendorSettings, whose
from transformers.vendor_readings import outputs, refuse


class TandemEventsSettings(VendorSettings):
    """Settings of `tandem_events_to_records`. `timezone`: where the pump's clock was."""

    if_twice: Literal["hold", "earlier", "later"] = Field(
        "hold", description="What a time means that occurs twice in autumn where the running numbers do not tell"
    )


@sdk.transformer(
    "tandem_events_to_records",
    settings=TandemEventsSettings,
    accepts={sdk.Shape.BYTES, sdk.Shape.JSON},
    emits=sdk.Shape.RECORDS,
)
def tandem_events_to_records(
    message: sdk.Message, settings: TandemEventsSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One answer with 26-byte events, as base64, as a JSON string of it, or as bytes, to one message.

    The pump's serial number is in the message's meta `device_serial`, if a source knows it. An event that cannot be
    read is set aside with its running number. Raises InvalidMessage for what is no such answer, or was cut.
    """
    person = whose(message, settings)
    if_twice = None if settings.if_twice == "hold" else settings.if_twice
    serial = message.meta.get("device_serial") or None
    try:
        parsed = read_tandem_events(message.body, person, serial=serial, if_twice=if_twice)
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, person.patient)
