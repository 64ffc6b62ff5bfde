"""An outcome as ORU^R01: one OBR for the window, an OBX for each figure, LOINC after the HL7 CGM guide."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from clinical.hl7v2.compose import Field, segment
from clinical.hl7v2.dtm import write_dtm
from clinical.hl7v2.meaning import OUR_SYSTEM
from clinical.hl7v2.oru_form import OUR_NAMESPACE, OruForm
from clinical.hl7v2.oru_out import device_of, identifier, msh, pid
from clinical.hl7v2.outcome_rows import ID, READINGS, VERSION, WINDOW, panel_of, values_of
from clinical.issued import IssuedOutcome, OutcomeStatus
from clinical.time import moment

_STATUS = {OutcomeStatus.PARTIAL: "P", OutcomeStatus.FINAL: "F", OutcomeStatus.AMENDED: "C"}


def write_outcome(
    outcome: IssuedOutcome, form: OruForm, control_id: str, sent_at: datetime, *, own_codes: bool = True
) -> bytes:
    """One message of one version of an outcome, in UTF-8, ended by carriage returns.

    OBR-3, OBX-3 and OBX-4 are the same for every version, so that an amended outcome replaces what is there; what it
    cannot tell any more is deleted. `form.unit` is that of the mean, None for both; without `own_codes` only figures
    with a LOINC code are told. Raises Hl7Error as `identifier`.
    """
    lines = [msh(form, control_id, sent_at), pid(identifier(outcome.patient, form)), _obr(outcome, form, sent_at)]
    lines += [segment("NTE", {1: "1", 2: "L", 3: _in_words(outcome)})]
    rows = _rows(outcome, form, own_codes=own_codes)
    lines += [segment("OBX", {1: str(number), **fields}) for number, fields in enumerate(rows, start=1)]
    return "".join(f"{line}\r" for line in lines).encode()


def _obr(outcome: IssuedOutcome, form: OruForm, sent_at: datetime) -> str:
    fields: dict[int, Field] = {
        1: "1",
        3: (hashlib.sha256(outcome.series.encode()).hexdigest()[:20].upper(), OUR_NAMESPACE),
        4: panel_of(outcome.subject),
        7: _local(outcome.period.start_millis, form),
        8: _end(outcome, form),
        22: write_dtm(sent_at.astimezone(form.zone).replace(microsecond=0)),
        25: _STATUS.get(outcome.status, "C"),
    }
    if form.release == (2, 3):
        fields[27] = "1"  # required there: once, the default
    return segment("OBR", fields)


def _rows(outcome: IssuedOutcome, form: OruForm, *, own_codes: bool) -> Iterator[dict[int, Field]]:
    for told, value in values_of(outcome, form.unit):
        if own_codes or not told.own:
            yield _obx(outcome, form, told.name, told.code, value, told.unit)
    if own_codes:
        about = ((ID, outcome.id), (WINDOW, outcome.period.name))
        numbers = ((VERSION, outcome.version), (READINGS, outcome.readings))
        for name, text in about:
            yield _obx(outcome, form, name, (name, name.replace("-", " "), OUR_SYSTEM), text)
        for name, number in numbers:
            yield _obx(outcome, form, name, (name, name.replace("-", " "), OUR_SYSTEM), Decimal(number), "1")


def _obx(
    outcome: IssuedOutcome,
    form: OruForm,
    name: str,
    code: tuple[str, str, str],
    value: Decimal | str | None,
    unit: str | None = None,
) -> dict[int, Field]:
    """The fields of an OBX. OBX-14 is the end of the window, in which OBR-7 and OBR-8 lie."""
    gone = value is None or outcome.status is OutcomeStatus.ENTERED_IN_ERROR
    fields: dict[int, Field] = {
        2: "ST" if isinstance(value, str) else "NM",
        3: code,
        4: f"{outcome.period.name}.{outcome.period.last_day}",
        5: "" if value is None else str(value),
        11: form.withdrawn if gone else _STATUS[outcome.status],
        14: _end(outcome, form),
        17: (outcome.method.name, f"{outcome.method.name} version {outcome.method.version}", OUR_SYSTEM),
    }
    if unit is not None:
        fields[6] = (unit, unit, "UCUM")
    if form.release >= (2, 6):
        fields[21] = (f"{outcome.series}-{name}", OUR_NAMESPACE)
    if form.release >= (2, 4) and outcome.device is not None and (device := device_of(outcome.device)):
        fields[18] = device
    return fields


def _in_words(outcome: IssuedOutcome) -> str:
    period = outcome.period
    window = f"{period.name}: {period.first_day} to {period.last_day} ({period.zone})"
    return "; ".join((window, f"{outcome.readings} readings", *outcome.method.rules))


def _local(millis: int, form: OruForm) -> str:
    return write_dtm(moment(millis, form.zone))


def _end(outcome: IssuedOutcome, form: OruForm) -> str:
    """The last second of the window."""
    return _local(outcome.period.end_millis - 1000, form)
