"""Abbott LibreView's CSV export to records: glucose of sensor and strip, insulin, carbohydrate, notes.

Sensors cut values off: 40 and 500 mg/dL, 2.2 and 27.8 mmol/L stand for what lies beyond, and are recognised in their
own unit. The reader's clock is not put forward in summer, the phone's is: each serial number has its own clock.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from clinical import units
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    Carbohydrate,
    Deed,
    Device,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Road,
    SourceId,
    Status,
    VitalKind,
    VitalSign,
)
from clinical.vendors.libreview_table import Export, open_export
from clinical.vendors.libreview_time import FIELD, DeviceClock, changing_days
from clinical.vendors.making import FIRST_MILLIS, Maker, Measured, Whose, deeds, glucose, quantity
from clinical.vendors.parsing import Flaw, Parsed, Unreadable
from clinical.vendors.tables import Gathered, name_text, number, plain_text
from clinical.vendors.wall_clock import STANDARD, WallClock

SYSTEM: Final = "libreview"
RULE: Final = "libreview-csv"

_SENSOR_LIMITS: Final = {units.MG_DL: (40, 500), units.MMOL_L: (22, 278)}
_STRIP_LIMITS: Final = {units.MG_DL: (20, 500), units.MMOL_L: (11, 278)}
_SENSOR: Final = {"0": ("historic", "Historic Glucose"), "1": ("scan", "Scan Glucose")}
# Looked up once: in Python 3.11 that takes as long as building a small struct.
_INTERSTITIAL, _FINAL, _CSV = Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL, Road.CSV
_MOST_KETONE_STEPS: Final = 80
_KETONE_END: Final = "8.0 mmol/L is where the meter's range ends: it, or more"
_LONG_AGO: Final = "dated before 2000: the clock was not set, or the export is made up"


class Settings(NamedTuple):
    """`dates`: `day-first` or `month-first` where a file does not tell. `summer_time`: None finds out for each device
    whether its clock is put forward. `views`: keep the scans of a Libre 3, which only say that somebody looked."""

    dates: str | None = None
    if_twice: str | None = None
    summer_time: bool | None = None
    views: bool = False


class _Row(msgspec.Struct, frozen=True, gc=False):
    """A row that says something."""

    line: int
    cells: Sequence[str]
    kind: str
    stamp: str
    device: Device
    number: str
    """Among the rows of one device, kind and time: nothing for the first, `#2` for the second."""


def read_libreview(body: bytes, whose: Whose, settings: Settings = Settings()) -> Parsed:  # noqa: B008 - immutable
    """Records of one export of one patient; `whose.zone` is where the devices' clocks were.

    Raises Unreadable, with the line, for a file that is no LibreView export, is garbled or cut, and for one whose dates
    can be read in two ways.
    """
    if whose.zone is None:
        raise Unreadable("the export has no offsets: set `timezone`", code="timezone-missing")
    export = open_export(body, settings.dates)
    reader = _Reader(export, Maker(whose, Road.CSV, SYSTEM, RULE))
    _Reading(export, whose, whose.zone, settings, reader).read()
    return reader.gathered.parsed()


class _Reading:
    """One pass over the rows; those of an hour in which clocks change wait until all are seen."""

    def __init__(self, export: Export, whose: Whose, zone: ZoneInfo, settings: Settings, reader: "_Reader") -> None:
        self._export, self._zone, self._settings, self._reader = export, zone, settings, reader
        self._latest = whose.latest_millis()
        self._devices: dict[tuple[str, str], Device] = {}
        self._seen: dict[tuple[tuple[str, str], str], dict[str, Sequence[str]]] = {}
        self._others: dict[tuple[str | None, str, str], list[Sequence[str]]] = {}
        self._clocks: dict[str, DeviceClock] = {}
        self._changing = self._stamps_of_changing_days()
        self._waiting: dict[tuple[str, str], list[_Row]] = {}

    def read(self) -> None:
        reader, clocks, latest = self._reader, self._clocks, self._latest
        for line, cells in self._export.rows:
            try:
                row = self._row(line, cells)
                if row is None:
                    reader.gathered.skipped += 1
                    continue
                serial = row.device.serial or ""
                effective = (clocks.get(serial) or self._clock(serial)).instant(row.stamp)
                if effective is None:
                    self._waiting.setdefault((serial, row.kind), []).append(row)
                else:
                    reader.read(row, effective, None, latest)
            except Flaw as flaw:
                reader.problem(line, cells, flaw)
        for (serial, _), rows in self._waiting.items():
            self._read_waiting(rows, self._clock(serial))

    def _read_waiting(self, rows: Sequence[_Row], clock: DeviceClock) -> None:
        """Rows of one kind stand in the order in which they happened."""
        written = []
        for row in rows:
            try:
                written.append((row, clock.written(row.stamp)))
            except Flaw as flaw:
                self._reader.problem(row.line, row.cells, flaw)
        walls = [stamp.wall for _, stamp in written]
        found = WallClock(self._zone, walls, if_twice=self._settings.if_twice, summer_time=clock.summer_time)
        for place, (row, stamp) in enumerate(written):
            try:
                effective, remark = found.instant(place, stamp, FIELD)
                self._reader.read(row, effective, remark, self._latest)
            except Flaw as flaw:
                self._reader.problem(row.line, row.cells, flaw)

    def _clock(self, serial: str) -> DeviceClock:
        if serial not in self._clocks:
            stamps = self._changing.get(serial, ()) if self._settings.summer_time is None else ()
            self._clocks[serial] = DeviceClock(self._export.order, self._zone, stamps, self._settings.summer_time)
        return self._clocks[serial]

    def _stamps_of_changing_days(self) -> dict[str, list[str]]:
        """By serial number."""
        export, found = self._export, dict[str, list[str]]()
        days = changing_days(export.days, export.order, self._zone)
        time, of = export.places["time"], export.places["serial"]
        for _, cells in export.rows if days else ():
            if len(cells) > max(time, of) and cells[time].strip().partition(" ")[0] in days:
                found.setdefault(cells[of].strip(), []).append(cells[time].strip())
        return found

    def _row(self, line: int, cells: Sequence[str]) -> _Row | None:
        """None for what says nothing, and for a row that stands there twice. Raises Flaw."""
        places, width = self._export.places, len(self._export.header)
        if len(cells) != width and (len(cells) < width or any(cells[width:])):
            raise Flaw("Row", "row-width", "has other columns than the header: columns have moved")
        kind = cells[places["type"]].strip()
        named = cells[places["device"]], cells[places["serial"]]
        device = self._devices.get(named)
        if device is None:
            device = self._devices[named] = _device(*named)
        if kind in "16" and self._says_nothing(cells, kind, device):
            return None
        stamp = cells[places["time"]].strip()
        seen = self._seen.get((named, kind))
        if seen is None:
            seen = self._seen[named, kind] = {}
        first = seen.setdefault(stamp, cells)
        if first is cells:
            return _Row(line, cells, kind, stamp, device, "")
        others = self._others.setdefault((device.serial, kind, stamp), [first])
        if cells in others:
            return None
        others.append(cells)
        return _Row(line, cells, kind, stamp, device, f"#{len(others)}")

    def _says_nothing(self, cells: Sequence[str], kind: str, device: Device) -> bool:
        """A clock that was set, an empty note, and a Libre 3's app that was looked at."""
        if kind == "6":
            notes = self._export.places["notes"]
            return notes < 0 or not cells[notes].strip()
        return kind == "1" and not self._settings.views and (device.model or "").endswith("Libre 3")


