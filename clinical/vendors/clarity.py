"""Dexcom Clarity's CSV export to glucose records.

Only `EGV` rows are readings: the thresholds of `Alert` rows stand in the same column. Rows with names, birth dates
and settings are counted and forgotten. Calibrations, insulin, carbohydrate and other events are counted too.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import msgspec

from clinical.records import Analyte, Device, Glucose, Instant, Original, PatientRef, Road, SourceId, Status
from clinical.time import Written, instant_at_offset, instant_in_zone, passes
from clinical.vendors import clarity_table as table
from clinical.vendors.clarity_table import CutDetector, Table, open_table
from clinical.vendors.clarity_time import ONLY, Resolved, Stamp, resolve
from clinical.vendors.dexcom_range import Measured, measured
from clinical.vendors.iso_time import PAST_THE_HOUR, read_time
from clinical.vendors.making import FIRST_MILLIS, LONG_AGO, Whose, deeds
from clinical.vendors.parsing import Flaw, Parsed, Problem
from clinical.vendors.sheets import Row
from clinical.vendors.wall_clock import HOUR_LENGTH, HourClock

SYSTEM = "clarity"
RULE, RULE_VERSION = "clarity-egv", "1"

_GENERATION = re.compile(r"\bG[4-7]\b", re.IGNORECASE)
_IDENTIFIER = "PatientIdentifier"
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_TIME, _EVENT, _GLUCOSE, _TICKS = table.TIME, table.EVENT, table.GLUCOSE, table.TICKS
_SOURCE_DEVICE, _TRANSMITTER = table.SOURCE_DEVICE, table.TRANSMITTER
_BY_TIME = attrgetter("effective.millis")

# Looked up once: in Python 3.11 that takes as long as building a small struct.
_INTERSTITIAL, _FINAL, _CSV = Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL, Road.CSV


class _Reading(msgspec.Struct, frozen=True, gc=False):
    """An EGV row whose instant only the whole file tells: it stands where the zone's clocks change, or is written in a
    rare form."""

    row: Row
    stamp: str
    written: Written
    measured: Measured
    number: str
    source: "_Source"
    ticks: str


class _Source(NamedTuple):
    """What a row says of where it comes from; `name` as the device calls itself."""

    name: str
    transmitter: str
    device: Device


def preamble_identifier(body: bytes) -> str | None:
    """What the clinic entered as the patient's identifier, from the rows before the first with a time."""
    for _, cells in open_table(body).rows:
        if len(cells) <= table.PATIENT_INFO or cells[table.TIME].strip():
            return None
        if cells[table.EVENT].strip() == _IDENTIFIER:
            return cells[table.PATIENT_INFO].strip() or None
    return None


def read_clarity(
    body: bytes,
    patient: PatientRef,
    zone: ZoneInfo,
    *,
    version: str | None = None,
    if_twice: str | None = None,
    keep_identifier: bool = False,
    asked_at: datetime | None = None,
) -> Parsed:
    """Records of one export of one patient.

    `zone` is where the device's wall clock was. `if_twice` (`earlier`, `later`) says which pass is meant by a
    time that occurs twice in autumn where neither the transmitter's clock nor the order tells; None makes such a
    row a problem. `keep_identifier`: problems' bodies hold the PatientIdentifier row too, for an export that names
    its patient there. `asked_at` (aware): what is dated more than a day later is a problem. Raises Unreadable, with
    the line, for a file that is no Clarity export, is garbled, or was cut.
    """
    opened = open_table(body)
    maker = _Maker(Whose(patient, version, zone, asked_at), zone, opened.unit, if_twice)
    reader = _Reader(opened, maker)
    reader.read(keep_identifier)
    records = reader.records()
    records.sort(key=_BY_TIME)
    problems = [problem for _, problem in sorted(reader.problems, key=itemgetter(0))]
    return Parsed(records, problems, reader.skipped)


