"""Dexcom Clarity's CSV export to glucose records.

Only `EGV` rows are readings: the thresholds of `Alert` rows stand in the same column. Rows with names, birth dates
and settings are counted and forgotten. Calibrations, insulin, carbohydrate and other events are counted too.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from clinical.records import Analyte, Deed, Device, Glucose, Instant, Original, PatientRef, Road, SourceId, Status
from clinical.time import Written, instant_at_offset, instant_in_zone
from clinical.vendors import clarity_table as table
from clinical.vendors.clarity_table import CutDetector, Row, Table, open_table
from clinical.vendors.clarity_time import Resolved, Stamp, resolve
from clinical.vendors.dexcom_range import Measured, measured
from clinical.vendors.iso_time import read_time
from clinical.vendors.parsing import Flaw, Parsed, Problem

SYSTEM = "clarity"
RULE, RULE_VERSION = "clarity-egv", "1"

_GENERATION = re.compile(r"\bG[4-7]\b", re.IGNORECASE)
_IDENTIFIER = "PatientIdentifier"


@dataclass(slots=True)
class _Reading:
    """An EGV row that says something; its instant is known when the whole file has been read."""

    row: Row
    written: Written
    measured: Measured
    number: str
    device: str
    ticks: int | None
    transmitter: str


def preamble_identifier(body: bytes) -> str | None:
    """What the clinic entered as the patient's identifier, from the rows before the first with a time."""
    for row in open_table(body).rows:
        if len(row.cells) <= table.PATIENT_INFO or row.cells[table.TIME].strip():
            return None
        if row.cells[table.EVENT].strip() == _IDENTIFIER:
            return row.cells[table.PATIENT_INFO].strip() or None
    return None


def read_clarity(
    body: bytes,
    patient: PatientRef,
    zone: ZoneInfo,
    *,
    version: str | None = None,
    if_twice: str | None = None,
    keep_identifier: bool = False,
) -> Parsed:
    """Records of one export of one patient.

    `zone` is where the device's wall clock was. `if_twice` (`earlier`, `later`) says which pass is meant by a
    time that occurs twice in autumn where neither the transmitter's clock nor the order tells; None makes such a
    row a problem. `keep_identifier`: problems' bodies hold the PatientIdentifier row too, for an export that names
    its patient there. Raises Unreadable, with the line, for a file that is no Clarity export, is garbled, or was cut.
    """
    opened = open_table(body)
    readings, problems, skipped = _read_rows(opened, keep_identifier)
    stamps = [Stamp(reading.written.wall, reading.ticks, reading.transmitter) for reading in readings]
    maker = _Maker(patient, zone, opened.unit, version, if_twice)
    records: list[Glucose] = []
    for reading, meant in zip(readings, resolve(stamps, zone), strict=True):
        try:
            records.append(maker.record(reading, meant))
        except Flaw as flaw:
            problems.append(_problem(opened, reading.row, flaw))
    records.sort(key=lambda record: record.effective.millis)
    problems.sort(key=lambda problem: int(problem.path.removeprefix("line ")))
    return Parsed(records, problems, skipped)


def _read_rows(opened: Table, keep_identifier: bool) -> tuple[list[_Reading], list[Problem], int]:
    readings: list[_Reading] = []
    problems: list[Problem] = []
    skipped = 0
    cut = CutDetector(opened)
    for row in opened.rows:
        cut.saw(row)
        event = row.cells[table.EVENT].strip() if len(row.cells) > table.EVENT else ""
        if event != table.READING and not any(cell.strip() == table.READING for cell in row.cells):
            skipped += 1
            if keep_identifier and event == _IDENTIFIER:
                opened.kept.append(row.cells)
            continue
        try:
            readings.append(_reading(row, opened, cut.width))
        except Flaw as flaw:
            problems.append(_problem(opened, row, flaw))
    cut.check()
    return readings, problems, skipped


def _problem(opened: Table, row: Row, flaw: Flaw) -> Problem:
    return Problem(f"line {row.line}", flaw.code, f"{flaw.field_name} {flaw.text}", opened.only(row))


