"""Senseonics Eversense to records: the DMS export (XLSX or CSV) and the answers of the Eversense NOW follow service.

The export's months are words of its language, its times the person's wall clock, newest first. The service's events
carry the number of their type; one that was deleted there takes back what was told before.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from clinical import units
from clinical.records import Analyte, AnyRecord, Device, Glucose, Original, Road, Status
from clinical.time import Written
from clinical.trends import EVERSENSE
from clinical.vendors.iso_time import read_time
from clinical.vendors.json_fields import Fields, items_of, not_this, read_document, read_each
from clinical.vendors.making import LEAST_MG_DL, Maker, Measured, Whose, glucose, glucose_unit
from clinical.vendors.parsing import Flaw, Parsed, Unreadable
from clinical.vendors.sheets import Row, csv_rows, delimiter_of, write_xlsx, xlsx_rows
from clinical.vendors.tables import (
    Cells,
    Columns,
    Gathered,
    check_end,
    check_width,
    export_text,
    name_text,
    number,
    write_rows,
)
from clinical.vendors.wall_clock import WallClock

SYSTEM: Final = "eversense"
RULE: Final = "eversense"

_LIMITS: Final = {units.MG_DL: (40, 400), units.MMOL_L: (22, 222)}
_DATE, _TIME, _VALUE, _UNIT, _SENSOR = ("eventdatestr", "eventtimestr", "value", "unitmeasureval", "sensorid")
_CLOCK: Final = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s*([AaPp])?\.?\s?(?:[Mm]\.?)?", re.ASCII)
_DAY: Final = re.compile(r"(\d{1,2})[-. /]+([^\W\d_]{3,12})\.?[-. /]+(\d{4})")
_SENSOR_GLUCOSE: Final = 1
# Months by how their names begin in English, German, French, Italian, Spanish, Dutch, Swedish, Polish; what two months
# share in some language (French `mar` and `mai` are told apart by three letters) is written longer.
_MONTHS: Final = (
    "jan|gen|ene|janv|sty",
    "feb|fév|fev|lut",
    "mar|mär|maa|mrt",
    "apr|avr|abr|kwi",
    "may|mai|mag|mei|maj",
    "jun|juin|giu|cze",
    "jul|juil|lug|lip",
    "aug|aoû|aou|ago|sie",
    "sep|set|wrz",
    "oct|okt|ott|paź|paz",
    "nov|lis",
    "dec|dez|déc|dic|gru",
)
_MONTH_OF: Final = {start: place for place, starts in enumerate(_MONTHS, 1) for start in starts.split("|")}


def read_eversense(body: bytes, whose: Whose, *, if_twice: str | None = None, user_id: str | None = None) -> Parsed:
    """Records of an export or of one answer, whichever the body is. `whose.zone`: where the person was. `user_id`:
    whose data it is in a list of several people that an account follows. Raises Unreadable."""
    if body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"[", b"{"):
        return _read_answer(body, whose, user_id)
    if whose.zone is None:
        raise Unreadable("the export has no offsets: set `timezone`", code="timezone-missing")
    return _Export(body, whose, whose.zone, if_twice).read()


class _Export:
    def __init__(self, body: bytes, whose: Whose, zone: ZoneInfo, if_twice: str | None) -> None:
        self._packed = body[:4] == b"PK\x03\x04"
        self._zone, self._if_twice = zone, if_twice
        self._maker = Maker(whose, Road.CSV, SYSTEM, RULE)
        text = "" if self._packed else export_text(body)
        self._delimiter = delimiter_of(text)
        rows = list(xlsx_rows(body) if self._packed else csv_rows(text, self._delimiter))
        start = next((place for place, (_, cells) in enumerate(rows) if _DATE in Columns(cells)), None)
        if start is None or not {_TIME, _VALUE} <= {
            name for name in (_TIME, _VALUE) if name in Columns(rows[start][1])
        }:
            said = "there is no header with EventDateStr, EventTimeStr and Value: this is no Eversense export"
            raise Unreadable(said, code="not-eversense", path="line 1")
        self._header, self._rows = rows[start][1], rows[start + 1 :]
        self._columns = Columns(self._header)
        if self._rows and text and not text.endswith(("\n", "\r")):
            check_end(self._rows[-1], self._columns.width)

    def read(self) -> Parsed:
        gathered = Gathered()
        timed: list[tuple[Row, Cells, Written]] = []
        for row in self._rows:
            cells = Cells(self._columns, row[1])
            try:
                check_width(row[1], self._columns.width, self._columns.width + 1)
                timed.append((row, cells, _written(cells(_DATE), cells(_TIME))))
            except Flaw as flaw:
                gathered.problem(row[0], flaw, self._only(row))
        walls = [written.wall for _, _, written in timed]
        clock = WallClock(self._zone, walls, if_twice=self._if_twice)
        seen: dict[str, int] = {}
        for place, (row, cells, written) in enumerate(timed):
            try:
                effective, remark = clock.instant(place, written, "EventTimeStr")
                self._maker.whose.check(effective, "EventDateStr")
                key = f"{cells(_SENSOR)}|{effective.local}{'|2' if effective.fold else ''}"
                seen[key] = seen.get(key, 0) + 1
                name = key if seen[key] == 1 else f"{key}#{seen[key]}"
                gathered.records += self._glucose(cells, name, effective, remark)
            except Flaw as flaw:
                gathered.problem(row[0], flaw, self._only(row))
        return gathered.parsed()

    def _glucose(self, cells: Cells, name: str, effective: Any, remark: str | None) -> Iterable[AnyRecord]:
        unit = glucose_unit(cells(_UNIT) or None, "UnitMeasureVal")
        measured = _measured(number(cells(_VALUE), "Value"), unit, "Value")
        sensor = name_text(cells(_SENSOR), "SensorID", 64)
        original = Original(value=cells(_VALUE)[:64], unit=unit, time=f"{cells(_DATE)} {cells(_TIME)}"[:64])
        entry = self._maker.entry(
            name if sensor else self._maker.whose.digest(name),
            effective,
            original,
            device=Device(vendor="Senseonics", model="Eversense", serial=sensor or None),
            remarks=(remark, measured.remark),
        )
        return [_record(entry, measured)]

    def _only(self, row: Row) -> bytes:
        rows = (self._header, row[1])
        return write_xlsx(rows) if self._packed else write_rows(rows, self._delimiter)


def _written(date: str, clock: str) -> Written:
    """`19-October-2021` and `3:00 PM`, or what a spreadsheet made of them. Raises Flaw."""
    if re.match(r"\d{4}-\d{2}-\d{2}", date):
        written = read_time(f"{date[:10]} {clock}", "EventTimeStr")
        return Written(written.wall, None, "minute")
    day, time = _DAY.fullmatch(date), _CLOCK.fullmatch(clock)
    if day is None:
        raise Flaw("EventDateStr", "time-unreadable", "is not a date such as 19-October-2021")
    if time is None:
        raise Flaw("EventTimeStr", "time-unreadable", "is not a time such as 3:00 PM")
    name = day[2].casefold()
    month = _MONTH_OF.get(name[:4]) or _MONTH_OF.get(name[:3])
    if month is None:
        raise Flaw("EventDateStr", "month-unknown", "names its month in a language that is not known")
    hour = int(time[1])
    if time[4]:
        hour = hour % 12 + (12 if time[4] in "pP" else 0) if 1 <= hour <= 12 else 24
    try:
        wall = datetime(int(day[3]), month, int(day[1]), hour, int(time[2]), int(time[3] or 0))  # noqa: DTZ001
        if not 1900 <= wall.year <= 2200:
            raise ValueError("no device lives then")  # noqa: TRY301 - said below
    except ValueError:
        raise Flaw("EventDateStr", "time-unreadable", "is not a date and time") from None
    return Written(wall, None, "second" if time[3] else "minute")


def _read_answer(body: bytes, whose: Whose, user_id: str | None) -> Parsed:
    found = items_of(read_document(body), "data", "Data", "value")
    if found is None:
        raise not_this("an answer of Eversense NOW: it is no list", "not-eversense")
    name, items = found
    maker = Maker(whose, Road.CLOUD, SYSTEM, RULE)
    if any(isinstance(item, dict) and "CurrentGlucose" in item for item in items):
        return read_each(_followed(items, user_id), partial(_latest, maker), name=name)
    if items and not any(isinstance(item, dict) and "EventTypeID" in item for item in items):
        raise not_this("an answer of Eversense NOW: its items have no EventTypeID", "not-eversense")
    return read_each(items, partial(_event, maker), name=name)


def _followed(items: Sequence[Any], user_id: str | None) -> Sequence[Any]:
    """The list of all whom an account follows: only the one person's entry is read."""
    chosen = [
        item for item in items if isinstance(item, dict) and (user_id is None or str(item.get("UserID")) == user_id)
    ]
    if len(chosen) != 1:
        text = "the account follows several people, or not this one: say whose data it is by `UserID`"
        raise Unreadable(text, code="patient-ambiguous")
    return chosen