class _Reader:
    """Goes through the rows once and makes records of plain ones at sight."""

    def __init__(self, opened: Table, maker: "_Maker") -> None:
        self._opened, self._maker = opened, maker
        self._rows: list[Glucose | _Reading] = []
        self._clocks: list[tuple[str, str]] = []
        self._waiting: list[_Reading] = []
        self.problems: list[tuple[int, Problem]] = []
        self.skipped = 0

    def read(self, keep_identifier: bool) -> None:
        cut = CutDetector(self._opened)
        for row in self._not_plain(cut):
            cells, width = row[1], cut.width
            cut.saw(row)
            if table.READING not in cells and table.READING not in map(str.strip, cells):
                self.skipped += 1
                if keep_identifier and _event(cells) == _IDENTIFIER:
                    self._opened.kept.append(cells)
                continue
            try:
                self._other(row, width)
            except Flaw as flaw:
                self._problem(row, flaw)
        cut.check()

    def _not_plain(self, cut: CutDetector) -> Iterator[Row]:
        """Makes records of plain rows, which nearly all are, and yields the others: of other events, in an hour in
        which clocks change, or with a new value or source, which are plain from then on."""
        hour, past = self._maker.clock.hour, PAST_THE_HOUR.get
        take, clocked = self._rows.append, self._clocks.append
        value_of, make = self._maker.values.get, self._maker.plain
        for row in self._opened.rows:
            cells = row[1]
            width = len(cells)
            if width == cut.width and cells[_EVENT] == table.READING:
                stamp = cells[_TIME]
                begun, within = hour(stamp[:HOUR_LENGTH]), past(stamp[HOUR_LENGTH:])
                value = value_of(cells[_GLUCOSE])
                ticks, transmitter = (
                    (cells[_TICKS], cells[_TRANSMITTER])
                    if width > _TRANSMITTER
                    else (cells[_TICKS] if width > _TICKS else "", "")
                )
                if begun is not None and within is not None and value is not None:
                    made = make(cells, begun, within, value, ticks, transmitter)
                    if made is not None:
                        take(made)
                        clocked((ticks, transmitter))
                        cut.saw_whole(row)
                        continue
            yield row

    def _problem(self, row: Row, flaw: Flaw) -> None:
        said = Problem(f"line {row[0]}", flaw.code, f"{flaw.field_name} {flaw.text}", self._opened.only(row))
        self.problems.append((row[0], said))

    def _other(self, row: Row, width: int) -> None:
        """Raises Flaw; its field names are the export's English headers."""
        _, cells = row
        count = len(cells)
        if not width <= count <= len(self._opened.header) or _event(cells) != table.READING:
            text = f"has {count} columns where others have {width}, or EGV in another: columns have moved"
            raise Flaw("Row", "row-width", text)
        stamp = cells[table.TIME]
        if not stamp.strip():
            raise Flaw("Timestamp", "time-missing", "is empty")
        number = cells[table.GLUCOSE].strip()
        value = self._maker.values[number] = _value(number, self._opened.unit)
        reading = _Reading(
            row,
            stamp,
            read_time(stamp, "Timestamp"),
            value,
            number,
            _source(cells[table.SOURCE_DEVICE], _cell(cells, table.TRANSMITTER)),
            _cell(cells, table.TICKS).strip(),
        )
        self._waiting.append(reading)
        self._rows.append(reading)
        self._clocks.append((reading.ticks, reading.source.transmitter))

    def records(self) -> list[Glucose]:
        """Of all rows, when the whole file has been seen."""
        if not self._waiting:
            return cast(list[Glucose], self._rows)
        records: list[Glucose] = []
        for row, meant in zip(self._rows, self._meant(), strict=True):
            if isinstance(row, Glucose):
                records.append(row)
                continue
            try:
                records.append(self._maker.record(row, meant))
            except Flaw as flaw:
                self._problem(row.row, flaw)
        return records

    def _meant(self) -> Iterable[Resolved]:
        """Which pass through an hour that occurs twice; rows that stand in none tell where the transmitter's clock
        was."""
        if not any(passes(reading.written.wall, self._maker.zone).twice for reading in self._waiting):
            return repeat(ONLY, len(self._rows))
        clocks = [(_ticks(ticks), transmitter.strip()) for ticks, transmitter in self._clocks]
        walls = map(_wall, self._rows)
        return resolve([Stamp(wall, *clock) for wall, clock in zip(walls, clocks, strict=True)], self._maker.zone)


def _wall(row: Glucose | _Reading) -> datetime:
    return row.written.wall if isinstance(row, _Reading) else datetime.fromisoformat(row.effective.local or "")


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""


def _event(cells: Sequence[str]) -> str:
    return _cell(cells, table.EVENT).strip()


