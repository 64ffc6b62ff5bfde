"""Many rows in one SQL statement, for SQLite.

Python's sqlite3 lets go of the interpreter's lock at every row of an `executemany` and then has to win it back from a
busy event loop, which costs more than the row. One statement for all rows asks for it once.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

Row = Sequence[Any]

_MOST_ROWS = 100
"""In one statement: SQLite takes 32,766 parameters, and its plan is kept for each number of rows."""


def insert_rows(connection: sqlite3.Connection, into: str, columns: int, rows: Sequence[Row]) -> None:
    """`into` is what stands before VALUES, such as `INSERT INTO t (a, b)`."""
    for some in _pages(rows):
        connection.execute(_insert(into, columns, len(some)), tuple(chain.from_iterable(some)))


def update_rows(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Each row is the id followed by the new values of `columns`."""
    for some in _pages(rows):
        connection.execute(_update(table, columns, len(some)), tuple(chain.from_iterable(some)))


def _pages(rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    if len(rows) <= _MOST_ROWS:
        return (rows,) if rows else ()
    return [rows[start : start + _MOST_ROWS] for start in range(0, len(rows), _MOST_ROWS)]


@lru_cache(maxsize=1024)
def _insert(into: str, columns: int, rows: int) -> str:
    return f"{into} VALUES {_values(columns, rows)}"


@lru_cache(maxsize=1024)
def _update(table: str, columns: tuple[str, ...], rows: int) -> str:
    name, _, condition = table.partition(" WHERE ")
    changes = ", ".join(f"{column} = new.column{place}" for place, column in enumerate(columns, 2))
    return (
        f"UPDATE {name} SET {changes} FROM (VALUES {_values(len(columns) + 1, rows)}) AS new "  # noqa: S608
        f"WHERE {name}.id = new.column1" + (f" AND {condition}" if condition else "")
    )


def _values(columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)