def _event(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    """Sensor glucose; one that is marked as deleted takes back the reading of its time."""
    if item.number("EventTypeID") != _SENSOR_GLUCOSE:
        return []
    effective = maker.whose.time(item.needed_text("EventDate", 64), "EventDate")
    value = item.needed("Value", as_text=True)
    unit = _unit(item, "Units", value, "Value")
    measured = _measured(value, unit, "Value")
    entry = maker.entry(
        maker.whose.digest("glucose", effective.millis),
        effective,
        Original(value=item.original("Value"), unit=unit, code="1", time=item.original("EventDate")),
        device=Device(vendor="Senseonics", model="Eversense"),
        status=Status.ENTERED_IN_ERROR if item.flag("Deleted") else Status.FINAL,
        remarks=(measured.remark, "deleted at its source" if item.flag("Deleted") else None),
    )
    return [_record(entry, measured)]


def _latest(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    """The current value with its arrow; 0 is none."""
    value = item.number("CurrentGlucose", as_text=True)
    if value is None or value == 0:
        return []
    effective = maker.whose.time(item.needed_text("CGTime", 64), "CGTime")
    unit = _unit(item, "Units", value, "CurrentGlucose")
    measured = _measured(value, unit, "CurrentGlucose")
    entry = maker.entry(
        maker.whose.digest("glucose", effective.millis),
        effective,
        Original(value=item.original("CurrentGlucose"), unit=unit, time=item.original("CGTime")),
        device=Device(vendor="Senseonics", model="Eversense"),
        remarks=(measured.remark,),
    )
    return [_record(entry, measured, EVERSENSE.trend(item.original("GlucoseTrend")))]


def _unit(item: Fields, name: str, value: Decimal, field_name: str) -> str:
    """What the answer names; without it only a value that one unit alone can hold is read."""
    written = item.word(name)
    if written:
        return glucose_unit(written, name)
    if value >= LEAST_MG_DL:
        return units.MG_DL
    raise Flaw(field_name, "unit-missing", "may be of either unit, and none is named")


def _measured(value: Decimal, unit: str, name: str) -> Measured:
    low, high = _LIMITS[unit]
    if unit == units.MG_DL and value != value.to_integral_value():
        raise Flaw(name, "unit-contradicted", "has decimals, which mg/dL has not")
    return glucose(value, unit, name, low=low, high=high)


def _record(entry: dict[str, Any], measured: Measured, trend: str | None = None) -> Glucose:
    return Glucose(
        **entry,
        analyte=Analyte.INTERSTITIAL_GLUCOSE,
        value=measured.value,
        detection=measured.detection,
        trend=trend,
    )