def _ticks(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


@lru_cache(maxsize=4096)
def _value(number: str, unit: str) -> Measured:
    """A decimal comma is what spreadsheets and translated exports write. Raises Flaw."""
    text = number.replace(",", ".") if number.count(",") == 1 and "." not in number else number
    if text and not text.isalpha() and not _NUMBER.fullmatch(text):
        raise Flaw("Glucose Value", "value-not-a-number", "is not a number")
    try:
        return measured(text or None, unit, None)
    except Flaw as flaw:
        raise Flaw("Glucose Value", flaw.code, flaw.text) from None


class _Maker:
    """Makes records. `values`, `clock`: what a plain row says, once one like it has been read in full."""

    def __init__(self, whose: Whose, zone: ZoneInfo, unit: str, if_twice: str | None) -> None:
        self._whose, self.zone, self.unit, self._if_twice = whose, zone, unit, if_twice
        self._patient, self._version, self._zone_name = whose.patient, whose.version, zone.key
        self.clock = HourClock(zone, whose.latest_millis())
        self.values: dict[str, Measured] = {}
        self._named = ("", "")
        self._source: _Source | None = None

    def plain(
        self, cells: Sequence[str], hour: tuple[int, str, int], past: int, value: Measured, ticks: str, transmitter: str
    ) -> Glucose | None:
        """The record of a row whose hour and value are known; None if something is wrong with its source."""
        source, stamp = self._source, cells[_TIME]
        if source is None or cells[_SOURCE_DEVICE] != self._named[0] or transmitter != self._named[1]:
            source = self._of(cells[_SOURCE_DEVICE], transmitter)
            if source is None:
                return None
        millis, local, offset = hour
        effective = Instant(
            millis=millis + past,
            how="zone",
            local=local + stamp[HOUR_LENGTH:],
            offset_minutes=offset,
            zone=self._zone_name,
        )
        identity = (
            f"{transmitter}|{ticks}"
            if transmitter and ticks.isdecimal() and ticks.isascii() and len(ticks) <= 18 and ticks[0] != "0"
            else self._identity(source, effective, ticks.strip())
        )
        return Glucose(
            patient=self._patient,
            analyte=_INTERSTITIAL,
            value=value.value,
            detection=value.detection,
            effective=effective,
            status=_FINAL,
            source=SourceId(road=_CSV, system=SYSTEM, value=identity, version=self._version),
            original=Original(value=cells[_GLUCOSE], unit=self.unit, time=stamp),
            device=source.device,
            done=() if value.remark is None else deeds(RULE, RULE_VERSION, value.remark),
        )

    def _of(self, device: str, transmitter: str) -> _Source | None:
        if transmitter != transmitter.strip():
            return None
        try:
            self._source, self._named = _source(device, transmitter), (device, transmitter)
        except Flaw:
            return None  # said where the row is read in full
        return self._source

    def record(self, reading: _Reading, meant: Resolved) -> Glucose:
        """Raises Flaw if the row's hour occurs twice and nothing tells which is meant."""
        effective, time_remark = self._effective(reading.written, meant)
        if effective.millis > self._whose.latest_millis():
            raise Flaw("Timestamp", "time-impossible", "lies after the day on which the file came in")
        long_ago = LONG_AGO if effective.millis < FIRST_MILLIS else None
        measured, source = reading.measured, reading.source
        identity = self._identity(source, effective, reading.ticks)
        return Glucose(
            patient=self._patient,
            analyte=_INTERSTITIAL,
            value=measured.value,
            detection=measured.detection,
            effective=effective,
            status=_FINAL,
            source=SourceId(road=_CSV, system=SYSTEM, value=identity, version=self._version),
            original=Original(value=reading.number, unit=self.unit, time=reading.stamp),
            device=source.device,
            done=deeds(RULE, RULE_VERSION, measured.remark, time_remark, long_ago),
        )

    def _effective(self, written: Written, meant: Resolved) -> tuple[Instant, str | None]:
        """The instant, and what was done to find it."""
        if written.offset_minutes is not None:
            return instant_at_offset(written, written.offset_minutes, "offset"), None
        if meant.doubtful and self._if_twice is None:
            text = (
                "occurs twice on that day (clocks went back), nothing tells which is meant; check timezone or if_twice"
            )
            raise Flaw("Timestamp", "time-twice", text)
        if meant.doubtful:
            chosen = f"time that occurs twice taken as the {self._if_twice} by setting"
            return instant_in_zone(written, self.zone, second=self._if_twice == "later"), chosen
        instant = instant_in_zone(written, self.zone, second=meant.fold)
        if instant.gap:
            return instant, "time that the zone leaves out, read with the offset before it"
        return instant, f"time that occurs twice decided by {meant.by}" if meant.by else None

    def _identity(self, source: _Source, effective: Instant, ticks: str) -> str:
        """Transmitter and its clock name a reading for ever; without them patient, device and wall clock do."""
        clock = _ticks(ticks)
        if source.transmitter and clock is not None:
            return f"{source.transmitter}|{clock}"
        wall, pass_ = effective.local or "", "2" if effective.fold else "1"
        patient = self._patient
        parts = (patient.system, patient.value, source.name, wall, pass_, "" if clock is None else str(clock))
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
