"""Medtronic CareLink's CSV export to records: glucose, boluses, basal rates, totals, carbohydrate, events.

A bolus of a 700 pump stands in two rows, selected and then delivered, with one Bolus Number: they are one dose. Rows
that stand there twice count once. What the algorithm gave on a day is a total, never a bolus.
"""

import re
from collections.abc import Callable, Iterable, Sequence
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
    Detection,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    InsulinTotal,
    Original,
    Quantity,
    Road,
    Status,
)
from clinical.time import Written
from clinical.vendors.carelink_csv_table import CareLinkFile, Section, open_carelink
from clinical.vendors.event_tables import CARELINK_CSV
from clinical.vendors.making import Maker, Measured, Whose, glucose, quantity
from clinical.vendors.parsing import Flaw, Parsed, Unreadable
from clinical.vendors.sheets import Row
from clinical.vendors.tables import Cells, Gathered, check_width, name_text, normal, number
from clinical.vendors.wall_clock import WallClock

SYSTEM: Final = "carelink"
RULE: Final = "carelink-csv"

_LIMITS: Final = {units.MG_DL: (40, 400), units.MMOL_L: (22, 222)}
_ABOVE, _BELOW, _FIRST_CODE = 776, 777, 769
_DURATION: Final = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})", re.ASCII)
_RATE: Final = re.compile(r"\bRATE=([\d.]+)", re.ASCII)
_MARKER: Final = re.compile(r"(insulin|meal|carbs?|exercise)\s*:?\s*([\d.,]+)?.*")
_NO_EVENTS: Final = frozenset({"start of the day", "end of the day"})
_ALGORITHM_TOTAL: Final = "CLOSED_LOOP_AUTO_INSULIN"
_BY_ITSELF: Final = frozenset({"CLOSED_LOOP_BG_CORRECTION", "CLOSED_LOOP_AUTO_BOLUS", "CLOSED_LOOP_MICRO_BOLUS"})
_LONGEST_BOLUS_MILLIS: Final = 86_400_000
_EVENTS: Final = ("alarm", "alert", "suspend", "rewind", "sensor exception")


class _Timed(NamedTuple):
    row: Row
    cells: Cells
    written: Written


def read_carelink_csv(body: bytes, whose: Whose, *, dates: str | None = None, if_twice: str | None = None) -> Parsed:
    """Records of one export of one patient; `whose.zone` is where the pump's clock was.

    Raises Unreadable, with the line, for a file that is no CareLink export, is garbled, was cut, or has dates that read
    both ways (Paradigm's) where `dates` does not say.
    """
    if whose.zone is None:
        raise Unreadable("the export has no offsets: set `timezone`", code="timezone-missing")
    file = open_carelink(body, dates)
    gathered = Gathered()
    maker = Maker(whose, Road.CSV, SYSTEM, RULE)
    for section in file.sections:
        _read_section(file, section, maker, whose.zone, if_twice, gathered)
    boluses = [record for record in gathered.records if isinstance(record, InsulinDose)]
    gathered.records = [record for record in gathered.records if not isinstance(record, InsulinDose)]
    gathered.records += join_boluses(boluses)
    return gathered.parsed()


def _read_section(
    file: CareLinkFile, section: Section, maker: Maker, zone: ZoneInfo, if_twice: str | None, gathered: Gathered
) -> None:
    timed = list(_timed(file, section, gathered))
    walls = [one.written.wall for one in timed]
    clock = WallClock(zone, walls, if_twice=if_twice)
    for place, one in enumerate(timed):
        try:
            effective, remark = clock.instant(place, one.written, "Date")
            maker.whose.check(effective, "Date")
            made = _One(section, maker, one, effective, remark).records()
        except Flaw as flaw:
            gathered.problem(one.row[0], flaw, file.only(section, one.row[1]))
        else:
            gathered.records += made
            gathered.skipped += not made


