"""Tandem t:connect's therapy timeline export to records: several tables in one file, in any order, some missing.

Each table has a header of its own and is known by its columns: readings, basal rates, boluses. Insulin on board is a
pump's estimate and no dose. Times are the person's wall clock. The first lines name the patient and are not read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Carbohydrate,
    Device,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Road,
    Status,
)
from clinical.time import Written
from clinical.vendors.iso_time import read_time
from clinical.vendors.making import Maker, Whose, glucose, quantity
from clinical.vendors.parsing import Flaw, Parsed, Unreadable
from clinical.vendors.sheets import Row, csv_rows, delimiter_of
from clinical.vendors.tables import Cells, Columns, Gathered, check_end, check_width, export_text, name_text, write_rows
from clinical.vendors.wall_clock import WallClock

SYSTEM: Final = "tandem"
RULE: Final = "tconnect-csv"

_READING: Final = "readings (cgm / bgm)"
_TIMES: Final = ("eventdatetime", "eventtime", "completiondatetime")
_NAMELESS: Final = 1
"""Rows of boluses hold one cell more than their header names, behind all that is read."""
_NO_TIME: Final = "0001-01-01"


@dataclass(slots=True)
class _Table:
    header: Sequence[str]
    columns: Columns
    rows: list[Row] = field(repr=False)

    @property
    def kind(self) -> str:
        columns = self.columns
        if _READING in columns:
            return "readings"
        if "bolusrequestid" in columns or "insulindelivered" in columns:
            return "bolus"
        if "basalrate" in columns or "basal rate" in columns:
            return "basal"
        return "other"


def read_tconnect(body: bytes, whose: Whose, *, if_twice: str | None = None) -> Parsed:
    """Records of one export of one patient; `whose.zone` is where the person was.

    Raises Unreadable, with the line, for a file that holds none of its tables, is garbled, or was cut.
    """
    if whose.zone is None:
        raise Unreadable("the export has no offsets: set `timezone`", code="timezone-missing")
    text = export_text(body)
    delimiter = delimiter_of(text)
    tables = _tables(csv_rows(text, delimiter))
    if not any(table.kind != "other" or "iob" in table.columns for table in tables):
        raise Unreadable("there is no table of a t:connect export in it", code="csv-not-tconnect", path="line 1")
    if tables[-1].rows and not text.endswith(("\n", "\r")):
        check_end(tables[-1].rows[-1], tables[-1].columns.width)
    gathered = Gathered()
    serial = _serial(tables)
    maker = Maker(whose, Road.CSV, SYSTEM, RULE)
    for table in tables:
        if table.kind == "other":
            gathered.skipped += len(table.rows)
        else:
            _Reader(table, maker, whose.zone, if_twice, serial, delimiter).read(gathered)
    return gathered.parsed()


def _tables(rows: Iterator[Row]) -> list[_Table]:
    tables: list[_Table] = []
    for line, cells in rows:
        columns = Columns(cells)
        if any(name in columns for name in _TIMES):
            tables.append(_Table(cells, columns, []))
        elif tables:
            tables[-1].rows.append((line, cells))
    return tables


def _serial(tables: Sequence[_Table]) -> str | None:
    """Only readings say it; a file is of one pump unless they name several."""
    found = {Cells(table.columns, cells)("serialnumber") for table in tables for _, cells in table.rows} - {""}
    serial = found.pop() if len(found) == 1 else ""
    return serial if serial and len(serial) <= 64 and serial.isprintable() else None


class _Reader:
    """One table."""

    def __init__(
        self, table: _Table, maker: Maker, zone: ZoneInfo, if_twice: str | None, serial: str | None, delimiter: str
    ) -> None:
        self._table, self._maker, self._zone, self._if_twice = table, maker, zone, if_twice
        self._serial, self._delimiter = serial, delimiter
        self._make = {"readings": self._reading, "bolus": self._bolus, "basal": self._basal}[table.kind]

    def read(self, gathered: Gathered) -> None:
        timed: list[tuple[Row, Cells, Written]] = []
        for row in self._table.rows:
            try:
                width = self._table.columns.width + (_NAMELESS if self._table.kind == "bolus" else 0)
                check_width(row[1], width, width + 1)
                cells = Cells(self._table.columns, row[1])
                timed.append((row, cells, _written(cells)))
            except Flaw as flaw:
                gathered.problem(row[0], flaw, self._only(row))
        walls = [written.wall for _, _, written in timed]
        clock = WallClock(self._zone, walls, if_twice=self._if_twice)
        for place, (row, cells, written) in enumerate(timed):
            try:
                effective, remark = clock.instant(place, written, "EventDateTime")
                self._maker.whose.check(effective, "EventDateTime")
                made = self._make(cells, effective, remark)
            except Flaw as flaw:
                gathered.problem(row[0], flaw, self._only(row))
            else:
                gathered.records += made
                gathered.skipped += not made

    def _only(self, row: Row) -> bytes:
        return write_rows((self._table.header, row[1]), self._delimiter)

    def _entry(
        self,
        cells: Cells,
        effective: Instant,
        remarks: Sequence[str | None],
        identity: str,
        original: Original,
        **more: Any,
    ) -> dict[str, Any]:
        serial = name_text(cells("serialnumber"), "SerialNumber") or self._serial
        model = name_text(cells("devicetype"), "DeviceType") or "t:slim X2 Insulin Pump"
        named = f"{serial}|{identity}" if serial else self._maker.whose.digest(identity)
        device = Device(vendor="Tandem", model=model, serial=serial)
        return self._maker.entry(named, effective, original, device=device, remarks=remarks, **more)

    def _reading(self, cells: Cells, effective: Instant, remark: str | None) -> list[AnyRecord]:
        """EGV is the sensor's, all else a meter's or typed in; t:connect exports mg/dL."""
        value, kind = cells.number(_READING), name_text(cells("description"), "Description")
        if value is None:
            return []
        egv = kind.casefold() == "egv"
        limits = (40, 400) if egv else (None, None)
        measured = glucose(value, units.MG_DL, "Readings (CGM / BGM)", low=limits[0], high=limits[1])
        if value != value.to_integral_value():
            raise Flaw("Readings (CGM / BGM)", "unit-contradicted", "has decimals, which mg/dL has not")
        original = Original(value=cells(_READING), unit=units.MG_DL, code=kind[:64] or None, time=_time(cells))
        identity = f"{kind}|{effective.local}{_pass(effective)}"
        entry = self._entry(cells, effective, (remark, measured.remark), identity, original)
        analyte = Analyte.INTERSTITIAL_GLUCOSE if egv else Analyte.CAPILLARY_GLUCOSE
        return [Glucose(**entry, analyte=analyte, value=measured.value, detection=measured.detection)]

    def _basal(self, cells: Cells, effective: Instant, remark: str | None) -> list[AnyRecord]:
        names = ("basalrate", "basal rate")
        rate = cells.number(*names)
        if rate is None:
            return []
        original = Original(value=cells(*names), unit="U/h", time=_time(cells))
        entry = self._entry(cells, effective, (remark,), f"basal|{effective.local}{_pass(effective)}", original)
        held = quantity(rate, units.INSULIN_RATE, "BasalRate", 50)
        return [InsulinDose(**entry, kind=InsulinKind.BASAL, rate=held)]

    def _bolus(self, cells: Cells, effective: Instant, remark: str | None) -> list[AnyRecord]:
        """What was given at once, what was given over time (`Bolex`), and the carbohydrate that was entered."""
        request = name_text(cells("bolusrequestid"), "BolusRequestID", 64).partition(".")[0]
        name = f"bolus|{request}" if request else f"bolus|{effective.local}{_pass(effective)}"
        automatic = "automatic" in f"{cells('bolustype')} {cells('description')}".casefold()
        now, later = _amount(cells, "insulindelivered"), _amount(cells, "bolexinsulindelivered")
        asked, slow = _amount(cells, "actualtotalbolusrequested"), _amount(cells, "bolexsize")
        made: list[AnyRecord] = []
        for part, given, requested, status in (
            ("", now, _less(asked, slow), cells("completionstatusdesc")),
            ("|extended", later, slow, cells("bolexcompletionstatusdesc")),
        ):
            if given is None and (part or requested is None):
                continue
            word = name_text(status, "CompletionStatusDesc", 64) or None
            column = "bolexinsulindelivered" if part else "insulindelivered"
            original = Original(value=cells(column), unit="U", code=word, time=_time(cells))
            entry = self._entry(
                cells, effective, (remark,), f"{name}{part}", original,
                status=Status.PRELIMINARY if given is None else Status.FINAL,
            )  # fmt: skip
            seconds = cells.number("duration") if part else None
            made.append(
                InsulinDose(
                    **entry,
                    kind=InsulinKind.EXTENDED_BOLUS if part else InsulinKind.BOLUS,
                    requested=requested,
                    delivered=given,
                    duration_seconds=int(seconds * 60) if seconds is not None and 0 < seconds <= 1440 else None,
                    automatic=automatic,
                )
            )
        carbs = cells.number("carbsize")
        if carbs:
            original = Original(value=cells("carbsize"), unit="g", time=_time(cells))
            entry = self._entry(cells, effective, (remark,), f"{name}|carbs", original)
            made.append(Carbohydrate(**entry, amount=quantity(carbs, units.GRAM, "CarbSize", 2000)))
        return made


def _written(cells: Cells) -> Written:
    """Raises Flaw. `0001-01-01` stands for no time."""
    text = next((found for name in _TIMES if (found := cells(name)) and not found.startswith(_NO_TIME)), "")
    if not text:
        raise Flaw("EventDateTime", "time-missing", "is empty")
    written = read_time(text, "EventDateTime")
    return Written(written.wall, None, written.precision)


def _time(cells: Cells) -> str:
    return cells(*_TIMES)[:64]


def _pass(effective: Instant) -> str:
    return "|2" if effective.fold else ""


def _amount(cells: Cells, column: str) -> Quantity | None:
    found = cells.number(column)
    return None if found is None else quantity(found, units.INSULIN, column, 300)


def _less(total: Quantity | None, part: Quantity | None) -> Quantity | None:
    """What was asked for at once, of a bolus of which a part was to come later."""
    if total is None or part is None:
        return total
    return Quantity(steps=max(total.steps - part.steps, 0), unit=total.unit)
