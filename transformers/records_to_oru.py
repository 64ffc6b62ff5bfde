"""Records to ORU^R01: one patient's readings, doses, events and vital signs as an interface engine takes them."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from clinical.hl7v2 import Hl7Error
from clinical.hl7v2.oru_out import OUR_NAMESPACE, OruForm, identifier, write_oru
from clinical.hl7v2.oru_rows import rows_of
from clinical.records import AnyRecord, encode
from clinical.units import MG_DL, MMOL_L
from engine import sdk
from transformers.record_bodies import read_records

_CONTROL_ID_LENGTH = 20  # of MSH-10 up to v2.6


def _plain(value: str) -> str:
    if any(sign in "|~\\&" or sign < " " for sign in value):
        raise ValueError("holds a sign that separates fields; write NAME, or NAME^universal id^type")
    return value


Name = Annotated[str, AfterValidator(_plain)]
"""An HD field: a name, or `NAME^universal id^type`."""


class RecordsToOruSettings(sdk.Settings):
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
    unit: Literal["mg/dL", "mmol/L", "as_received"] = "as_received"
    """The code goes with it: 99504-3 or 105272-9 for sensor glucose."""
    patient: Literal["source", "ours"] = "source"
    """Which identifier stands in PID-3: the one that the readings came with, or our own."""
    assigner: str | None = None
    """Who assigned that identifier (PID-3.4). With `patient: source`, patients of other assigners are set aside."""
    identifier_type: str = Field(default="MR", min_length=1)
    """PID-3.5, table 0203."""
    group: Literal["day", "reading"] = "day"
    """An OBR for each analyte or kind and day, or for each record."""
    at_most: int = Field(default=300, ge=1, le=10_000)
    """Records in one message; most are one OBX, insulin and blood pressure are several."""
    entered_in_error: Literal["D", "W"] = "D"
    """OBX-11 of readings entered in error: delete, or wrong."""

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
            unit={"mg/dL": MG_DL, "mmol/L": MMOL_L}.get(self.unit),
            assigner=self.assigner,
            identifier_type=self.identifier_type,
            our_identifier=self.patient == "ours",
            by_reading=self.group == "reading",
            withdrawn=self.entered_in_error,
        )


@sdk.transformer("records_to_oru", settings=RecordsToOruSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.HL7V2)
def records_to_oru(message: sdk.Message, settings: RecordsToOruSettings) -> Sequence[sdk.StepOutput]:
    """The records of a message as one ORU^R01, or several where there are more than `at_most`.

    MSH-10 comes from the message's id and the number of the part, MSH-7 from when the message was received, so they
    are the same on every retry. A record that says nothing that could be written, or whose patient the receiver
    would not know, is set aside as InvalidMessage.
    """
    by_patient: dict[tuple[str, ...], list[AnyRecord]] = {}
    outputs: list[sdk.StepOutput] = []
    for number, record in enumerate(read_records(message.body)):
        try:
            rows_of(record, settings.form)
            by_patient.setdefault(identifier(record.patient, settings.form), []).append(record)
        except Hl7Error as error:
            wrong = sdk.InvalidMessage(error.text, code=error.code, path=f"records[{number}].{error.path}")
            outputs.append(sdk.Aside(wrong, encode([record]), sdk.Shape.RECORDS))
    parts = [part for records in by_patient.values() for part in _parts(records, settings.at_most)]
    for number, part in enumerate(parts):
        control_id = _control_id(message.id, number)
        body = write_oru(part, settings.form, control_id, message.received_at)
        meta = {"control_id": control_id, "message_type": "ORU^R01"}
        outputs.append(message.but(body=body, shape=sdk.Shape.HL7V2, meta=meta))
    return outputs


def _parts(records: list[AnyRecord], at_most: int) -> list[list[AnyRecord]]:
    """In the order of time, so that later parts hold later readings."""
    ordered = sorted(records, key=lambda record: record.effective.millis)
    return [ordered[start : start + at_most] for start in range(0, len(ordered), at_most)]


def _control_id(message_id: str, number: int) -> str:
    """Twenty capital letters and digits."""
    digest = hashlib.sha256(f"{message_id}\n{number}".encode()).digest()
    return base64.b32encode(digest).decode()[:_CONTROL_ID_LENGTH]