def _device(model: str, serial: str) -> Device:
    return Device(
        vendor="Abbott",
        model=name_text(model, "Device") or None,
        serial=name_text(serial, "Serial Number") or None,
    )


class _Reader:
    """Makes records of rows whose time is known."""

    def __init__(self, export: Export, maker: Maker) -> None:
        self.export, self.maker, self.gathered = export, maker, Gathered()
        self._measured: dict[tuple[str, str], Measured] = {}

    def problem(self, line: int, cells: Sequence[str], flaw: Flaw) -> None:
        self.gathered.problem(line, flaw, self.export.only(cells))

    def read(self, row: _Row, effective: Instant, remark: str | None, latest: float) -> None:
        """Raises Flaw; its field names are the export's English headers."""
        if effective.millis > latest:
            raise Flaw(FIELD, "time-impossible", "lies after the day on which the file came in")
        sensor = _SENSOR.get(row.kind)
        if sensor:
            self.gathered.records.append(self._sensor(row, effective, remark, *sensor))
            return
        made = self._records(_One(self, row, effective, remark))
        self.gathered.records += made
        self.gathered.skipped += not made

    def _sensor(self, row: _Row, effective: Instant, remark: str | None, column: str, name: str) -> Glucose:
        """What nearly every row is, on a short way."""
        place, whose = self.export.places[column], self.maker.whose
        text = row.cells[place].strip() if place >= 0 else ""
        measured = self._measured.get((text, column)) or self.measured(text, column, name)
        value = measured.value
        plain = remark is None and measured.remark is None and effective.how == "zone"
        return Glucose(
            patient=whose.patient,
            effective=effective,
            status=_FINAL,
            source=SourceId(road=_CSV, system=SYSTEM, value=self.identity(row, effective), version=whose.version),
            original=Original(value=text, unit=value.unit, code=row.kind, time=row.stamp),
            device=row.device,
            done=() if plain and effective.millis >= FIRST_MILLIS else self.done(effective, remark, measured.remark),
            analyte=_INTERSTITIAL,
            value=value,
            detection=measured.detection,
        )

    def identity(self, row: _Row, effective: Instant) -> str:
        """The device, what kind of row, and its wall clock; `|2` in the second pass through an hour."""
        serial = row.device.serial
        identity = f"{serial}|{row.kind}|{effective.local}{row.number}"
        if effective.fold:
            identity = f"{identity}|2"
        return identity if serial else self.maker.whose.digest(row.device.model, identity)

    def done(self, effective: Instant, *remarks: str | None) -> tuple[Deed, ...]:
        standard = STANDARD if effective.how == "standard" and STANDARD not in remarks else None
        long_ago = _LONG_AGO if effective.millis < FIRST_MILLIS else None
        return deeds(RULE, self.maker.rule_version, *remarks, standard, long_ago)

    def _records(self, one: "_One") -> Sequence[AnyRecord]:
        match one.kind:
            case "2":
                return (one.strip(),)
            case "3":
                return (one.ketone(),)
            case "4":
                return one.insulin()
            case "5":
                return one.food()
            case "6":
                return (one.note("note", plain_text(one.cell("notes"))),)
            case _:
                raise Flaw("Record Type", "record-type-unknown", "is none of 0 to 6")

    def measured(self, text: str, column: str, name: str) -> Measured:
        """The same text in the same column is measured once."""
        found = self._measured.get((text, column))
        if found is None:
            if self.export.unit is None:
                raise Flaw(name, "unit-missing", "has no unit in the header; a unit is never guessed")
            found = self._measured[text, column] = _measured(text, column, name, self.export.unit)
        return found


