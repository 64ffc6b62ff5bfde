"""Was a file cut, or is it no JSON or CSV at all? Pure; reasons hold places and counts, never a value of the file."""

import csv
import io
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

import orjson

from engine import sdk

_JSON = frozenset({sdk.Shape.JSON, sdk.Shape.FHIR, sdk.Shape.RECORDS})
_DELIMITERS = ",;\t|"
_END = "\x00end"
_WINDOW = 32
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a body cannot be what its shape says. Lines and columns count from 1."""

    code: str
    reason: str
    line: int | None = None
    column: int | None = None

    @property
    def place(self) -> str:
        parts = (("line", self.line), ("column", self.column))
        return ", ".join(f"{word} {number}" for word, number in parts if number is not None)


def flaw(body: bytes, shape: sdk.Shape) -> Flaw | None:
    """The first sign that `body` is empty, cut or not of `shape`; None if there is none.

    Looks into JSON and CSV only. A CSV that was cut inside its last field, or exactly between two lines, shows no sign.
    """
    if not body:
        return Flaw("empty", "the file has no content")
    if shape in _JSON:
        return _json_flaw(body)
    if shape is sdk.Shape.CSV:
        return _csv_flaw(body)
    return None


def _json_flaw(body: bytes) -> Flaw | None:
    if body.startswith(_BOM):
        return Flaw("json-bom", "JSON must not begin with a byte order mark (RFC 8259 section 8.1)", 1, 1)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _position(body, error.start)
        return Flaw("json-not-utf8", "this byte is not UTF-8 (RFC 8259 section 8.1)", line, column)
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Flaw("json-broken", f"this is not JSON: {error.msg}", error.lineno, error.colno)
    return None


def _position(body: bytes, offset: int) -> tuple[int, int]:
    start = body.rfind(b"\n", 0, offset) + 1
    return body.count(b"\n", 0, offset) + 1, len(body[start:offset].decode("utf-8")) + 1


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    lines: int
    fields: int
    first: str


def _csv_flaw(body: bytes) -> Flaw | None:
    text = _as_text(body)
    widths: deque[int] = deque(maxlen=_WINDOW)  # of the rows before the last, in its section
    last: _Row | None = None
    line = 1
    try:
        for row in _rows(text):
            line = row.line + row.lines
            if row.first == _END:
                return _cut_row(last, widths) if not text.endswith(("\n", "\r")) else None
            if last is not None:
                widths.append(last.fields)
            if not row.fields:  # a blank line: another section, with other columns, may follow
                widths.clear()
            last = row if row.fields else None
    except csv.Error:  # a field longer than the csv module bears: an open quote swallows row after row
        return _open_quote(line)
    return _open_quote(last.line if last else 1)


def _cut_row(last: _Row | None, widths: Collection[int]) -> Flaw | None:
    """Without a line end, a row narrower than all those before it was cut.

    Rows before the first of the widest are left out: titles above a header are narrow, and real exports are ragged.
    """
    if last is None or not widths:
        return None
    rows = list(widths)
    usual = min(rows[rows.index(max(rows)) :])
    if last.fields >= usual:
        return None
    reason = f"the last row has {last.fields} of {usual} fields and no line end: the file was cut"
    return Flaw("csv-cut", reason, last.line)


def _open_quote(line: int) -> Flaw:
    return Flaw(
        "csv-quote", "a quote opens in this row and is never closed: the file was cut, or a quote is too many", line
    )


def _rows(text: str) -> Iterator[_Row]:
    """The rows and then one more, `_END`: if that does not come out alone, an open quote has swallowed it."""
    sample = text[:65536]
    delimiter = max(_DELIMITERS, key=sample.count)
    ended = text if text.endswith(("\n", "\r")) else text + "\n"
    reader = csv.reader(chain(io.StringIO(ended, newline=""), [_END]), delimiter=delimiter)
    line = 0
    for fields in reader:
        yield _Row(line + 1, reader.line_num - line, len(fields), fields[0] if fields else "")
        line = reader.line_num


def _as_text(body: bytes) -> str:
    """Enough to see rows and quotes. Which encoding the letters are in is for the channel's transformer to know."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    return body.removeprefix(_BOM).decode("latin-1")
