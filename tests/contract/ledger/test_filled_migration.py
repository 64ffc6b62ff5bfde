"""A filled ledger goes up, down and up again with every row, on SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import Boolean, Connection, Integer, LargeBinary, MetaData, Numeric, Table, inspect

from tests.contract.test_migrations import Row, Store, sorted_rows, store

__all__ = ["store"]

OLD = ("patient", "patient_link", "reading", "reading_source", "outcome_day", "outcome")
_ROWS = 300


def a_value(column: Any, number: int) -> Any:
    """Something for a column of this type: equal for equal numbers, so that rows find those that they refer to."""
    if isinstance(column.type, LargeBinary):
        return b"\x00\xff" + number.to_bytes(14, "big")
    if isinstance(column.type, Boolean):
        return number % 2 == 0
    if isinstance(column.type, (Integer, Numeric)):
        return number % 30_000
    return "{}" if column.name == "meta" else f"ä{number}"


def fill(connection: Connection, names: tuple[str, ...]) -> None:
    known = MetaData()
    known.reflect(connection, only=names)
    for table in known.sorted_tables:
        columns = [column for column in table.columns if column.autoincrement is not True]
        rows = [{column.name: a_value(column, number) for column in columns} for number in range(_ROWS)]
        connection.execute(table.insert(), rows)


async def rows_of(store: Store, names: tuple[str, ...]) -> dict[str, list[Row]]:
    def read(connection: Connection) -> dict[str, list[Row]]:
        found = dict[str, list[Row]]()
        for name in names:
            rows = connection.execute(Table(name, MetaData(), autoload_with=connection).select())
            found[name] = [
                {key: bytes(value) if isinstance(value, memoryview) else value for key, value in row._mapping.items()}
                for row in rows
            ]
        return found

    return await store.do(read)  # type: ignore[no-any-return]


def only(rows: list[Row], columns: set[str]) -> list[Row]:
    return [{name: value for name, value in row.items() if name in columns} for row in rows]


async def test_every_row_is_there_after_going_up_down_and_up_again(store: Store) -> None:
    await store.go_to("0006")
    await store.do(lambda connection: fill(connection, OLD))
    stored = await rows_of(store, OLD)
    assert all(len(rows) == _ROWS for rows in stored.values())
    for revision in ("head", "0006", "head"):
        await store.go_to(revision)
        found = await rows_of(store, OLD)
        for name in OLD:
            known = set(stored[name][0])
            assert sorted_rows(only(found[name], known)) == sorted_rows(stored[name]), (revision, name)


async def test_a_store_that_is_full_goes_down_to_its_first_tables_and_up_again(store: Store) -> None:
    await store.go_to("head")

    def all_tables(connection: Connection) -> tuple[str, ...]:
        names = inspect(connection).get_table_names()
        return tuple(name for name in names if name not in ("alembic_version", "ticket") and "_default" not in name)

    names = tuple(name for name in await store.do(all_tables) if not name[-1].isdigit())
    assert {*OLD, "message", "delivery", "pruned", "lease", "alert_state"} <= set(names)
    await store.do(lambda connection: fill(connection, names))
    await store.go_to("0001")
    left = ("message", "delivery", "attempt")
    assert {name: len(rows) for name, rows in (await rows_of(store, left)).items()} == dict.fromkeys(left, _ROWS)
    await store.go_to("head")
    found = await rows_of(store, (*left, "reading"))
    assert {name: len(rows) for name, rows in found.items()} == {**dict.fromkeys(left, _ROWS), "reading": 0}
