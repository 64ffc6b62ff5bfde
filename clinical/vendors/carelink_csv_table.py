"""Medtronic CareLink's CSV export as sections: of the 700 series and Guardian Connect, and of Paradigm pumps.

The first lines hold names, birth date and serial numbers of a person's devices in any number; nothing of them is kept.
Each section begins with a line of dashes, the device and its serial number, and repeats the header. An old export
has no such lines: one header, and the device in each row.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from clinical import units
from clinical.time import Written
from clinical.vendors.date_order import order_of, read_date
from clinical.vendors.parsing import Flaw, Unreadable
from clinical.vendors.sheets import Row, csv_rows, delimiter_of
from clinical.vendors.tables import Columns, check_end, export_text, name_text, normal, write_rows

DASHES: Final = "-------"
_UNIT: Final = re.compile(r"\((mg/dl|mmol/l)\)")
_LANGUAGES: Final = {
    "German": {"datum", "zeit"},
    "Dutch": {"datum", "tijd"},
    "French": {"date", "heure"},
    "Spanish": {"fecha", "hora"},
    "Italian": {"data", "ora"},
}
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)


@dataclass(slots=True)
class Section:
    """Rows under one header. `unit` is that of glucose in its header, None where it names none."""

    title: Sequence[str]
    header: Sequence[str] = field(repr=False)
    columns: Columns
    unit: str | None
    rows: list[Row] = field(repr=False)

    @property
    def model(self) -> str | None:
        return name_text(self.title[1], "Device") or None if len(self.title) > 1 else None

    @property
    def serial(self) -> str | None:
        return name_text(self.title[3], "Serial Number") or None if len(self.title) > 3 else None

    @property
    def aggregated(self) -> bool:
        """Daily sums of what the algorithm gave."""
        return any("aggregated" in normal(cell) for cell in self.title)


@dataclass(slots=True)
class CareLinkFile:
    sections: list[Section]
    order: str
    delimiter: str

    def only(self, section: Section, row: Sequence[str]) -> bytes:
        """The smallest export that holds this row. A `Start Date` keeps the order of its dates."""
        stamp = {"day-first": "31/12/2000", "month-first": "12/31/2000", "year-first": "2000/12/31"}[self.order]
        first = ["Data Range", stamp]
        return write_rows((first, *([section.title] if section.title else []), section.header, row), self.delimiter)

    def written(self, date: str, clock: str) -> Written:
        """Raises Flaw."""
        match = _CLOCK.fullmatch(clock)
        try:
            year, month, day = read_date(date, self.order)
            clocked = [int(part) for part in match.groups("0")] if match else [24]
            wall = datetime(year, month, day, *clocked)  # type: ignore[arg-type]  # noqa: DTZ001 - a wall clock
        except ValueError:
            raise Flaw("Date", "time-unreadable", f"is not a date ({self.order}) and a time") from None
        return Written(wall, None, "second" if match and match[3] else "minute")


def open_carelink(body: bytes, dates: str | None = None) -> CareLinkFile:
    """Raises Unreadable, with the line, for what is no CareLink export, was cut, or has dates that nobody can order."""
    text = export_text(body)
    delimiter = delimiter_of(text)
    rows = list(csv_rows(text, delimiter))
    range_, sections = _sections(rows)
    if not sections:
        raise _not_english(rows)
    if sections[-1].rows and not text.endswith(("\n", "\r")):
        check_end(sections[-1].rows[-1], sections[-1].columns.width)
    days = {day: line for section in reversed(sections) for line, day in _days(section)}
    return CareLinkFile(sections, order_of(days, dates, "Date", beside=range_), delimiter)


def _not_english(rows: Sequence[Row]) -> Unreadable:
    """In which language the columns of date and time are: no other column is guessed at."""
    for line, cells in rows:
        words = set(map(normal, cells))
        for language, day_and_time in _LANGUAGES.items():
            if day_and_time <= words and len(words) > 4:
                text = (
                    f"the header looks like a CareLink export in {language}: only English is read; export it in English"
                )
                return Unreadable(text, code="csv-not-carelink", path=f"line {line}")
    text = "there is no header with Index, Date and Time in English: this is no CareLink export, or one in another"
    return Unreadable(f"{text} language; export it in English", code="csv-not-carelink", path="line 1")


def _sections(rows: Sequence[Row]) -> tuple[str | None, list[Section]]:
    """The date of `Data Range`, which is written as the rows' dates are, and the sections."""
    range_: str | None = None
    title: Sequence[str] = ()
    sections: list[Section] = []
    for line, cells in rows:
        if cells[0].strip() == DASHES:
            title = cells
        elif _is_header(cells):
            unit = _unit(cells, line)
            sections.append(Section(title, cells, Columns(cells), unit, []))
        elif sections:
            sections[-1].rows.append((line, cells))
        elif normal(cells[0]) == "data range" and len(cells) > 1:
            range_ = cells[1].strip().partition(" ")[0]
    return range_, sections


def _is_header(cells: Sequence[str]) -> bool:
    return {"index", "date", "time"} <= set(map(normal, cells))


def _unit(header: Sequence[str], line: int) -> str | None:
    found = {units.ucum(match[1]) for cell in header if (match := _UNIT.search(normal(cell)))}
    if len(found) > 1:
        raise Unreadable("the header names two units of glucose", code="unit-mixed", path=f"line {line}")
    return found.pop() if found else None


def _days(section: Section) -> Iterator[tuple[int, str]]:
    place = section.columns.find("date")
    for line, cells in reversed(section.rows):
        if place is not None and place < len(cells):
            yield line, cells[place].strip()
