"""Rows of a LibreView export whose time is known, to records."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

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
from clinical.vendors.libreview_table import Export
from clinical.vendors.libreview_time import FIELD, DeviceClock, Hour
from clinical.vendors.making import FIRST_MILLIS, LONG_AGO, Maker, Measured, deeds, glucose, quantity
from clinical.vendors.parsing import Flaw
from clinical.vendors.tables import Gathered, number, plain_text
from clinical.vendors.wall_clock import STANDARD

SYSTEM: Final = "libreview"
RULE: Final = "libreview-csv"

_SENSOR_LIMITS: Final = {units.MG_DL: (40, 500), units.MMOL_L: (22, 278)}
_STRIP_LIMITS: Final = {units.MG_DL: (20, 500), units.MMOL_L: (11, 278)}
SENSOR: Final = {"0": ("historic", "Historic Glucose"), "1": ("scan", "Scan Glucose")}
# Looked up once: in Python 3.11 that takes as long as building a small struct.
_INTERSTITIAL, _FINAL, _CSV = Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL, Road.CSV
_MOST_KETONE_STEPS: Final = 80
_KETONE_END: Final = "8.0 mmol/L is where the meter's range ends: it, or more"


class LibreRow(msgspec.Struct, frozen=True, gc=False):
    """A row that says something."""

    line: int
    cells: Sequence[str]
    kind: str
    stamp: str
    device: Device
    number: str
    """Among the rows of one device, kind and time: nothing for the first, `#2` for the second."""


class Stream(NamedTuple):
    """Sensor values of one kind of one device. `seen`: their rows by their time."""

    device: Device
    clock: DeviceClock
    place: int
    begins: str
    """How the identity of each begins."""
    seen: dict[str, Sequence[str]]


class RowReader:
    """Makes records of rows whose time is known."""

    def __init__(self, export: Export, maker: Maker) -> None:
        self.export, self.maker, self.gathered = export, maker, Gathered()
        self._type = export.places["type"]
        self._measured: dict[tuple[str, str], Measured] = {}
        self.values: dict[str, Measured] = {}
        """What a sensor's value says, by its text, once it has been read in full."""

    def problem(self, line: int, cells: Sequence[str], flaw: Flaw) -> None:
        self.gathered.problem(line, flaw, self.export.only(cells))

    def read(self, row: LibreRow, effective: Instant, remark: str | None, latest: float) -> None:
        """Raises Flaw; its field names are the export's English headers."""
        if effective.millis > latest:
            raise Flaw(FIELD, "time-impossible", "lies after the day on which the file came in")
        sensor = SENSOR.get(row.kind)
        if sensor:
            self.gathered.records.append(self._sensor(row, effective, remark, *sensor))
            return
        made = self._records(_One(self, row, effective, remark))
        self.gathered.records += made
        self.gathered.skipped += not made

    def _sensor(self, row: LibreRow, effective: Instant, remark: str | None, column: str, name: str) -> Glucose:
        """What nearly every row is, on a short way."""
        place, whose = self.export.places[column], self.maker.whose
        text = row.cells[place].strip() if place >= 0 else ""
        measured = self.values[text] = self.measured(text, column, name)
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

    def plain(
        self, stream: Stream, hour: Hour, past: int, minute: str, value: Measured, cells: Sequence[str], stamp: str
    ) -> Glucose:
        """The record of a plain row: as `_sensor`, for what nearly every row is."""
        local, whose = f"{hour.local}{minute}:00", self.maker.whose
        effective = Instant(
            millis=hour.millis + past,
            how=stream.clock.how,
            local=local,
            offset_minutes=hour.offset,
            zone=hour.zone,
            precision="minute",
        )
        quantity = value.value
        return Glucose(
            patient=whose.patient,
            effective=effective,
            status=_FINAL,
            source=SourceId(road=_CSV, system=SYSTEM, value=f"{stream.begins}{local}", version=whose.version),
            original=Original(value=cells[stream.place], unit=quantity.unit, code=cells[self._type], time=stamp),
            device=stream.device,
            done=() if hour.plain and value.remark is None else self.done(effective, None, value.remark),
            analyte=_INTERSTITIAL,
            value=quantity,
            detection=value.detection,
        )

    def identity(self, row: LibreRow, effective: Instant) -> str:
        """The device, what kind of row, and its wall clock; `|2` in the second pass through an hour."""
        serial = row.device.serial
        identity = f"{serial}|{row.kind}|{effective.local}{row.number}"
        if effective.fold:
            identity = f"{identity}|2"
        return identity if serial else self.maker.whose.digest(row.device.model, identity)

    def done(self, effective: Instant, *remarks: str | None) -> tuple[Deed, ...]:
        standard = STANDARD if effective.how == "standard" and STANDARD not in remarks else None
        long_ago = LONG_AGO if effective.millis < FIRST_MILLIS else None
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

    def __init__(self, reader: RowReader, row: LibreRow, effective: Instant, remark: str | None) -> None:
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