def _timed(file: CareLinkFile, section: Section, gathered: Gathered) -> Iterable[_Timed]:
    """Rows that have a time; one that stands there twice, its index and its upload apart, counts once."""
    apart = {normal(name) for name in ("Index", "Raw-ID", "Raw-Upload ID", "Raw-Seq Num", "Raw-Device Type")}
    keep = [place for place, name in enumerate(section.header) if normal(name) not in apart]
    seen: set[tuple[str, ...]] = set()
    for row in section.rows:
        line, cells = row
        whole = tuple([cells[place] for place in keep if place < len(cells)])
        if whole in seen or not any(whole):
            gathered.skipped += 1
            continue
        seen.add(whole)
        named = Cells(section.columns, cells)
        try:
            check_width(cells, section.columns.width, section.columns.width + 1)
            written = file.written(named("date"), named("time"))
        except Flaw as flaw:
            gathered.problem(line, flaw, file.only(section, cells))
            continue
        yield _Timed(row, named, written)


class _One:
    """One row of a section."""

    def __init__(self, section: Section, maker: Maker, one: _Timed, effective: Instant, remark: str | None) -> None:
        self._section, self._maker, self._cells = section, maker, one.cells
        self._effective, self._remark = effective, remark
        serial = section.serial
        raw = name_text(one.cells("raw-device type"), "Raw-Device Type")
        self._device = Device(vendor="Medtronic", model=section.model or raw or None, serial=serial)
        self._clock = f"{serial or raw}|{one.written.wall.isoformat()}{'|2' if effective.fold else ''}"

    def records(self) -> list[AnyRecord]:
        """Raises Flaw; its field names are the export's headers."""
        makers: tuple[Callable[[], Iterable[AnyRecord]], ...] = (
            self._sensor,
            self._meter,
            self._calibration,
            self._bolus,
            self._basal,
            self._priming,
            self._total,
            self._carbohydrate,
            self._events,
            self._marker,
        )
        return [record for make in makers for record in make()]

    def _cell(self, beginning: str) -> tuple[str, str]:
        """What stands in the column that begins so, and the column's name."""
        found = self._section.columns.starting(beginning)
        return (self._cells(found[1]), found[1]) if found else ("", beginning)

    def _entry(
        self, part: str, value: str, unit: str | None = None, remark: str | None = None, identity: str | None = None
    ) -> dict[str, Any]:
        identity = identity or f"{self._clock}|{part}"
        if not self._section.serial:
            identity = self._maker.whose.digest(identity)
        time = f"{self._cells('date')} {self._cells('time')}"
        original = Original(value=value[:64], unit=unit, code=part, time=time[:64])
        return self._maker.entry(
            identity, self._effective, original, device=self._device, remarks=(self._remark, remark)
        )

    def _amount(self, beginning: str, unit: str, most: int) -> tuple[Quantity | None, str]:
        text, name = self._cell(beginning)
        return (quantity(number(text, name), unit, name, most), text) if text else (None, "")

    def _unit(self, name: str) -> str:
        if self._section.unit is None:
            raise Flaw(name, "unit-missing", "has no unit in the header; a unit is never guessed")
        return self._section.unit

    def _sensor(self) -> Iterable[AnyRecord]:
        text, name = self._cell("sensor glucose")
        if text and not (self._cells("sensor exception") and number(text, name) == 0):
            unit = self._unit(name)
            measured = _sensor_value(number(text, name), unit, name)
            yield Glucose(
                **self._entry("sensor-glucose", text, unit, measured.remark),
                analyte=Analyte.INTERSTITIAL_GLUCOSE,
                value=measured.value,
                detection=measured.detection,
            )

    def _meter(self) -> Iterable[AnyRecord]:
        text, name = self._cell("bg reading")
        if text:
            unit = self._unit(name)
            measured = glucose(number(text, name), unit, name)
            entry = self._entry("bg", text, unit, measured.remark)
            yield Glucose(**entry, analyte=Analyte.CAPILLARY_GLUCOSE, value=measured.value)

    def _calibration(self) -> Iterable[AnyRecord]:
        text, name = self._cell("sensor calibration bg")
        if text:
            unit = self._unit(name)
            value = glucose(number(text, name), unit, name).value
            yield DeviceEvent(**self._entry("calibration", text, unit), event="calibration", value=value)

    def _bolus(self) -> Iterable[AnyRecord]:
        requested, asked = self._amount("bolus volume selected", units.INSULIN, 300)
        delivered, given = self._amount("bolus volume delivered", units.INSULIN, 300)
        if requested is None and delivered is None:
            return
        source, kind = self._cells("bolus source"), self._cells("bolus type")
        if source == _ALGORITHM_TOTAL or self._section.aggregated:
            remark = "what the algorithm gave on this day, as the device adds it up"
            yield InsulinTotal(**self._entry("automatic-total", given or asked, "U", remark), basal=delivered)
            return
        bolus = self._cells("bolus number")
        identity = f"{self._section.serial}|bolus|{bolus}|{self._effective.local or ''}"[:120] if bolus else None
        entry = self._entry(f"bolus|{kind}", given or asked, "U", identity=identity)
        square = "square" in kind.casefold()
        injected = any("inpen" in normal(cell) for cell in self._section.title)
        entry["original"] = Original(
            value=(given or asked)[:64], unit="U", code=kind[:64] or None, system=bolus[:64] or None,
            time=entry["original"].time,
        )  # fmt: skip
        yield InsulinDose(
            **{**entry, "status": Status.PRELIMINARY if delivered is None else Status.FINAL},
            kind=InsulinKind.INJECTION if injected else InsulinKind.EXTENDED_BOLUS if square else InsulinKind.BOLUS,
            requested=requested,
            delivered=delivered,
            duration_seconds=self._duration("bolus duration", "programmed bolus duration") if square else None,
            automatic=source in _BY_ITSELF,
        )

    def _basal(self) -> Iterable[AnyRecord]:
        rate, text = self._amount("basal rate", units.INSULIN_RATE, 50)
        if rate is not None:
            yield InsulinDose(**self._entry("basal", text, "U/h"), kind=InsulinKind.BASAL, rate=rate)
        if self._cells("raw-type") == "BasalProfileStart" and (raw := _RATE.search(self._cells("raw-values"))):
            rate = quantity(number(raw[1], "Raw-Values"), units.INSULIN_RATE, "Raw-Values", 50)
            yield InsulinDose(**self._entry("basal", raw[1], "U/h"), kind=InsulinKind.BASAL, rate=rate)
        amount, name = self._cell("temp basal amount")
        seconds = self._duration("temp basal duration")
        if not amount or not seconds:
            return
        if "percent" in self._cells("temp basal type").casefold():
            entry = self._entry("temp-basal", amount, "%", "percent of a rate that the row does not say")
            yield InsulinDose(**entry, kind=InsulinKind.BASAL, duration_seconds=seconds)
            return
        rate = quantity(number(amount, name), units.INSULIN_RATE, name, 50)
        entry = self._entry("temp-basal", amount, "U/h")
        yield InsulinDose(**entry, kind=InsulinKind.BASAL, rate=rate, duration_seconds=seconds)

    def _priming(self) -> Iterable[AnyRecord]:
        volume, text = self._amount("prime volume delivered", units.INSULIN, 300)
        if volume is not None:
            yield InsulinDose(**self._entry("prime", text, "U"), kind=InsulinKind.PRIMING, delivered=volume)

    def _total(self) -> Iterable[AnyRecord]:
        total, text = self._amount("daily insulin total", units.INSULIN, 1000)
        if total is not None:
            yield InsulinTotal(**self._entry("daily-total", text, "U"), total=total)

    def _carbohydrate(self) -> Iterable[AnyRecord]:
        text, name = self._cell("bwz carb input")
        if not text or number(text, name) == 0:
            return
        if "gram" not in name:
            yield Annotation(
                **self._entry("carbs", text), text=f"carbohydrate {number(text, name)} exchanges", kind="meal"
            )
            return
        yield Carbohydrate(
            **self._entry("carbs", text, "g"), amount=quantity(number(text, name), units.GRAM, name, 2000)
        )

    def _events(self) -> Iterable[AnyRecord]:
        for column in _EVENTS:
            said = name_text(self._cells(column), column, 200)
            if said and normal(said) not in _NO_EVENTS:
                yield self._event(column, said)
        if self._cells("new device time"):
            yield self._event("new device time", "New Device Time")

    def _event(self, column: str, said: str) -> DeviceEvent:
        entry = self._entry(f"{column}|{said}", "")
        entry["original"] = Original(code=said[:64], system=column, time=entry["original"].time)
        return DeviceEvent(**entry, event=CARELINK_CSV.word(said))

    def _marker(self) -> Iterable[AnyRecord]:
        """Guardian Connect: what a person entered in the app, such as `Insulin: 27,00`."""
        said = name_text(self._cells("event marker"), "Event Marker", 200)
        if not said or normal(said) in _NO_EVENTS:
            return
        match = _MARKER.fullmatch(normal(said))
        if match is None or (match[1] != "exercise" and not match[2]):
            yield self._event("event marker", said)
        elif match[1] == "insulin":
            amount = quantity(number(match[2], "Event Marker"), units.INSULIN, "Event Marker", 300)
            yield InsulinDose(**self._entry("insulin", match[2], "U"), kind=InsulinKind.INJECTION, delivered=amount)
        elif match[1] == "exercise":
            yield Annotation(**self._entry("exercise", ""), text="exercise", kind="exercise")
        else:
            amount = quantity(number(match[2], "Event Marker"), units.GRAM, "Event Marker", 2000)
            yield Carbohydrate(**self._entry("meal", match[2], "g"), amount=amount)

    def _duration(self, *beginnings: str) -> int | None:
        for beginning in beginnings:
            text, name = self._cell(beginning)
            if text:
                match = _DURATION.fullmatch(text)
                if match is None:
                    raise Flaw(name, "duration-unreadable", "is not h:mm:ss")
                return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])
        return None


