"""Many rows in one SQL statement.

sqlite3 lets go of the interpreter's lock and takes it again at every step of a statement, and each time it may wait
for a busy event loop. A statement for each row costs many such waits; one for all rows costs one.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

_MOST_ROWS = 50
"""In one statement: SQLite allows 32766 values, and has to parse the text once for each number of rows."""


def insert(connection: Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str = "") -> None:
    """`head` is `INSERT INTO table (columns)`; all rows have as many values as there are columns."""
    _run(connection, head + " VALUES ", rows, " " + tail)


def update(connection: Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str) -> None:
    """`head` is `UPDATE table SET a = v.column1, …`, `tail` the condition, such as `table.id = v.column2`.

    No two rows may be for the same target.
    """
    _run(connection, head + " FROM (VALUES ", rows, ") AS v WHERE " + tail)


def _run(connection: Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str) -> None:
    for start in range(0, len(rows), _MOST_ROWS):
        some = rows[start : start + _MOST_ROWS]
        values = tuple(value for row in some for value in row)
        connection.exec_driver_sql(_text(head, len(some[0]), len(some), tail), values)


@lru_cache(maxsize=1000)
def _text(head: str, columns: int, rows: int, tail: str) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return head + ", ".join([row] * rows) + tail