def _measured(text: str, column: str, name: str, unit: str) -> Measured:
    value = number(text, name) if text else None
    if value is None:
        raise Flaw(name, "value-missing", "has no value, though the record type says that it has")
    if unit == units.MG_DL and value != value.to_integral_value():
        raise Flaw(name, "unit-contradicted", "has decimals, which mg/dL has not: another unit than the header's")
    low, high = (_STRIP_LIMITS if column == "strip" else _SENSOR_LIMITS)[unit]
    if not low <= value / units.STEP[unit] <= high:
        raise Flaw(name, "value-impossible", f"lies outside what the device can say in {unit}: perhaps another unit")
    return glucose(value, unit, name, low=low, high=high, clamped=True)


class _One:
    """One row."""

    def __init__(self, reader: _Reader, row: _Row, effective: Instant, remark: str | None) -> None:
        self._reader, self._row, self._effective, self._remark = reader, row, effective, remark
        self.kind = row.kind

    def cell(self, column: str) -> str:
        place = self._reader.export.places[column]
        return self._row.cells[place].strip() if place >= 0 else ""

    def _entry(self, value: str, unit: str | None = None, remark: str | None = None, part: str = "") -> dict[str, Any]:
        row, reader = self._row, self._reader
        original = Original(value=value[:64] or None, unit=unit, code=row.kind, time=row.stamp)
        identity = f"{reader.identity(row, self._effective)}{part}"
        entry = reader.maker.entry(identity, self._effective, original, device=row.device)
        return {**entry, "done": reader.done(self._effective, self._remark, remark)}

    def strip(self) -> Glucose:
        text = self.cell("strip")
        measured = self._reader.measured(text, "strip", "Strip Glucose")
        return Glucose(
            **self._entry(text, measured.value.unit, measured.remark),
            analyte=Analyte.CAPILLARY_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
        )

    def ketone(self) -> VitalSign:
        text = self.cell("ketone")
        value = quantity(number(text, "Ketone"), units.MMOL_L, "Ketone", 30)
        remark = _KETONE_END if value.steps >= _MOST_KETONE_STEPS else None
        return VitalSign(**self._entry(text, units.MMOL_L, remark), kind=VitalKind.KETONE, value=value)

    def insulin(self) -> list[AnyRecord]:
        made: list[AnyRecord] = []
        for column, unsaid, name in (
            ("rapid", "rapid_unsaid", "Rapid-Acting Insulin"),
            ("long", "long_unsaid", "Long-Acting Insulin"),
        ):
            text, insulin = self.cell(column), f"{column}-acting"
            if text:
                amount = quantity(number(text, name), units.INSULIN, name, 300)
                entry = self._entry(text, "units", part=f"|{column}")
                made.append(InsulinDose(**entry, kind=InsulinKind.INJECTION, delivered=amount, insulin=insulin))
            elif self.cell(unsaid):
                made.append(self.note("medication", f"{insulin} insulin, amount not entered", f"|{column}"))
        if not made and any(map(self.cell, ("meal", "correction", "user_change"))):
            text = "is empty where meal, correction or user-change insulin is given: nobody can tell what was injected"
            raise Flaw("Rapid-Acting Insulin", "value-unclear", text)
        return made

    def food(self) -> list[AnyRecord]:
        made: list[AnyRecord] = []
        if text := self.cell("carbohydrate"):
            amount = quantity(number(text, "Carbohydrates"), units.GRAM, "Carbohydrates", 2000)
            made.append(Carbohydrate(**self._entry(text, "g"), amount=amount))
        elif servings := self.cell("servings"):
            made.append(self.note("meal", f"{_short(number(servings, 'Carbohydrates'))} servings of carbohydrate"))
        elif self.cell("food_unsaid"):
            made.append(self.note("meal", "food, amount not entered"))
        return made

    def note(self, kind: str, text: str, part: str = "") -> Annotation:
        return Annotation(**self._entry("", part=part), text=text, kind=kind)


def _short(value: Decimal) -> str:
    return f"{value.normalize():f}"
