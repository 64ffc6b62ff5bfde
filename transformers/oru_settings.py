"""What all steps that write ORU^R01 for one receiver have in common."""

import base64
import hashlib
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from clinical.hl7v2.oru_out import OUR_NAMESPACE, OruForm
from engine import sdk

_CONTROL_ID_LENGTH = 20  # of MSH-10 up to v2.6


def _plain(value: str) -> str:
    if any(sign in "|~\\&" or sign < " " for sign in value):
        raise ValueError("holds a sign that separates fields; write NAME, or NAME^universal id^type")
    return value


Name = Annotated[str, AfterValidator(_plain)]
"""An HD field: a name, or `NAME^universal id^type`."""


class OruSettings(sdk.Settings):
    """How one receiver wants its messages."""

    timezone: sdk.Zone
    """Times are written in this zone, with their offset."""
    sending_application: Name = OUR_NAMESPACE
    sending_facility: Name = ""
    receiving_application: Name = ""
    receiving_facility: Name = ""
    version: Literal["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2"] = "2.5.1"
    processing: Literal["P", "T", "D"] = "P"
    """MSH-11: production, training or debugging."""
    patient: Literal["source", "ours"] = "source"
    """Which identifier stands in PID-3: the one that the readings came with, or our own."""
    assigner: str | None = None
    """Who assigned that identifier (PID-3.4). With `patient: source`, patients of other assigners are set aside."""
    identifier_type: str = Field(default="MR", min_length=1)
    """PID-3.5, table 0203."""
    entered_in_error: Literal["D", "W"] = "D"
    """OBX-11 of what is entered in error: delete, or wrong."""

    @cached_property
    def form(self) -> OruForm:
        return OruForm(
            zone=ZoneInfo(self.timezone),
            sending_application=self.sending_application,
            sending_facility=self.sending_facility,
            receiving_application=self.receiving_application,
            receiving_facility=self.receiving_facility,
            version=self.version,
            processing=self.processing,
            assigner=self.assigner,
            identifier_type=self.identifier_type,
            our_identifier=self.patient == "ours",
            withdrawn=self.entered_in_error,
        )


def control_id(message_id: str, number: int) -> str:
    """MSH-10 of a message that is made from another, the same on every retry: twenty capital letters and digits."""
    digest = hashlib.sha256(f"{message_id}\n{number}".encode()).digest()
    return base64.b32encode(digest).decode()[:_CONTROL_ID_LENGTH]
