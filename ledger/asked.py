"""Rows that a statement is asked about: one parameter, a JSON array of arrays, read by the database as a table.

So a question that is asked of each of some things by itself (the last before a moment, say) is one statement, and the
same one however many there are.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Text, bindparam, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias


class _Rows(FunctionElement[str]):
    inherit_cache = True


class _Part(FunctionElement[str]):
    """One value of a row, as text or as the number that it is."""

    type = Text()
    inherit_cache = True


def asked(name: str) -> TableValuedAlias:
    """The rows of a parameter, which `as_parameter` writes."""
    return _Rows(bindparam(name, type_=Text)).table_valued("value", name=name)


def part(rows: TableValuedAlias, place: int) -> ColumnElement[str]:
    """The value at a place of each row."""
    return _Part(rows.c.value, literal_column(str(place)))


def as_parameter(rows: Sequence[Sequence[str | int]]) -> str:
    return msgspec.json.encode(rows).decode()


@compiles(_Rows)
def _json_each(element: _Rows, compiler: SQLCompiler, **options: object) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Rows, "postgresql")
def _elements(element: _Rows, compiler: SQLCompiler, **options: object) -> str:
    return f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS JSON))"


@compiles(_Part)
def _extract(element: _Part, compiler: SQLCompiler, **options: object) -> str:
    row, place = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_extract({row}, '$[{place}]')"


@compiles(_Part, "postgresql")
def _of_array(element: _Part, compiler: SQLCompiler, **options: object) -> str:
    row, place = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({row} ->> {place})"
