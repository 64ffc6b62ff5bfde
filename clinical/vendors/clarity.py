"""Dexcom Clarity's CSV export to glucose records.

Only `EGV` rows are readings: the thresholds of `Alert` rows stand in the same column. Rows with names, birth dates
and settings are counted and forgotten. Calibrations, insulin, carbohydrate and other events are counted too.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from clinical.records import Analyte, Device, Glucose, Instant, Original, PatientRef, Road, SourceId, Status
from clinical.time import Written, instant_at_offset, instant_in_zone
from clinical.vendors import clarity_table as table
from clinical.vendors.clarity_table import CutDetector, Row, Table, open_table
from clinical.vendors.clarity_time import ONLY, Resolved, Stamp, resolve
from clinical.vendors.dexcom_range import Measured, measured
from clinical.vendors.iso_time import read_time
from clinical.vendors.making import deeds
from clinical.vendors.parsing import Flaw, Parsed, Problem
from clinical.vendors.wall_clock import HourClock

SYSTEM = "clarity"
RULE, RULE_VERSION = "clarity-egv", "1"

_GENERATION = re.compile(r"\bG[4-7]\b", re.IGNORECASE)
_IDENTIFIER = "PatientIdentifier"

# Looked up once: in Python 3.11 that takes as long as building a small struct.
_INTERSTITIAL, _FINAL, _CSV = Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL, Road.CSV


class _Reading(msgspec.Struct, frozen=True, gc=False):
    """An EGV row that says something. `effective` is None where the zone's clocks change: then the whole file tells,
    and `row` is kept for what nothing tells."""

    row: Row | None
    stamp: str
    effective: Instant | None
    measured: Measured
    number: str
    source: "_Source"
    ticks: int | None


class _Source(NamedTuple):
    """What a row says of where it comes from; `name` as the device calls itself."""

    name: str
    transmitter: str
    device: Device


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
    reader = _Reader(opened, zone)
    reader.read(keep_identifier)
    readings, problems = reader.readings, reader.problems
    maker = _Maker(patient, zone, opened.unit, version, if_twice)
    records: list[Glucose] = []
    for reading, meant in zip(readings, _meant(readings, zone), strict=True):
        try:
            records.append(maker.record(reading, meant))
        except Flaw as flaw:
            assert reading.row is not None  # only what no plain time tells is in doubt
            problems.append(_problem(opened, reading.row, flaw))
    records.sort(key=lambda record: record.effective.millis)
    problems.sort(key=lambda problem: int(problem.path.removeprefix("line ")))
    return Parsed(records, problems, reader.skipped)


def _meant(readings: Sequence[_Reading], zone: ZoneInfo) -> Iterable[Resolved]:
    """Which pass through an hour that occurs twice; rows that stand in none tell where the transmitter's clock was."""
    if all(reading.effective is not None for reading in readings):
        return repeat(ONLY, len(readings))
    stamps = [Stamp(_wall(reading), reading.ticks, reading.source.transmitter) for reading in readings]
    return resolve(stamps, zone)


def _wall(reading: _Reading) -> datetime:
    effective = reading.effective
    return datetime.fromisoformat(effective.local) if effective and effective.local else _written(reading).wall


def _written(reading: _Reading) -> Written:
    return read_time(reading.stamp, "Timestamp")


class _Reader:
    """Goes through the rows once; the instants of plain times come from `HourClock`."""

    def __init__(self, opened: Table, zone: ZoneInfo) -> None:
        self._opened = opened
        self._clock = HourClock(zone)
        self.readings: list[_Reading] = []
        self.problems: list[Problem] = []
        self.skipped = 0

    def read(self, keep_identifier: bool) -> None:
        opened, cut = self._opened, CutDetector(self._opened)
        for row in opened.rows:
            cut.saw(row)
            if table.READING not in row.cells and table.READING not in map(str.strip, row.cells):
                self.skipped += 1
                if keep_identifier and _event(row) == _IDENTIFIER:
                    opened.kept.append(row.cells)
                continue
            try:
                self.readings.append(self._reading(row, cut.width))
            except Flaw as flaw:
                self.problems.append(_problem(opened, row, flaw))
        cut.check()

    def _reading(self, row: Row, width: int) -> _Reading:
        """Raises Flaw; its field names are the export's English headers."""
        cells, count = row.cells, len(row.cells)
        if not width <= count <= len(self._opened.header) or _event(row) != table.READING:
            text = f"has {count} columns where others have {width}, or EGV in another: columns have moved"
            raise Flaw("Row", "row-width", text)
        ticks = cells[table.TICKS].strip() if count > table.TICKS else ""
        stamp = cells[table.TIME]
        effective = self._clock.instant(stamp)
        if effective is None:
            _check_time(stamp)
        number = cells[table.GLUCOSE].strip()
        return _Reading(
            row if effective is None else None,
            stamp,
            effective,
            _value(number, self._opened.unit),
            number,
            _source(cells[table.SOURCE_DEVICE], cells[table.TRANSMITTER] if count > table.TRANSMITTER else ""),
            int(ticks) if ticks.isascii() and ticks.isdigit() and len(ticks) <= 18 else None,
        )


def _event(row: Row) -> str:
    return row.cells[table.EVENT].strip() if len(row.cells) > table.EVENT else ""


def _problem(opened: Table, row: Row, flaw: Flaw) -> Problem:
    return Problem(f"line {row.line}", flaw.code, f"{flaw.field_name} {flaw.text}", opened.only(row))


def _check_time(stamp: str) -> None:
    """Raises Flaw for one that cannot be read when the whole file is known."""
    if not stamp.strip():
        raise Flaw("Timestamp", "time-missing", "is empty")
    read_time(stamp, "Timestamp")


@lru_cache(maxsize=4096)
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
        effective, time_remark = reading.effective, None
        if effective is None:
            effective, time_remark = self._effective(_written(reading), meant)
        measured, source = reading.measured, reading.source
        origin = SourceId(road=_CSV, system=SYSTEM, value=self._identity(reading, effective), version=self.version)
        return Glucose(
            patient=self.patient,
            analyte=_INTERSTITIAL,
            value=measured.value,
            detection=measured.detection,
            effective=effective,
            status=_FINAL,
            source=origin,
            original=Original(value=reading.number, unit=self.unit, time=reading.stamp),
            device=source.device,
            done=deeds(RULE, RULE_VERSION, measured.remark, time_remark) if measured.remark or time_remark else (),
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
        source, ticks = reading.source, reading.ticks
        if source.transmitter and ticks is not None:
            return f"{source.transmitter}|{ticks}"
        wall, pass_ = effective.local or "", "2" if effective.fold else "1"
        parts = (self.patient.system, self.patient.value, source.name, wall, pass_, "" if ticks is None else str(ticks))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=1024)
def _source(source_device: str, transmitter: str) -> _Source:
    """Phones call themselves `iPhone G6`; receivers give a serial number that is not the sensor's. Raises Flaw."""
    name, transmitter = source_device.strip(), transmitter.strip()
    if len(transmitter) > 64 or len(source_device) > 128:
        raise Flaw("Transmitter ID or Source Device ID", "field-invalid", "is too long")
    found = _GENERATION.search(name)
    device = Device(
        vendor="Dexcom",
        model=f"Dexcom {found[0].upper()}" if found else None,
        generation=found[0].lower() if found else None,
        serial=transmitter or None,
    )
    return _Source(name, transmitter, device)
