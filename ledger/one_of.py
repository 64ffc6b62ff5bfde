"""`column IN (…)` for hundreds of values.

PostgreSQL gets them as one array: a statement with a parameter for each value is planned anew and at length each time.
SQLite gets them one by one, which costs it nothing.
"""

from typing import Any

from sqlalchemy import ColumnElement, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _OneOf(FunctionElement[bool]):
    """Without the type Boolean: SQLAlchemy would write `(…) = 1` for SQLite, which finds no index."""

    inherit_cache = True


def one_of(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Is the column one of the parameter's values? The parameter is a list that is not empty."""
    return _OneOf(column, bindparam(name, expanding=True, type_=column.type))


@compiles(_OneOf)
def _one_by_one(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    return compiler.process(column.in_(values), **options)


@compiles(_OneOf, "postgresql")
def _as_an_array(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    array = bindparam(values.key, type_=ARRAY(column.type))
    return compiler.process(column == any_(array), **options)
