"""Dexcom Clarity's CSV export as rows: header, unit, lines, and whether the file was cut.

Headers and event words are translated, so columns are known by their position. There are 12 columns, 13 with the
transmitter's clock, 14 with its id. The first rows hold a person's name and settings; they are counted, not kept.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from clinical import units
from clinical.vendors.parsing import Unreadable
from clinical.vendors.sheets import Row

TIME, EVENT, PATIENT_INFO, SOURCE_DEVICE, GLUCOSE, TICKS, TRANSMITTER = 1, 2, 4, 6, 7, 12, 13
READING = "EGV"
_COLUMNS = range(12, 15)
_UNIT = re.compile(r"\((mg/dL|mmol/L)\)", re.IGNORECASE)
# U+FEFF, and its three UTF-8 bytes read as Latin-1 and encoded once more.
_BOMS = re.compile('^["\ufeff\u00ef\u00bb\u00bf]+')


@dataclass(slots=True)
class Table:
    """An open export. `rows` gives every row after the header, once."""

    header: list[str]
    unit: str
    rows: Iterator[Row]
    delimiter: str
    ends_with_newline: bool
    kept: list[Sequence[str]] = field(default_factory=list, repr=False)
    """Rows that an excerpt must repeat."""

    def only(self, row: Row) -> bytes:
        """The smallest export that holds this row: the header, what is kept, and it."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n")
        writer.writerows((self.header, *self.kept, row[1]))
        return text.getvalue().encode()


def open_table(body: bytes) -> Table:
    """Raises Unreadable if this is no Clarity export; so does `rows`, with the line, where the file is garbled."""
    text = _text(body)
    first_line = text[: text.find("\n") + 1 or None]
    delimiter = max(",;\t", key=first_line.count)
    rows = _rows(text, delimiter)
    header = next(rows, None)
    if header is None:
        raise Unreadable("the file is empty", code="csv-empty")
    cells = [_BOMS.sub("", header[1][0]).rstrip('"'), *header[1][1:]]
    return Table(cells, _unit(cells), rows, delimiter, text.endswith(("\n", "\r")))


def _text(body: bytes) -> str:
    encoding = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        text = "the file is not UTF-8 text; export it again and do not save it from a spreadsheet"
        raise Unreadable(text, code="csv-encoding", path=f"line {line}") from None


def _unit(header: list[str]) -> str:
    if len(header) not in _COLUMNS:
        text = f"a Clarity export has 12 to 14 columns, this header has {len(header)}"
        raise Unreadable(text, code="csv-not-clarity", path="line 1")
    found = _UNIT.search(header[GLUCOSE])
    unit = units.ucum(found[1]) if found else None
    if unit is None:
        text = "column 8 of a Clarity export names the glucose unit, (mg/dL) or (mmol/L); this one does not"
        raise Unreadable(text, code="csv-not-clarity", path="line 1")
    return unit


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 0
    try:
        for line, cells in enumerate(reader, 1):
            if reader.line_num != line:
                # No column holds a line break: a stray quote has swallowed rows.
                said = "a quote opened in this row closes in a later one"
                raise Unreadable(said, code="csv-quote", path=f"line {line}")
            if any(cells):
                yield line, cells
    except csv.Error as error:
        raise _garbled(error, line + 1) from None


def _garbled(error: csv.Error, line: int) -> Unreadable:
    if "unexpected end" in str(error):
        text = "the file ends inside a quoted field: it was cut, or a quote is stray"
        return Unreadable(text, code="csv-cut", path=f"line {line}")
    if "field limit" in str(error):
        text = "a field is too long: a quote opened in this row is probably never closed"
        return Unreadable(text, code="csv-quote", path=f"line {line}")
    return Unreadable("this row is not valid CSV", code="csv-invalid", path=f"line {line}")


class CutDetector:
    """Watches the rows go by and says at the end whether the last one is whole.

    A cut file ends in a row with fewer columns than its peers, or without a line end in a last cell that is
    shorter than its peer's. Peers are the rows with a time; settings rows may be shorter than the header.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._last: Row | None = None
        self._timed: Row | None = None
        self._peer: Row | None = None
        self._known = self.width = len(table.header)
        """`width`: columns of a whole row, as far as is known; `_known`: without the last row."""

    def saw(self, row: Row) -> None:
        self._known, self._last = self.width, row
        self._peer = self._timed
        if _is_timed(row):
            count = min(max(len(row[1]), _COLUMNS[0]), len(self._table.header))
            if self._timed is None or count > self.width:
                self.width = count
            self._timed = row

    def saw_whole(self, row: Row) -> None:
        """The same for a row with a time and `width` columns, told faster."""
        self._known = self.width
        self._peer, self._last, self._timed = self._timed, row, row

    def check(self) -> None:
        """Raises Unreadable `csv-cut` with the last line."""
        last = self._last
        if last is None or (self._peer is None and not _is_timed(last)):
            return
        cut = len(last[1]) < self._known
        if not cut and self._peer is not None and not self._table.ends_with_newline:
            cut = _is_reading(last) and _is_reading(self._peer) and len(last[1][-1]) < len(self._peer[1][-1])
        if cut:
            text = "the file ends in the middle of this row: it was cut; get it again"
            raise Unreadable(text, code="csv-cut", path=f"line {last[0]}")


def _is_timed(row: Row) -> bool:
    return len(row[1]) > TIME and bool(row[1][TIME].strip())


def _is_reading(row: Row) -> bool:
    return len(row[1]) > EVENT and row[1][EVENT].strip() == READING
