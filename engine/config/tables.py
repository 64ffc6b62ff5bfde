"""Lookup tables: `channels/tables/NAME.csv`. The first line names the columns, the first column is the key."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config.problems import Place, Report
from engine.model.settings import Table


def read_tables(folder: Path, report: Report) -> Mapping[str, Table]:
    """Every table of the folder by name. A table with problems is left in as far as it could be read, so that what
    refers to it is not blamed as well."""
    return {file.stem: read_table(file, report) for file in sorted(folder.glob("*.csv"))}


def read_table(file: Path, report: Report) -> Table:
    """One table: the key to the row by column name, the key's own column included."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return _rows(file, csv.reader(lines, strict=True), report)
    except UnicodeDecodeError:
        report.add("E503", Place(file, 1, 1), "", "is not UTF-8; save the table as CSV with UTF-8")
    except OSError as error:
        report.add("E503", Place(file, 1, 1), "", f"cannot be opened: {error.strerror}")
    return {}


def _rows(file: Path, reader: Any, report: Report) -> Table:
    table: dict[str, Mapping[str, str]] = {}
    first_lines: dict[str, int] = {}
    try:
        heading: list[str] = next(reader, [])
        if not _usable(heading, file, report):
            return {}
        begin = reader.line_num + 1
        for row in reader:
            line, begin = begin, reader.line_num + 1
            if not row:
                continue
            if len(row) != len(heading):
                text = (
                    f"has {_count(row)}, but the heading {_count(heading)}; put a value with a comma in double quotes"
                )
                report.add("E501", Place(file, line, 1), "", text)
            elif row[0] in table:
                text = f"is there twice (first on line {first_lines[row[0]]}); keep one"
                report.add("E502", Place(file, line, 1), row[0], text)
            else:
                table[row[0]] = dict(zip(heading, row, strict=True))
                first_lines[row[0]] = line
    except csv.Error as error:
        report.add("E503", Place(file, reader.line_num, 1), "", f"is not CSV from here on: {error}")
    return table


def _usable(heading: list[str], file: Path, report: Report) -> bool:
    problem = ""
    if not any(name.strip() for name in heading):
        problem = "has no heading; write the names of the columns on the first line"
    elif len(heading) == 1 and ";" in heading[0]:
        problem = "has one column only; separate columns with commas, not semicolons"
    elif "" in heading or len(set(heading)) < len(heading):
        problem = "has a column without a name of its own; name each column, and each differently"
    if problem:
        report.add("E503", Place(file, 1, 1), "", problem)
    return not problem


def _count(row: list[str]) -> str:
    return "1 value" if len(row) == 1 else f"{len(row)} values"
