"""Glucose records as ORU^R01, such that reading them again gives the same readings."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

from clinical.codes import loinc_for
from clinical.hl7v2.compose import Field, segment
from clinical.hl7v2.dtm import write_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.records import Detection, Device, Glucose, PatientRef, Quantity, Status
from clinical.time import moment
from clinical.units import convert, text_of

OUR_NAMESPACE = "ISLET"

_STATUS = {
    Status.PRELIMINARY: "P",
    Status.FINAL: "F",
    Status.AMENDED: "C",  # the tables before v2.7 have no A
    Status.CORRECTED: "C",
}
_COMPARATOR = {Detection.BELOW: "<", Detection.ABOVE: ">"}


@dataclass(frozen=True, slots=True)
class OruForm:
    """How one receiver wants its messages.

    HD fields (applications, facilities) may have components, written `name^universal id^type`. `unit`: a UCUM unit,
    None as received. `assigner` is written to PID-3.4; unless `our_identifier`, a patient must be named by it.
    `by_reading`: an OBR for each reading instead of one for each analyte and day. `withdrawn`: OBX-11 of readings
    entered in error, D (delete) or W (wrong).
    """

    zone: ZoneInfo
    sending_application: str = OUR_NAMESPACE
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    version: str = "2.5.1"
    processing: str = "P"
    unit: str | None = None
    assigner: str | None = None
    identifier_type: str = "MR"
    our_identifier: bool = False
    by_reading: bool = False
    withdrawn: Literal["D", "W"] = "D"

    @property
    def release(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


def identifier(patient: PatientRef, form: OruForm) -> tuple[str, ...]:
    """The patient as PID-3 (CX) names one. Raises Hl7Error if the receiver would not know who is meant."""
    if form.our_identifier:
        if patient.id is None:
            raise Hl7Error(
                "the patient has no identifier of ours; put identify_patient before this step",
                "patient.id",
                "patient-missing",
            )
        return (patient.id, "", "", form.assigner or OUR_NAMESPACE, form.identifier_type)
    if form.assigner is not None and patient.system.upper() != form.assigner.upper():
        raise Hl7Error(
            "the patient is named by another assigner than the receiver's; link the patient to the receiver's own "
            "identifier, or set patient: ours",
            "patient.system",
            "patient-elsewhere",
        )
    return (patient.value, "", "", form.assigner or patient.system, form.identifier_type)


def write_oru(records: Sequence[Glucose], form: OruForm, control_id: str, sent_at: datetime) -> bytes:
    """One message of one patient's records, in UTF-8, ended by carriage returns.

    `control_id` is MSH-10, `sent_at` (aware) MSH-7: the caller makes both the same on every retry. OBR-3 and OBX-4 come
    from patient, analyte and time, so that a correction replaces what it corrects. Raises Hl7Error as `identifier`.
    """
    lines = [
        _msh(form, control_id, sent_at),
        segment("PID", {1: "1", 3: [identifier(records[0].patient, form)], 5: ("", "", "", "", "", "", "U")}),
    ]
    for number, group in enumerate(_orders(records, form), start=1):
        lines += _order(number, group, form, sent_at)
    return "".join(f"{line}\r" for line in lines).encode()


def _orders(records: Iterable[Glucose], form: OruForm) -> Iterator[list[Glucose]]:
    """The records that share an OBR, all in the order of time."""

    def place(record: Glucose) -> tuple[str, str, str]:
        single = record.source.system + record.source.value if form.by_reading else ""
        return (record.analyte, _local(record, form)[:8], single)

    ordered = sorted(records, key=lambda record: (*place(record)[:2], record.effective.millis, place(record)[2]))
    for _, group in groupby(ordered, key=place):
        yield list(group)


def _local(record: Glucose, form: OruForm) -> str:
    return write_dtm(moment(record.effective.millis, form.zone))


def _msh(form: OruForm, control_id: str, sent_at: datetime) -> str:
    old = form.release < (2, 4)
    return segment(
        "MSH",
        {
            3: _hd(form.sending_application),
            4: _hd(form.sending_facility),
            5: _hd(form.receiving_application),
            6: _hd(form.receiving_facility),
            7: write_dtm(sent_at.astimezone(form.zone).replace(microsecond=0)),
            9: ("ORU", "R01") if old else ("ORU", "R01", "ORU_R01"),
            10: control_id,
            11: form.processing,
            12: form.version,
            18: "UNICODE UTF-8",
        },
    )


def _hd(text: str) -> tuple[str, ...]:
    return tuple(text.split("^"))


def _order(number: int, records: list[Glucose], form: OruForm, sent_at: datetime) -> list[str]:
    codes = {_code(record, form) for record in records}
    fields: dict[int, Field] = {
        1: str(number),
        3: (_order_number(records[0], form), OUR_NAMESPACE),
        4: (*min(codes), "LN"),
        7: _local(records[0], form),
        22: write_dtm(sent_at.astimezone(form.zone).replace(microsecond=0)),
        25: _report_status(records),
    }
    if form.release == (2, 3):
        fields[27] = "1"  # required there: once, the default
    if len(records) > 1:
        fields[8] = _local(records[-1], form)
    lines = [segment("OBR", fields)]
    for place, record in enumerate(records, start=1):
        lines.append(segment("OBX", _observation(place, record, form)))
        lines += [segment("NTE", {1: str(line), 2: "L", 3: note}) for line, note in enumerate(record.notes, start=1)]
    return lines


def _order_number(record: Glucose, form: OruForm) -> str:
    """The same for every version of the same readings: no text of the message or of the value goes into it."""
    patient = record.patient
    parts = [patient.id or f"{patient.system}|{patient.value}", record.analyte, _local(record, form)[:8]]
    if form.by_reading:
        parts += [record.source.system, record.source.value]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:20].upper()


def _report_status(records: Iterable[Glucose]) -> str:
    """OBR-25 for all of them: corrected if any is, preliminary if any is that, else final."""
    said = {_STATUS.get(record.status, "C") for record in records}
    return next(code for code in ("C", "P", "F") if code in said)


def _observation(place: int, record: Glucose, form: OruForm) -> dict[int, Field]:
    quantity = _quantity(record, form)
    withdrawn = record.status is Status.ENTERED_IN_ERROR
    text = "" if withdrawn and record.original.value is None else text_of(quantity.steps, quantity.unit)
    code, display = loinc_for(record.analyte, quantity.unit)
    comparator = _COMPARATOR[record.detection] if record.detection is not None else None
    fields: dict[int, Field] = {
        1: str(place),
        2: "SN" if comparator else "NM",
        3: (code, display, "LN"),
        4: write_dtm(moment(record.effective.millis), offset=False),
        5: (comparator, text) if comparator else text,
        6: (quantity.unit, quantity.unit, "UCUM"),
        11: form.withdrawn if withdrawn else _STATUS[record.status],
        14: _local(record, form),
    }
    if form.release >= (2, 6):
        fields[21] = _instance(record)
    if form.release >= (2, 4) and record.device is not None and (device := _device(record.device)):
        fields[18] = device
    return fields


def _instance(record: Glucose) -> tuple[str, str]:
    """OBX-21, since v2.6: our own id of the reading, else its identity at the source."""
    if record.reading_id is not None:
        return (record.reading_id, OUR_NAMESPACE)
    return (record.source.value, record.source.system)


def _quantity(record: Glucose, form: OruForm) -> Quantity:
    value = record.value
    if form.unit is None or form.unit == value.unit:
        return value
    return Quantity(steps=convert(value.steps, value.unit, form.unit), unit=form.unit)


def _code(record: Glucose, form: OruForm) -> tuple[str, str]:
    return loinc_for(record.analyte, form.unit or record.value.unit)


def _device(device: Device) -> tuple[str, ...] | None:
    """EI: serial number and maker."""
    if device.serial is None:
        return None
    return (device.serial, device.vendor or device.model or "")
