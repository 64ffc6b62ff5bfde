"""Whose export a file is: by the source that named the patient, by the file's name, or by a setting."""

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from clinical.records import PatientRef
from clinical.vendors.making import Whose
from engine import sdk
from transformers.vendor_readings import patient_of, version_of

_PATIENT = "{patient}"


def _names_patient(pattern: str) -> str:
    if pattern.count(_PATIENT) != 1:
        raise ValueError(f"needs {_PATIENT} once, such as {_PATIENT}_*.json")
    return pattern


class WhosePatient(sdk.Settings):
    """Whose data it is, where no source says so. `system` names who gave out the identifier."""

    system: str = Field(min_length=1)
    value: str | None = Field(None, min_length=1, repr=False, description="One person, whatever the file is called")
    file_name: Annotated[str, AfterValidator(_names_patient)] | None = Field(
        None, description="{patient} stands for the identifier (letters, digits, . and -), * for anything"
    )


class VendorSettings(sdk.Settings):
    """Settings of the steps that read one vendor's format."""

    patient: WhosePatient | None = None
    """Only for files: a source that asks a cloud names the patient itself."""
    timezone: sdk.Zone | None = None
    """Where wall clocks were that carry no offset."""

    @property
    def zone(self) -> ZoneInfo | None:
        return ZoneInfo(self.timezone) if self.timezone else None


def whose(message: sdk.Message, settings: VendorSettings) -> Whose:
    """Whose data a message is, and what it does not say of itself. Raises InvalidMessage if nobody can tell."""
    return Whose(
        patient=patient_of(message) or named_patient(message, settings.patient),
        version=version_of(message),
        zone=settings.zone,
        asked_at=message.received_at,
    )


def named_patient(message: sdk.Message, setting: WhosePatient | None) -> PatientRef:
    """The patient by the settings and the file's name. Raises InvalidMessage with what to do."""
    if setting is None:
        text = "nothing says whose data this is: set `patient` in this step"
        raise sdk.InvalidMessage(text, code="patient-missing", path="patient")
    if setting.value is not None:
        return PatientRef(system=setting.system, value=setting.value)
    if setting.file_name is None:
        text = "nothing says whose data this is: set `patient.file_name` or `patient.value` in this step"
        raise sdk.InvalidMessage(text, code="patient-missing", path="patient")
    name = message.meta.get("file_name", "").replace("\\", "/").rpartition("/")[2]
    match = pattern_of(setting.file_name).fullmatch(name)
    if match is None:
        text = f"the file's name does not say whose it is: name it as {setting.file_name}"
        raise sdk.InvalidMessage(text, code="patient-missing", path="file_name")
    return PatientRef(system=setting.system, value=match["patient"])


def pattern_of(template: str) -> re.Pattern[str]:
    """`{patient}_*.json` as a pattern with the group `patient`."""
    text = re.escape(template).replace(re.escape(_PATIENT), r"(?P<patient>[A-Za-z0-9.\-]+)").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)
