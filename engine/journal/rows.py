"""Many rows at once, for SQLite.

Python's sqlite3 lets go of the interpreter's lock at every row of an `executemany` and then has to win it back. On the
event loop's own thread nobody else wants it, and rows one by one cost a third less than in one statement; on any other
thread that costs more than the row, and one statement for all of them asks for the lock once. A column that no row has
a value for is a NULL of the statement's own: sqlite3 looks for adapters for each None that it is given.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

Row = Sequence[Any]

_MOST_ROWS = 100
"""In one statement: SQLite takes 32,766 parameters, and its plan is kept for each number of rows."""


def insert_rows(connection: sqlite3.Connection, into: str, rows: Sequence[Row]) -> None:
    """`into` is what stands before VALUES, such as `INSERT INTO t (a, b)`."""
    for given, kept in _pages(rows):
        if threading.current_thread() is threading.main_thread():
            connection.executemany(_insert(into, given, 1), kept)
        else:
            connection.execute(_insert(into, given, len(kept)), tuple(chain.from_iterable(kept)))


def update_rows(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Each row is the id followed by the new values of `columns`."""
    for given, kept in _pages(rows):
        connection.execute(_update(table, columns, given, len(kept)), tuple(chain.from_iterable(kept)))


def _pages(rows: Sequence[Row]) -> Iterator[tuple[tuple[bool, ...], Sequence[Row]]]:
    """For each statement: which columns any of its rows has a value for, and these columns of its rows."""
    for start in range(0, len(rows), _MOST_ROWS):
        some = rows[start : start + _MOST_ROWS]
        columns = list(zip(*some, strict=True))
        given = tuple([column[0] is not None or column.count(None) < len(some) for column in columns])
        yield given, list(zip(*(column for column, any_of in zip(columns, given, strict=True) if any_of), strict=True))


@lru_cache(maxsize=1024)
def _insert(into: str, given: tuple[bool, ...], rows: int) -> str:
    row = ", ".join("?" if is_given else "NULL" for is_given in given)
    return f"{into} VALUES {', '.join([f'({row})'] * rows)}"


@lru_cache(maxsize=1024)
def _update(table: str, columns: tuple[str, ...], given: tuple[bool, ...], rows: int) -> str:
    name, _, condition = table.partition(" WHERE ")
    places = (f"new.column{sum(given[: number + 1])}" if given[number] else "NULL" for number in range(1, len(given)))
    changes = ", ".join(f"{column} = {place}" for column, place in zip(columns, places, strict=True))
    row = f"({', '.join('?' * sum(given))})"
    return (
        f"UPDATE {name} SET {changes} FROM (VALUES {', '.join([row] * rows)}) AS new "  # noqa: S608
        f"WHERE {name}.id = new.column1" + (f" AND {condition}" if condition else "")
    )
