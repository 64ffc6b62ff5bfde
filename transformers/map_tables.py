"""`map_csv` and `map_xlsx`: tables of any maker to records, by YAML alone."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from clinical.vendors.mapping import Cells
from clinical.vendors.parsing import Parsed, Problem, Unreadable
from clinical.vendors.sheets import Row, csv_rows, delimiter_of, text_of, write_xlsx, xlsx_rows
from engine import sdk
from transformers.mapping_rules import MapTableSettings, RowOf, mapped, missing_column, together
from transformers.vendor_readings import outputs, refuse

Only = Callable[[Sequence[str], Sequence[str]], bytes]
"""Writes a table of its own kind that holds a header and one row."""


class MapCsvSettings(MapTableSettings):
    """Settings of `map_csv`."""

    delimiter: str | None = None
    """By default the one that occurs most often among `,` `;` tab and `|`."""
    encoding: str | None = None
    """By default UTF-8, and UTF-16 where the file is marked so."""


class MapXlsxSettings(MapTableSettings):
    """Settings of `map_xlsx`."""

    sheet: str | None = None
    """The name of the sheet; by default the first."""


@sdk.transformer("map_csv", settings=MapCsvSettings, accepts={sdk.Shape.CSV}, emits=sdk.Shape.RECORDS)
def map_csv(message: sdk.Message, settings: MapCsvSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """A CSV of any maker to records, as `records` says: which columns hold time, value and unit of which kind.

    A row that cannot be read is set aside with its line and column, the others go on. Raises InvalidMessage for a file
    that is no CSV, and for a column that the header does not have, with the nearest one that it has.
    """
    try:
        text = text_of(message.body, settings.encoding)
        delimiter = settings.delimiter or delimiter_of(text)

        def only(header: Sequence[str], cells: Sequence[str]) -> bytes:
            written = io.StringIO(newline="")
            written.write("\r\n" * (settings.header - 1))
            csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerows((header, cells))
            return written.getvalue().encode(settings.encoding or "utf-8", "replace")

        return _table(message, settings, csv_rows(text, delimiter), only)
    except (Unreadable, LookupError) as error:
        wrong = error if isinstance(error, Unreadable) else Unreadable("there is no such `encoding`", code="encoding")
        refuse(wrong)


@sdk.transformer("map_xlsx", settings=MapXlsxSettings, accepts={sdk.Shape.BYTES}, emits=sdk.Shape.RECORDS)
def map_xlsx(message: sdk.Message, settings: MapXlsxSettings) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """A sheet of an XLSX workbook of any maker to records, as `map_csv` does. Cells with dates read as ISO."""

    def only(header: Sequence[str], cells: Sequence[str]) -> bytes:
        return write_xlsx([header, cells], settings.header, settings.sheet)

    try:
        return _table(message, settings, xlsx_rows(message.body, settings.sheet), only)
    except Unreadable as unreadable:
        refuse(unreadable)


def _table(
    message: sdk.Message, settings: MapTableSettings, rows: Iterable[Row], only: Only
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    below = (row for row in rows if row[0] >= settings.header)
    line, names = next(iter(below), (0, ()))
    header = [name.strip() for name in names]
    if not header:
        raise Unreadable(f"the file has no line {settings.header} for the header", code="header-missing")
    for column in settings.columns():
        if column not in header:
            raise missing_column(column, header, line)
    places = {name: place for place, name in reversed(list(enumerate(header)))}
    found = mapped(message, settings, [_row(row, places, header, only) for row in below])
    parsed = _placed(together(found), places)
    if len(found) == 1:
        return outputs(message, parsed, found[0][0])
    return _by_patient(message, [(patient, _placed(part, places)) for patient, part in found])


def _by_patient(message: sdk.Message, found: Sequence[tuple[object, Parsed]]) -> Sequence[sdk.StepOutput]:
    given: list[sdk.StepOutput] = []
    for patient, parsed in found:
        made = outputs(message, parsed, patient)  # type: ignore[arg-type]
        given.extend([] if isinstance(made, sdk.Drop) else made)
    return given or [sdk.Drop("no readings")]


def _row(row: Row, places: dict[str, int], header: Sequence[str], only: Only) -> RowOf:
    line, cells = row
    return f"line {line}", _cells(cells, places), lambda: only(header, cells)


def _cells(cells: Sequence[str], places: dict[str, int]) -> Cells:
    def cell(column: str) -> str:
        place = places.get(column)
        return cells[place].strip() if place is not None and place < len(cells) else ""

    return cell


def _placed(parsed: Parsed, places: dict[str, int]) -> Parsed:
    """Problems with the number of their column, as spreadsheets count."""
    problems = [
        Problem(f"{one.path} column {places[name] + 1}", one.code, one.text, one.body)
        if (name := one.text.partition(": ")[0].partition(" + ")[0]) in places
        else one
        for one in parsed.problems
    ]
    return Parsed(parsed.records, problems, parsed.skipped)