def _reading(row: Row, opened: Table, width: int) -> _Reading:
    """Raises Flaw; its field names are the export's English headers."""
    cells = row.cells
    if not width <= len(cells) <= len(opened.header) or cells[table.EVENT].strip() != table.READING:
        text = f"has {len(cells)} columns where others have {width}, or EGV in another: columns have moved"
        raise Flaw("Row", "row-width", text)
    number = cells[table.GLUCOSE].strip()
    if not cells[table.TIME].strip():
        raise Flaw("Timestamp", "time-missing", "is empty")
    ticks = cells[table.TICKS].strip() if len(cells) > table.TICKS else ""
    transmitter = cells[table.TRANSMITTER].strip() if len(cells) > table.TRANSMITTER else ""
    if len(transmitter) > 64 or len(cells[table.SOURCE_DEVICE]) > 128:
        raise Flaw("Transmitter ID or Source Device ID", "field-invalid", "is too long")
    return _Reading(
        row=row,
        written=read_time(cells[table.TIME], "Timestamp"),
        measured=_value(number, opened.unit),
        number=number,
        device=cells[table.SOURCE_DEVICE].strip(),
        ticks=int(ticks) if ticks.isascii() and ticks.isdigit() and len(ticks) <= 18 else None,
        transmitter=transmitter,
    )


def _value(number: str, unit: str) -> Measured:
    """A decimal comma is what spreadsheets and translated exports write."""
    text = number.replace(",", ".") if number.count(",") == 1 and "." not in number else number
    try:
        return measured(text or None, unit, None)
    except Flaw as flaw:
        raise Flaw("Glucose Value", flaw.code, flaw.text) from None


@dataclass(frozen=True, slots=True)
class _Maker:
    patient: PatientRef
    zone: ZoneInfo
    unit: str
    version: str | None
    if_twice: str | None

    def record(self, reading: _Reading, meant: Resolved) -> Glucose:
        """Raises Flaw if the row's hour occurs twice and nothing tells which is meant."""
        remarks = [reading.measured.remark] if reading.measured.remark else []
        effective, time_remark = self._effective(reading.written, meant)
        if time_remark:
            remarks.append(time_remark)
        return Glucose(
            patient=self.patient,
            analyte=Analyte.INTERSTITIAL_GLUCOSE,
            value=reading.measured.value,
            detection=reading.measured.detection,
            effective=effective,
            status=Status.FINAL,
            source=SourceId(
                road=Road.CSV, system=SYSTEM, value=self._identity(reading, effective), version=self.version
            ),
            original=Original(value=reading.number, unit=self.unit, time=reading.row.cells[table.TIME]),
            device=_device(reading.device, reading.transmitter),
            done=tuple(Deed(rule=RULE, version=RULE_VERSION, what=remark) for remark in remarks),
        )

    def _effective(self, written: Written, meant: Resolved) -> tuple[Instant, str | None]:
        """The instant, and what was done to find it."""
        if written.offset_minutes is not None:
            return instant_at_offset(written, written.offset_minutes, "offset"), None
        if meant.doubtful and self.if_twice is None:
            text = (
                "occurs twice on that day (clocks went back), nothing tells which is meant; check timezone or if_twice"
            )
            raise Flaw("Timestamp", "time-twice", text)
        if meant.doubtful:
            chosen = f"time that occurs twice taken as the {self.if_twice} by setting"
            return instant_in_zone(written, self.zone, second=self.if_twice == "later"), chosen
        instant = instant_in_zone(written, self.zone, second=meant.fold)
        if instant.gap:
            return instant, "time that the zone leaves out, read with the offset before it"
        return instant, f"time that occurs twice decided by {meant.by}" if meant.by else None

    def _identity(self, reading: _Reading, effective: Instant) -> str:
        """Transmitter and its clock name a reading for ever; without them patient, device and wall clock do."""
        if reading.transmitter and reading.ticks is not None:
            return f"{reading.transmitter}|{reading.ticks}"
        patient, pass_ = self.patient, "2" if effective.fold else "1"
        ticks = "" if reading.ticks is None else str(reading.ticks)
        parts = (patient.system, patient.value, reading.device, reading.written.wall.isoformat(), pass_, ticks)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=1024)
def _device(source_device: str, transmitter: str) -> Device:
    """Phones call themselves `iPhone G6`; receivers give a serial number that is not the sensor's."""
    generation = _GENERATION.search(source_device)
    model = f"Dexcom {generation[0].upper()}" if generation else None
    return Device(
        vendor="Dexcom",
        model=model,
        generation=generation[0].lower() if generation else None,
        serial=transmitter or None,
    )
