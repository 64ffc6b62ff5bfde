"""Glooko's export as tables: a zip of CSVs, or one of them, with headers of any language.

The name of a file says what is in it (`cgm_data_1.csv`), in every language; a single file without its name is known by
its header. The first line names the person and is not read, but for its range of dates.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clinical.vendors.date_order import DATE, DAY_FIRST, MONTH_FIRST, order_of, read_date
from clinical.vendors.parsing import Unreadable
from clinical.vendors.sheets import Row, csv_rows, delimiter_of
from clinical.vendors.tables import check_end, export_text, normal, write_rows

_NAME: Final = re.compile(r"(?:manual_)?[a-z]+_data_\d{1,4}\.csv$", re.IGNORECASE | re.ASCII)
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOST_BYTES, _MOST_FILES = 512_000_000, 2_000

# Each kind's columns in the order of the export, with how English, German and other exporters' headers begin.
COLUMNS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "cgm": {
        "time": ("timestamp", "zeitstempel"),
        "glucose": ("cgm glucose value", "cgm-glukosewert", "glucose value", "glukosewert"),
        "serial": ("serial number", "seriennummer", "transmitter id"),
        "trend": ("trend arrow",),
    },
    "bg": {
        "time": ("timestamp", "zeitstempel"),
        "glucose": ("glucose value", "bg value", "glukosewert", "blutzuckerwert"),
        "manual": ("manual reading", "meter", "manuell"),
        "serial": ("serial number", "seriennummer"),
    },
    "bolus": {
        "time": ("timestamp", "zeitstempel"),
        "type": ("insulin type", "bolus type", "insulin-typ", "insulintyp"),
        "bg": ("blood glucose input", "blutzuckereingabe"),
        "carbs": ("carbs input", "carbs (", "kohlenhydrataufnahme"),
        "ratio": ("carbs ratio", "kohlenhydratverhältnis"),
        "delivered": ("insulin delivered", "dose (", "abgegebenes insulin"),
        "initial": ("initial delivery", "anfängliche abgabe"),
        "extended": ("extended delivery", "verzögert"),
        "serial": ("serial number", "seriennummer"),
    },
    "basal": {
        "time": ("timestamp", "zeitstempel"),
        "type": ("insulin type", "insulin-typ", "insulintyp", "type"),
        "duration": ("duration", "dauer"),
        "percent": ("percentage", "prozent"),
        "rate": ("rate", "basal rate"),
        "delivered": ("insulin delivered", "abgegebenes insulin"),
        "serial": ("serial number", "seriennummer"),
    },
    "alarms": {
        "time": ("timestamp", "zeitstempel"),
        "event": ("alarm/event", "alarm type", "alarm/ereignis"),
        "serial": ("serial number", "seriennummer"),
    },
    "insulin": {
        "time": ("timestamp", "zeitstempel"),
        "bolus_total": ("total bolus", "bolus gesamt"),
        "total": ("total insulin", "insulin gesamt"),
        "basal_total": ("total basal", "basal gesamt"),
        "serial": ("serial number", "seriennummer"),
    },
    "carbs": {"time": ("timestamp", "zeitstempel"), "carbs": ("carbs", "kohlenhydrate")},
}
# In which of these columns a header of any language names its unit in brackets: of glucose, grams, percent, others.
_MEASURES: Final[Mapping[str, str]] = {
    "glucose": "glucose",
    "bg": "glucose",
    "carbs": "g",
    "percent": "%",
    **dict.fromkeys(("delivered", "initial", "extended", "duration", "bolus_total", "total", "basal_total"), "other"),
}
_BRACKETS: Final = re.compile(r"\(([^()]*)\)\s*$")
_MEASURE_OF: Final = {"mg/dl": "glucose", "mmol/l": "glucose", "g": "g", "%": "%"}
# A file without its name is what these columns say; the first that fits.
_TELLING: Final = (
    ("basal", {"duration", "rate"}),
    ("bolus", {"delivered", "carbs"}),
    ("alarms", {"event"}),
    ("insulin", {"total"}),
    ("bg", {"glucose", "manual"}),
    ("cgm", {"glucose"}),
)


@dataclass(slots=True)
class Table:
    """One CSV. `places`: where each column of its kind stands; what is not there is not in it."""

    file: str
    kind: str
    first: Sequence[str] = field(repr=False)
    header: Sequence[str] = field(repr=False)
    places: Mapping[str, int]
    rows: list[Row] = field(repr=False)
    delimiter: str
    zipped: bool

    def cell(self, row: Sequence[str], column: str) -> str:
        place = self.places.get(column, -1)
        return row[place].strip() if 0 <= place < len(row) else ""

    def only(self, row: Sequence[str], order: str) -> bytes:
        """The smallest export that holds this row, with nobody's name; the range keeps the order of its dates."""
        stamps = {DAY_FIRST: "31/12/2000", MONTH_FIRST: "12/31/2000"}
        first = ["Name:", f"Date Range:{stamps.get(order, '2000-12-31')}"]
        body = write_rows((first, self.header, row), self.delimiter)
        return _zip(self.file, body) if self.zipped else body


