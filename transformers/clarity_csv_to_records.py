"""Dexcom Clarity's CSV export to records."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from clinical.records import PatientRef
from clinical.vendors.clarity import preamble_identifier, read_clarity
from clinical.vendors.parsing import Unreadable
from clinical.vendors.sheets import as_csv, xlsx_rows
from engine import sdk
from transformers.vendor_readings import outputs, patient_of, refuse, version_of

_PATIENT = "{patient}"
_ZIP = b"PK\x03\x04"  # an XLSX; what is set aside of it is CSV, which this step reads too


def _names_patient(pattern: str) -> str:
    if pattern.count(_PATIENT) != 1:
        raise ValueError(f"needs {_PATIENT} once, such as {_PATIENT}_*.csv")
    return pattern


class WhosePatient(sdk.Settings):
    """Whose export it is. `system` names who gave out the identifier."""

    system: str
    taken_from: Literal["file_name", "preamble"] = "file_name"
    """`file_name`: by `file_name`'s pattern; `preamble`: the PatientIdentifier that the clinic entered in Clarity."""
    file_name: Annotated[str, AfterValidator(_names_patient)] = f"{_PATIENT}_*.csv"
    """`{patient}` stands for the identifier (letters, digits, `.` and `-`), `*` for anything."""


class ClaritySettings(sdk.Settings):
    """Settings of `clarity_csv_to_records`."""

    timezone: sdk.Zone
    """Where the device's clock was: the export carries no offset."""
    patient: WhosePatient
    if_twice: Literal["hold", "earlier", "later"] = "hold"
    """What a time means that occurs twice in autumn where the transmitter's clock does not tell."""


@sdk.transformer(
    "clarity_csv_to_records",
    settings=ClaritySettings,
    accepts={sdk.Shape.CSV, sdk.Shape.BYTES},
    emits=sdk.Shape.RECORDS,
)
def clarity_csv_to_records(
    message: sdk.Message, settings: ClaritySettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """One Clarity export, CSV or XLSX, to one message with its readings.

    The patient is the one in the message's meta if a source named one, else as `patient` says. A row that cannot be
    read is set aside with its line, the others go on; alert thresholds, names and settings are never readings.
    Raises InvalidMessage, with the line, for a file that is no Clarity export, is garbled, or was cut.
    """
    try:
        body = as_csv(xlsx_rows(message.body)) if message.body.startswith(_ZIP) else message.body
        patient = patient_of(message) or _patient(message, body, settings.patient)
        if_twice = None if settings.if_twice == "hold" else settings.if_twice
        zone = ZoneInfo(settings.timezone)
        parsed = read_clarity(
            body,
            patient,
            zone,
            version=version_of(message),
            if_twice=if_twice,
            asked_at=message.received_at,
            keep_identifier=settings.patient.taken_from == "preamble",
        )
    except Unreadable as unreadable:
        refuse(unreadable)
    return outputs(message, parsed, patient)


def _patient(message: sdk.Message, body: bytes, whose: WhosePatient) -> PatientRef:
    if whose.taken_from == "preamble":
        identifier = preamble_identifier(body)
        if identifier is None:
            text = (
                "the export has no PatientIdentifier row; enter one in Clarity, or take the patient from the file name"
            )
            raise sdk.InvalidMessage(text, code="patient-missing", path="PatientIdentifier")
        return PatientRef(system=whose.system, value=identifier)
    name = message.meta.get("file_name", "").replace("\\", "/").rpartition("/")[2]
    match = _pattern(whose.file_name).fullmatch(name)
    if match is None:
        text = f"the file's name does not say whose export it is: name it as {whose.file_name}"
        raise sdk.InvalidMessage(text, code="patient-missing", path="file_name")
    return PatientRef(system=whose.system, value=match["patient"])


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(re.escape(_PATIENT), r"(?P<patient>[A-Za-z0-9.\-]+)").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)