def _sensor_value(value: Decimal, unit: str, name: str) -> Measured:
    """Numbers from 769 on are a pump's states: 776 is above 400, 777 below 40 (Tidepool uploader, NGPHistoryParser)."""
    low, high = _LIMITS[unit]
    if unit == units.MG_DL and value in (_ABOVE, _BELOW):
        above = value == _ABOVE
        detection = Detection.ABOVE if above else Detection.BELOW
        said = Quantity(steps=high if above else low, unit=unit)
        return Measured(said, detection, f"state {value}: {detection.value} the measuring range")
    return glucose(value, unit, name, low=low, high=high)


def join_boluses(doses: Sequence[InsulinDose]) -> list[InsulinDose]:
    """Rows with one Bolus Number and kind become one dose: requested when it was selected, with what was then delivered
    within a day. What came at once and what came over time are two doses of one number."""
    joined: list[InsulinDose] = []
    open_: dict[tuple[str | None, str, InsulinKind], InsulinDose] = {}
    for dose in sorted(doses, key=lambda dose: dose.effective.millis):
        bolus = dose.original.system
        if bolus is None:
            joined.append(dose)
            continue
        key = (dose.device.serial if dose.device else None, bolus, dose.kind)
        begun = open_.pop(key, None)
        near = begun is not None and dose.effective.millis - begun.effective.millis <= _LONGEST_BOLUS_MILLIS
        if begun is not None and dose.delivered is not None and near:
            joined.append(_joined(begun, dose))
            continue
        if begun is not None:
            joined.append(begun)
        if dose.delivered is None:
            open_[key] = dose
        else:
            joined.append(dose)
    return [*joined, *open_.values()]


def _joined(begun: InsulinDose, done: InsulinDose) -> InsulinDose:
    return msgspec.structs.replace(
        begun,
        status=Status.FINAL,
        delivered=done.delivered,
        requested=begun.requested or done.requested,
        original=msgspec.structs.replace(begun.original, value=done.original.value),
        duration_seconds=begun.duration_seconds or done.duration_seconds,
    )
