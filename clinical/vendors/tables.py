"""Tables in vendors' exports: numbers of any locale, columns by the names of their headers, rows set aside."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from clinical.records import AnyRecord
from clinical.vendors.json_fields import in_order
from clinical.vendors.parsing import Flaw, Parsed, Problem, Unreadable
from clinical.vendors.sheets import Row, text_of

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,12}(?:[.,]\d{1,20})?|[.,]\d{1,20})", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def number(cell: str, field_name: str) -> Decimal:
    """A number with a decimal point or comma. Raises Flaw: thousands and exponents are not what devices write."""
    text = cell.strip()
    if not _NUMBER.fullmatch(text):
        raise Flaw(field_name, "value-not-a-number", "is not a number, or an absurd one")
    return Decimal(text.replace(",", "."))


def export_text(body: bytes) -> str:
    """An export as text: UTF-8, or UTF-16 with its mark. Raises Unreadable with the line and what to do."""
    try:
        return text_of(body)
    except Unreadable as unreadable:
        text = "the file is not UTF-8 text; export it again and do not save it from a spreadsheet"
        raise Unreadable(text, code=unreadable.code, path=unreadable.path) from None


def plain_text(cell: str, longest: int = 4000) -> str:
    """What a person wrote, without control characters."""
    return _CONTROL.sub(" ", cell[:longest]).strip()


def name_text(cell: str, field_name: str, longest: int = 128) -> str:
    """A name of a device or a serial number. Raises Flaw for one that is none."""
    text = cell.strip()
    if len(text) > longest or not text.isprintable():
        raise Flaw(field_name, "field-invalid", "is too long, or holds control characters")
    return text


def normal(header: str) -> str:
    """A header's words: `Sensor Glucose (mg/dL)` is `sensor glucose (mg/dl)`, odd spaces and quotes apart."""
    return " ".join(header.replace("\ufeff", "").strip(' "\t').casefold().split())


class Columns:
    """Where each column of a header stands. A header that names one twice has its first."""

    def __init__(self, header: Sequence[str]) -> None:
        self.width = len(header)
        self._places: dict[str, int] = {}
        self._begun: dict[tuple[str, ...], tuple[int, str] | None] = {}
        for place, name in enumerate(header):
            self._places.setdefault(normal(name), place)

    def find(self, *names: str) -> int | None:
        """The place of the first of these names (in their normal form) that is there."""
        return next((self._places[name] for name in names if name in self._places), None)

    def starting(self, *beginnings: str) -> tuple[int, str] | None:
        """The place and the normal name of the column that is called so, else of the first that begins so."""
        if beginnings not in self._begun:
            self._begun[beginnings] = next(filter(None, map(self._starting, beginnings)), None)
        return self._begun[beginnings]

    def _starting(self, beginning: str) -> tuple[int, str] | None:
        if beginning in self._places:
            return self._places[beginning], beginning
        return next(((place, name) for name, place in self._places.items() if name.startswith(beginning)), None)

    def __contains__(self, name: str) -> bool:
        return name in self._places


class Cells:
    """One row by the names of its columns; a column that is not there is empty."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: Columns, row: Sequence[str]) -> None:
        self._columns, self._row = columns, row

    def __call__(self, *names: str) -> str:
        """What stands in the first of these columns that is there, without spaces around."""
        place = self._columns.find(*names)
        return self._row[place].strip() if place is not None and place < len(self._row) else ""

    def number(self, *names: str) -> Decimal | None:
        """A number; an empty cell is None. Raises Flaw."""
        text = self(*names)
        return number(text, names[0]) if text else None


def check_width(cells: Sequence[str], width: int, most: int) -> None:
    """Raises Flaw for a row that holds something past the header's columns, or is wider than `most`."""
    if len(cells) > most or any(cells[width:]):
        raise Flaw("Row", "row-width", "has more columns than the header: columns have moved")


def write_rows(rows: Iterable[Sequence[str]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def rows_until_cut(rows: Iterator[Row], whole: bool) -> list[Row]:
    """All rows. Raises Unreadable for a garbled one, and with the last line if the file ends without a line end in a
    row that is narrower than the one before: it was cut."""
    read = list(rows)
    if len(read) > 1 and not whole:
        check_end(read[-1], len(read[-2][1]))
    return read


def check_end(last: Row, width: int) -> None:
    """Raises Unreadable `csv-cut` if the last row of a file without a last line end is narrower than `width`."""
    line, cells = last
    if len(cells) < width:
        text = "the file ends in the middle of this row: it was cut; get it again"
        raise Unreadable(text, code="csv-cut", path=f"line {line}")


@dataclass(slots=True)
class Gathered:
    """What has been read so far: records, problems with the line of each, and rows that say nothing."""

    records: list[AnyRecord] = field(default_factory=list)
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    skipped: int = 0

    def problem(self, line: int, flaw: Flaw, body: bytes, file: str = "") -> None:
        where = f"{file} line {line}" if file else f"line {line}"
        self.problems.append((line, Problem(where, flaw.code, f"{flaw.field_name}: {flaw.text}", body)))

    def parsed(self) -> Parsed:
        problems = [problem for _, problem in sorted(self.problems, key=lambda pair: pair[0])]
        return Parsed(in_order(self.records), problems, self.skipped)


def words(table: Mapping[str, str], said: str) -> str | None:
    """Our word for theirs, letter case apart."""
    return table.get(normal(said))
