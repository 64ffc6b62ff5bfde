"""Records to ORU^R01: one patient's readings, doses, events and vital signs as an interface engine takes them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

from pydantic import Field

from clinical.hl7v2 import Hl7Error
from clinical.hl7v2.oru_out import OruForm, identifier, write_oru
from clinical.hl7v2.oru_rows import rows_of
from clinical.records import AnyRecord, encode
from clinical.units import MG_DL, MMOL_L
from engine import sdk
from transformers.oru_settings import OruSettings, control_id
from transformers.record_bodies import read_records


class RecordsToOruSettings(OruSettings):
    """How one receiver wants its messages."""

    unit: Literal["mg/dL", "mmol/L", "as_received"] = "as_received"
    """The code goes with it: 99504-3 or 105272-9 for sensor glucose."""
    group: Literal["day", "reading"] = "day"
    """An OBR for each analyte or kind and day, or for each record."""
    at_most: int = Field(default=300, ge=1, le=10_000)
    """Records in one message; most are one OBX, insulin and blood pressure are several."""

    @cached_property
    def form(self) -> OruForm:
        unit = {"mg/dL": MG_DL, "mmol/L": MMOL_L}.get(self.unit)
        return replace(super().form, unit=unit, by_reading=self.group == "reading")


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
        named = control_id(message.id, number)
        body = write_oru(part, settings.form, named, message.received_at)
        meta = {"control_id": named, "message_type": "ORU^R01"}
        outputs.append(message.but(body=body, shape=sdk.Shape.HL7V2, meta=meta))
    return outputs


def _parts(records: list[AnyRecord], at_most: int) -> list[list[AnyRecord]]:
    """In the order of time, so that later parts hold later readings."""
    ordered = sorted(records, key=lambda record: record.effective.millis)
    return [ordered[start : start + at_most] for start in range(0, len(ordered), at_most)]
