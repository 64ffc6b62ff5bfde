"""Records as ORU^R01, such that reading them again gives the same records."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from clinical.hl7v2.compose import Field, segment
from clinical.hl7v2.dtm import write_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.oru_form import OUR_NAMESPACE, OruForm
from clinical.hl7v2.oru_rows import Row, rows_of
from clinical.records import AnyRecord, Device, Glucose, PatientRef, Status, kind_of
from clinical.time import moment

__all__ = ["OUR_NAMESPACE", "OruForm", "identifier", "write_oru"]

_STATUS = {
    Status.PRELIMINARY: "P",
    Status.FINAL: "F",
    Status.AMENDED: "C",  # the tables before v2.7 have no A
    Status.CORRECTED: "C",
}


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


def write_oru(records: Sequence[AnyRecord], form: OruForm, control_id: str, sent_at: datetime) -> bytes:
    """One message of one patient's records, in UTF-8, ended by carriage returns.

    `control_id` is MSH-10, `sent_at` (aware) MSH-7: the caller makes both the same on every retry. OBR-3 and OBX-4 come
    from patient, kind and time, so that a correction replaces what it corrects. Raises Hl7Error as `identifier` and
    `rows_of`.
    """
    lines = [
        msh(form, control_id, sent_at),
        pid(identifier(records[0].patient, form)),
    ]
    for number, group in enumerate(_orders(records, form), start=1):
        lines += _order(number, group, form, sent_at)
    return "".join(f"{line}\r" for line in lines).encode()


def _orders(records: Iterable[AnyRecord], form: OruForm) -> Iterator[list[AnyRecord]]:
    """The records that share an OBR, all in the order of time."""

    def place(record: AnyRecord) -> tuple[str, str, str]:
        single = record.source.system + record.source.value if form.by_reading else ""
        return (_category(record), _local(record, form)[:8], single)

    ordered = sorted(records, key=lambda record: (*place(record)[:2], record.effective.millis, place(record)[2]))
    for _, group in groupby(ordered, key=place):
        yield list(group)


def _local(record: AnyRecord, form: OruForm) -> str:
    return write_dtm(moment(record.effective.millis, form.zone))


def pid(patient: tuple[str, ...]) -> str:
    """PID of a patient whom `identifier` names. A name is required: of type U, unspecified."""
    return segment("PID", {1: "1", 3: [patient], 5: ("", "", "", "", "", "", "U")})


def msh(form: OruForm, control_id: str, sent_at: datetime) -> str:
    """MSH of an ORU^R01 for this receiver."""
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


def _order(number: int, records: list[AnyRecord], form: OruForm, sent_at: datetime) -> list[str]:
    rows = [rows_of(record, form) for record in records]
    fields: dict[int, Field] = {
        1: str(number),
        3: (_order_number(records[0], form), OUR_NAMESPACE),
        4: min(first.code for first, *_ in rows),
        7: _local(records[0], form),
        22: write_dtm(sent_at.astimezone(form.zone).replace(microsecond=0)),
        25: _report_status(records),
    }
    if form.release == (2, 3):
        fields[27] = "1"  # required there: once, the default
    if len(records) > 1:
        fields[8] = _local(records[-1], form)
    lines = [segment("OBR", fields)]
    number_of_obx = 0
    for record, told in zip(records, rows, strict=True):
        for place, row in enumerate(told, start=1):
            number_of_obx += 1
            lines.append(segment("OBX", _observation(number_of_obx, place, row, record, form)))
            if place == 1:
                notes = enumerate(record.notes, start=1)
                lines += [segment("NTE", {1: str(line), 2: "L", 3: note}) for line, note in notes]
    return lines


def _order_number(record: AnyRecord, form: OruForm) -> str:
    """The same for every version of the same readings: no text of the message or of the value goes into it."""
    patient = record.patient
    parts = [patient.id or f"{patient.system}|{patient.value}", _category(record), _local(record, form)[:8]]
    if form.by_reading:
        parts += [record.source.system, record.source.value]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:20].upper()


def _report_status(records: Iterable[AnyRecord]) -> str:
    """OBR-25 for all of them: corrected if any is, preliminary if any is that, else final."""
    said = {_STATUS.get(record.status, "C") for record in records}
    return next(code for code in ("C", "P", "F") if code in said)


def _observation(number: int, place: int, row: Row, record: AnyRecord, form: OruForm) -> dict[int, Field]:
    withdrawn = record.status is Status.ENTERED_IN_ERROR
    fields: dict[int, Field] = {
        1: str(number),
        2: row.kind,
        3: row.code,
        4: _sub_id(record, place),
        5: row.value,
        11: form.withdrawn if withdrawn else _STATUS[record.status],
        14: _local(record, form),
    }
    if row.unit is not None:
        fields[6] = (row.unit, row.unit, "UCUM")
    if form.release >= (2, 6):
        fields[21] = _instance(record, place)
    if form.release >= (2, 4) and record.device is not None and (device := device_of(record.device)):
        fields[18] = device
    return fields


def _category(record: AnyRecord) -> str:
    """What shares an OBR: readings of one analyte, or records of one kind."""
    return record.analyte.value if isinstance(record, Glucose) else kind_of(record)


def _sub_id(record: AnyRecord, place: int) -> str:
    """OBX-4. Of a reading its instant; of all else the record, and the place of the OBX in it."""
    if isinstance(record, Glucose):
        return write_dtm(moment(record.effective.millis), offset=False)
    named = record.reading_id or f"{record.source.system}\n{record.source.value}"
    return f"r{hashlib.sha256(named.encode('utf-8', 'replace')).hexdigest()[:10]}.{place}"


def _instance(record: AnyRecord, place: int) -> tuple[str, str]:
    """OBX-21, since v2.6: our own id of the record, else its identity at the source; of its further OBX with their
    place."""
    further = "" if place == 1 else f".{place}"
    if record.reading_id is not None:
        return (record.reading_id + further, OUR_NAMESPACE)
    return (record.source.value + further, record.source.system)


def device_of(device: Device) -> tuple[str, ...] | None:
    """OBX-18 (EI): serial number and maker; None where no serial number is known."""
    if device.serial is None:
        return None
    return (device.serial, device.vendor or device.model or "")
