"""Tables of any maker as rows with their line: CSV in whatever encoding and delimiter, and XLSX."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from clinical.vendors.parsing import Unreadable

Row = tuple[int, Sequence[str]]

_DELIMITERS: Final = ",;\t|"
_ILLEGAL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LARGEST_SHEET_BYTES = 512_000_000


def text_of(body: bytes, encoding: str | None = None) -> str:
    """Decoded by its byte order mark, else as `encoding` (default UTF-8). Raises Unreadable with the line."""
    marked = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    try:
        return body.decode(marked or encoding or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        text = f"the file is not {encoding or 'UTF-8'} text; set `encoding`, such as windows-1252"
        raise Unreadable(text, code="csv-encoding", path=f"line {line}") from None


def delimiter_of(text: str) -> str:
    """The one that occurs most often."""
    sample = text[:65_536]
    return max(_DELIMITERS, key=sample.count)


def csv_rows(text: str, delimiter: str | None = None) -> Iterator[Row]:
    """Rows that hold something, with the line where each begins. Raises Unreadable with the line, also
    for a field longer than the csv module bears (131 072 letters): an open quote swallows rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or delimiter_of(text), strict=True)
    line = 1
    try:
        for cells in reader:
            if (cells and cells[0].strip()) or any(map(str.strip, cells)):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            text = f"a field is longer than {csv.field_size_limit():,} letters: perhaps a quote that is never closed"
            raise Unreadable(text, code="csv-quote", path=f"line {line}") from None
        cut = "unexpected end" in str(error)
        said = "the file ends inside a quoted field: it was cut, or a quote is stray" if cut else "this is no CSV row"
        raise Unreadable(said, code="csv-cut" if cut else "csv-invalid", path=f"line {line}") from None


def xlsx_rows(body: bytes, sheet: str | None = None) -> Iterator[Row]:
    """Rows of a sheet (the first, or the named one) that hold something; dates as ISO text. Raises Unreadable."""
    from openpyxl import load_workbook  # takes a tenth of a second, and most channels read no XLSX

    try:
        if _unpacked_bytes(body) > _LARGEST_SHEET_BYTES:
            book = None
        else:
            book = load_workbook(io.BytesIO(body), read_only=True, data_only=True)
    except Exception:  # noqa: BLE001 - openpyxl raises whatever its parts do, and may quote the file
        raise Unreadable("this is not an XLSX workbook, or it is damaged", code="xlsx-invalid") from None
    if book is None:
        raise Unreadable("the workbook is too large when unpacked", code="xlsx-too-large")
    if sheet is not None and sheet not in book.sheetnames:
        raise Unreadable("the workbook has no sheet of the name in `sheet`", code="xlsx-sheet-missing")
    if not book.worksheets:
        raise Unreadable("the workbook has no sheet", code="xlsx-sheet-missing")
    worksheet = book[sheet] if sheet is not None else book.worksheets[0]
    rows, line = iter(worksheet.iter_rows(values_only=True)), 0
    while True:
        line += 1
        try:
            values = next(rows, None)
        except Exception:  # noqa: BLE001 - as above
            raise Unreadable("this row is damaged", code="xlsx-invalid", path=f"line {line}") from None
        if values is None:
            return
        cells = [_cell(value) for value in values]
        if any(cells):
            yield line, cells


def _unpacked_bytes(body: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return sum(entry.file_size for entry in packed.infolist())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def write_xlsx(rows: Sequence[Sequence[str]], first_line: int = 1, sheet: str | None = None) -> bytes:
    """A workbook with these rows from `first_line` on, all as text."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    page = book.create_sheet(sheet or "Sheet1")
    for _ in range(first_line - 1):
        page.append([])
    for row in rows:
        page.append([_ILLEGAL.sub(" ", cell) for cell in row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def as_csv(rows: Iterable[Row]) -> bytes:
    """Rows as CSV, each on its own line number, for parsers that read CSV. No line breaks inside cells."""
    written, line = io.StringIO(newline=""), 1
    writer = csv.writer(written, lineterminator="\r\n")
    for number, cells in rows:
        written.write("\r\n" * (number - line))
        writer.writerow([" ".join(cell.splitlines()) for cell in cells])
        line = number + 1
    return written.getvalue().encode()
