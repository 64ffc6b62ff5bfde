"""Many new rows of one table at once: by COPY, for a fraction of what an INSERT with its parameters costs each."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Boolean, Column, Executable, Insert, Table
from sqlalchemy.dialects.postgresql import asyncpg as dialect

_FROM = 8
"""Rows; fewer are not worth a statement of another kind."""


def may_be_copied(statement: Executable, rows: Sequence[Mapping[str, Any]] | None) -> bool:
    """Is it nothing but `insert(table)` with many rows, whose values go to the driver as they are?"""
    return (
        rows is not None
        and len(rows) >= _FROM
        and isinstance(statement, Insert)
        and isinstance(statement.table, Table)
        and _is_bare(statement)
        and _as_they_are(statement.table).issuperset(rows[0])
    )


async def copy(connection: Any, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """All rows have the columns of the first. `connection` is asyncpg's own, in a transaction."""
    columns = list(rows[0])
    await connection.copy_records_to_table(
        table.name, records=[tuple(row[name] for name in columns) for row in rows], columns=columns
    )


def _is_bare(statement: Insert) -> bool:
    """No values, RETURNING, ON CONFLICT or the like of its own. (To compare it with a bare one takes 300 µs.)"""
    own = (statement._values, statement._multi_values, statement._returning, statement._post_values_clause)
    return type(statement) is Insert and statement.select is None and not any(own)


@lru_cache(maxsize=64)
def _as_they_are(table: Table) -> frozenset[str]:
    """The columns that need no turning into what the driver takes, and get nothing from SQLAlchemy by themselves."""
    asyncpg = dialect.dialect()  # type: ignore[no-untyped-call]
    if any(column.default is not None for column in table.columns):
        return frozenset()

    def is_taken(column: Column[Any]) -> bool:
        kind = column.type.dialect_impl(asyncpg)
        return isinstance(kind, Boolean) or kind.bind_processor(asyncpg) is None

    return frozenset(column.name for column in table.columns if is_taken(column))
