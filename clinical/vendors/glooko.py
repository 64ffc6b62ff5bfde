"""Glooko's export (Omnipod 5 and many other devices) to records: sensor, meter, boluses, basal, totals, alarms.

Times look like UTC where they end in `Z`, and are the person's wall clock all the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Carbohydrate,
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
)
from clinical.time import Written
from clinical.trends import DEXCOM
from clinical.vendors.date_order import YEAR_FIRST, read_date
from clinical.vendors.event_tables import GLOOKO_ALARMS
from clinical.vendors.glooko_files import Table, open_glooko, order_in
from clinical.vendors.iso_time import read_time
from clinical.vendors.making import Maker, Whose, glucose, glucose_unit, quantity
from clinical.vendors.parsing import Flaw, Parsed, Unreadable
from clinical.vendors.sheets import Row
from clinical.vendors.tables import Gathered, check_width, name_text, normal, number
from clinical.vendors.wall_clock import WallClock

SYSTEM: Final = "glooko"
RULE: Final = "glooko-export"

_UNIT: Final = re.compile(r"\((mg/dl|mmol/l)\)")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s?([ap])\.?m\.?)?", re.ASCII | re.IGNORECASE)
_LOWEST: Final = {units.MG_DL: 40, units.MMOL_L: 22}
_SLOW: Final = ("extended", "square", "dual", "combo", "verzögert", "verlängert")
_BY_ITSELF: Final = ("auto", "algorithm", "closed loop")


def read_glooko(
    body: bytes, whose: Whose, file_name: str = "", *, dates: str | None = None, if_twice: str | None = None
) -> Parsed:
    """Records of one export of one patient, zipped or one of its files; `whose.zone` is where the person was.

    Raises Unreadable, with file and line, for what is no Glooko export, is damaged or cut, and for dates that read both
    ways where neither the range in the first lines nor `dates` tells.
    """
    if whose.zone is None:
        raise Unreadable("times look like UTC and are local: set `timezone`", code="timezone-missing")
    tables = open_glooko(body, file_name)
    order = order_in(tables, dates)
    gathered = Gathered()
    maker = Maker(whose, Road.CSV, SYSTEM, RULE)
    for table in tables:
        _Reader(table, maker, order).read(gathered, whose.zone, if_twice)
    return gathered.parsed()


def _written(stamp: str, order: str) -> Written:
    """`1/7/2025 23:59`, `05.08.2026 23:59`, or ISO 8601; an offset that is written is none. Raises Flaw."""
    if order == YEAR_FIRST:
        written = read_time(stamp, "Timestamp")
        return Written(written.wall, None, written.precision)
    day, _, clock = stamp.partition(" ")
    match = _CLOCK.fullmatch(clock.strip())
    try:
        year, month, date = read_date(day, order)
        hour, minute, second = (int(part or 0) for part in match.groups()[:3]) if match else (24, 0, 0)
        if match and match[4]:
            hour = hour % 12 + (12 if match[4] in "pP" else 0) if 1 <= hour <= 12 else 24
        wall = datetime(year, month, date, hour, minute, second)  # noqa: DTZ001 - a wall clock
    except ValueError:
        raise Flaw("Timestamp", "time-unreadable", f"is not a date ({order}) and time") from None
    return Written(wall, None, "second" if match and match[3] else "minute")


class _Reader:
    """One table."""

    def __init__(self, table: Table, maker: Maker, order: str) -> None:
        self._table, self._maker, self._order = table, maker, order
        makers: Mapping[str, Callable[[_One], Iterable[AnyRecord]]] = {
            "cgm": _One.sensor,
            "bg": _One.meter,
            "bolus": _One.bolus,
            "basal": _One.basal,
            "alarms": _One.alarm,
            "insulin": _One.total,
            "carbs": _One.carbohydrate,
        }
        self._make = makers[table.kind]

    def read(self, gathered: Gathered, zone: ZoneInfo, if_twice: str | None) -> None:
        table = self._table
        timed: list[tuple[Row, Written]] = []
        for row in table.rows:
            try:
                check_width(row[1], len(table.header), len(table.header) + 1)
                timed.append((row, _written(table.cell(row[1], "time"), self._order)))
            except Flaw as flaw:
                gathered.problem(row[0], flaw, table.only(row[1], self._order), table.file)
        walls = [written.wall for _, written in timed]
        clock = WallClock(zone, walls, if_twice=if_twice)
        seen: dict[str, int] = {}
        for place, (row, written) in enumerate(timed):
            try:
                effective, remark = clock.instant(place, written, "Timestamp")
                self._maker.whose.check(effective, "Timestamp")
                made = list(self._make(_One(table, self._maker, row[1], effective, remark, seen)))
            except Flaw as flaw:
                gathered.problem(row[0], flaw, table.only(row[1], self._order), table.file)
            else:
                gathered.records += made
                gathered.skipped += not made


class _One:
    """One row."""

    def __init__(
        self,
        table: Table,
        maker: Maker,
        row: list[str] | Any,
        effective: Instant,
        remark: str | None,
        seen: dict[str, int],
    ) -> None:
        self._table, self._maker, self._row = table, maker, row
        self._effective, self._remark = effective, remark
        self._serial = name_text(self._cell("serial"), "Serial Number") or None
        name = f"{table.kind}|{effective.local}{'|2' if effective.fold else ''}"
        key = f"{self._serial}|{name}"
        seen[key] = seen.get(key, 0) + 1
        self._name = name if seen[key] == 1 else f"{name}#{seen[key]}"

    def _cell(self, column: str) -> str:
        return self._table.cell(self._row, column)

    def _entry(
        self, value: str, unit: str | None, *remarks: str | None, part: str = "", code: str = ""
    ) -> dict[str, Any]:
        name = f"{self._name}{part}"
        identity = f"{self._serial}|{name}" if self._serial else self._maker.whose.digest(name)
        original = Original(
            value=value[:64] or None, unit=unit, code=code[:64] or None, time=self._cell("time")[:64]
        )  # fmt: skip
        device = Device(serial=self._serial) if self._serial else None
        return self._maker.entry(identity, self._effective, original, device=device, remarks=(self._remark, *remarks))

    def _unit(self) -> str:
        match = _UNIT.search(normal(self._table.header[self._table.places["glucose"]]))
        return glucose_unit(match[1] if match else None, "Glucose Value")

    def _glucose(self, analyte: Analyte, lowest: bool) -> Iterable[AnyRecord]:
        text = self._cell("glucose")
        if not text:
            return
        unit = self._unit()
        low = _LOWEST[unit] if lowest else None
        value = number(text, "Glucose Value")
        if unit == units.MG_DL and value != value.to_integral_value():
            raise Flaw("Glucose Value", "unit-contradicted", "has decimals, which mg/dL has not: another unit")
        measured = glucose(value, unit, "Glucose Value", low=low)
        yield Glucose(
            **self._entry(text, unit, measured.remark),
            analyte=analyte,
            value=measured.value,
            detection=measured.detection,
            trend=DEXCOM.trend(self._cell("trend")) if self._cell("trend") else None,
        )

    def sensor(self) -> Iterable[AnyRecord]:
        """Every sensor's range begins at 40 mg/dL; where it ends, the export does not say."""
        return self._glucose(Analyte.INTERSTITIAL_GLUCOSE, lowest=True)

    def meter(self) -> Iterable[AnyRecord]:
        return self._glucose(Analyte.CAPILLARY_GLUCOSE, lowest=False)

    def _amount(self, column: str, unit: str, name: str, most: int) -> Quantity | None:
        text = self._cell(column)
        return quantity(number(text, name), unit, name, most) if text else None

    def bolus(self) -> Iterable[AnyRecord]:
        """What was given at once and what was given over time are two doses; their sum is `Insulin Delivered`."""
        delivered = self._amount("delivered", units.INSULIN, "Insulin Delivered", 300)
        initial = self._amount("initial", units.INSULIN, "Initial Delivery", 300)
        extended = self._amount("extended", units.INSULIN, "Extended Delivery", 300)
        kind = name_text(self._cell("type"), "Insulin Type")
        automatic = any(word in kind.casefold() for word in _BY_ITSELF)
        if delivered is not None:
            if extended is not None and extended.steps > delivered.steps:
                raise Flaw("Extended Delivery", "value-contradicted", "is more than was delivered in all")
            slow = extended is not None and extended.steps > 0
            at_once = Quantity(steps=delivered.steps - (extended.steps if extended else 0), unit=units.INSULIN)
            remark = None
            if slow and initial is not None and initial.steps != at_once.steps:
                raise Flaw("Initial Delivery", "value-contradicted", "and extended are not what was delivered in all")
            whole_slow = not slow and any(word in kind.casefold() for word in _SLOW)
            if at_once.steps or not slow:
                entry = self._entry(self._cell("delivered"), "U", remark, code=kind)
                how = InsulinKind.EXTENDED_BOLUS if whole_slow else InsulinKind.BOLUS
                yield InsulinDose(**entry, kind=how, delivered=at_once, automatic=automatic)
            if slow:
                entry = self._entry(self._cell("extended"), "U", part="|extended", code=kind)
                yield InsulinDose(
                    **entry, kind=InsulinKind.EXTENDED_BOLUS, delivered=extended, automatic=automatic
                )  # fmt: skip
        yield from self.carbohydrate()

    def carbohydrate(self) -> Iterable[AnyRecord]:
        grams = self._amount("carbs", units.GRAM, "Carbs Input", 2000)
        if grams is not None and grams.steps:
            yield Carbohydrate(**self._entry(self._cell("carbs"), "g", part="|carbs"), amount=grams)

    def basal(self) -> Iterable[AnyRecord]:
        rate = self._amount("rate", units.INSULIN_RATE, "Rate", 50)
        delivered = self._amount("delivered", units.INSULIN, "Insulin Delivered", 300)
        minutes = self._cell("duration")
        if rate is None and delivered is None:
            return
        length = number(minutes, "Duration") if minutes else None
        if length is not None and not 0 <= length <= 60 * 24 * 31:
            raise Flaw("Duration", "value-impossible", "lies outside what is possible")
        kind = name_text(self._cell("type"), "Insulin Type")
        yield InsulinDose(
            **self._entry(self._cell("rate") or self._cell("delivered"), "U/h" if rate else "U", code=kind),
            kind=InsulinKind.BASAL,
            rate=rate,
            delivered=delivered,
            duration_seconds=int(length * 60) if length is not None else None,
            automatic=any(word in kind.casefold() for word in _BY_ITSELF),
        )

    def total(self) -> Iterable[AnyRecord]:
        """A day's sums; a row that says none is something else."""
        total, basal, bolus = (
            self._amount(column, units.INSULIN, name, 1000)
            for column, name in (
                ("total", "Total Insulin"),
                ("basal_total", "Total Basal"),
                ("bolus_total", "Total Bolus"),
            )
        )
        if total or basal or bolus:
            yield InsulinTotal(**self._entry(self._cell("total"), "U"), total=total, basal=basal, bolus=bolus)

    def alarm(self) -> Iterable[AnyRecord]:
        said = name_text(self._cell("event"), "Alarm/Event", 200)
        if said:
            yield DeviceEvent(**self._entry("", None, code=said), event=GLOOKO_ALARMS.word(said))