def open_glooko(body: bytes, file_name: str = "") -> list[Table]:
    """Its tables; files of other kinds (food, notes, settings) are left out. Raises Unreadable."""
    zipped = body[:4] == b"PK\x03\x04"
    members = _members(body) if zipped else [(file_name, body)]
    tables = [table for name, member in members if (table := _table(name, member, zipped)) is not None]
    if not tables:
        text = "no table of a Glooko export in it: such as cgm_data_1.csv, with a header in its second line"
        raise Unreadable(text, code="not-glooko", path=None if zipped else "line 1")
    return tables


def _members(body: bytes) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            entries = packed.infolist()
            small = len(entries) <= _MOST_FILES and sum(entry.file_size for entry in entries) <= _MOST_BYTES
            found = [(e.filename, packed.read(e)) for e in entries if _NAME.search(e.filename)] if small else []
    except Exception:  # noqa: BLE001 - zipfile and zlib raise many kinds, and may quote names in the file
        raise Unreadable("the zip is damaged or encrypted; send it again", code="zip-damaged") from None
    if not small:
        raise Unreadable("the zip is too large when unpacked", code="zip-too-large")
    return found


def _zip(name: str, body: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), body)
    return written.getvalue()


def _table(name: str, body: bytes, zipped: bool) -> Table | None:
    match = _NAME.search(name)
    file = match[0].lower() if match else ""
    kind = file.partition("_data_")[0] or None
    if kind is not None and kind not in COLUMNS:
        return None
    text = export_text(body)
    delimiter = delimiter_of(text)
    try:
        rows = list(csv_rows(text, delimiter))
    except Unreadable as unreadable:
        raise Unreadable(
            unreadable.text, code=unreadable.code, path=f"{file} {unreadable.path}".strip()
        ) from None  # the line alone does not say in which file
    if len(rows) < (3 if zipped else 2):  # a name and a header
        return None
    header = rows[1][1]
    kind = kind or _kind_of(header)
    if kind is None:
        return None
    places = _places(kind, header)
    if rows[2:] and not text.endswith(("\n", "\r")):
        check_end(rows[-1], len(header))
    return Table(file, kind, rows[0][1], header, places, rows[2:], delimiter, zipped)


def _kind_of(header: Sequence[str]) -> str | None:
    return next((kind for kind, wanted in _TELLING if wanted <= _named(kind, header).keys()), None)


def _places(kind: str, header: Sequence[str]) -> Mapping[str, int]:
    """By the names where they are known, else by the place, if the units that the header names stand where they should:
    so no quantity is taken for another."""
    named = _named(kind, header)
    if "time" in named and len(named) > 1:
        return named
    standard = [column for column in COLUMNS[kind] if column != "trend"]
    if [_measure(cell) for cell in header] != [_MEASURES.get(column) for column in standard]:
        text = (
            f"the header is in a language that is not known (known are English and German), and its columns are not "
            f"those of a {kind} table by their number and units; export it in English"
        )
        raise Unreadable(text, code="csv-columns-unknown", path="line 2")
    return {column: place for place, column in enumerate(standard)}


def _measure(header: str) -> str | None:
    """What a column measures by the unit in its brackets; None if it names none."""
    found = _BRACKETS.search(normal(header))
    return _MEASURE_OF.get(found[1].strip(), "other") if found else None


def _named(kind: str, header: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    names = [normal(cell) for cell in header]
    for column, beginnings in COLUMNS[kind].items():
        place = next(
            (place for start in beginnings for place, name in enumerate(names) if name.startswith(start)), None
        )
        if place is not None:
            found[column] = place
    return found


def order_in(tables: Sequence[Table], dates: str | None) -> str:
    """The order of the dates of all tables: they come from one account. Where they do not tell, only one order may put
    all of them into the range that the first lines name. Raises Unreadable."""
    days: dict[str, int] = {}
    ranges: list[tuple[str, str]] = []
    for table in tables:
        said = [day for cell in table.first for day in _ISO.findall(cell)]
        if len(said) > 1:
            ranges.append((said[0], said[1]))
        for line, row in table.rows:
            days.setdefault(_day(table.cell(row, "time")), line)
    beside = next((match[0] for table in tables for cell in table.first if (match := DATE.search(cell))), None)
    fits = dates or (_by_range(days, min(ranges)[0], max(end for _, end in ranges)) if ranges else None)
    return order_of(days, fits, "Timestamp", beside=None if beside and len(beside.split("-")[0]) == 4 else beside)


def _day(stamp: str) -> str:
    return stamp.replace("T", " ").partition(" ")[0]


def _by_range(days: Mapping[str, int], first: str, last: str) -> str | None:
    fitting = []
    for order in (DAY_FIRST, MONTH_FIRST):
        try:
            read = [read_date(day, order) for day in days if DATE.fullmatch(day)]
        except ValueError:
            continue
        written = [f"{year:04}-{month:02}-{day:02}" for year, month, day in read]
        if written and all(first <= day <= last for day in written):
            fitting.append(order)
    return fitting[0] if len(fitting) == 1 else None
