"""Records to a C-CDA document, for sites that import documents and take nothing else."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from clinical.ccda.write import Header, document
from clinical.records import AnyRecord, order_key
from engine import sdk
from transformers.record_bodies import read_records

_ROOT = re.compile(r"[0-2](\.(0|[1-9]\d*))+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _oid(value: str) -> str:
    if not _ROOT.fullmatch(value):
        raise ValueError("is neither an OID nor a UUID; write the root of the site's patient identifiers")
    return value


class RecordsToCcdaSettings(sdk.Settings):
    """How one site wants its documents."""

    patient_root: Annotated[str, AfterValidator(_oid)] = Field(description="OID (or UUID) of the patients' identifiers")
    custodian: str = Field(min_length=1, description="Who keeps the document: the organisation's name")
    title: str = Field("Glucose and vital signs", min_length=1)


@sdk.transformer("records_to_ccda", settings=RecordsToCcdaSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.XML)
def records_to_ccda(message: sdk.Message, settings: RecordsToCcdaSettings) -> list[sdk.StepOutput]:
    """One document for each patient: glucose as results, weight, heart rate, steps and blood pressure as vital signs.

    The document's time is when the message was received, so it is the same on every retry. Records of other kinds, and
    those entered in error, are left out and counted; a message with nothing else is dropped.
    """
    by_patient: dict[str, list[AnyRecord]] = {}
    for record in read_records(message.body):
        by_patient.setdefault(order_key(record.patient), []).append(record)
    header = Header(settings.patient_root, settings.custodian, message.received_at, settings.title)
    outputs: list[sdk.StepOutput] = []
    for key, records in by_patient.items():
        written = document(records[0].patient, records, header)
        if written is not None:
            outputs.append(message.but(body=written, shape=sdk.Shape.XML, order_key=key))
    return outputs or [sdk.Drop("nothing that a document's results or vital signs hold")]
