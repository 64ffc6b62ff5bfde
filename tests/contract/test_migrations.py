"""Migrations keep what is there: a filled database goes up, down and up again, on SQLite and PostgreSQL."""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, Table, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.journal.postgres.journal import PostgresJournal, async_engine
from engine.journal.sqlite import sync_engine
from engine.journal.tables import metadata
from engine.shipped import shipped
from engine.testing.builders import STANDS_AT, an_id

_ROWS = 1500
_TABLES = ("message", "delivery", "attempt", "source_key", "cursor", "operation", "lease")
_MESSAGE_STATES = ("received", "transformed", "filtered", "duplicate", "held", "deferred", "review")
_DELIVERY_STATES = ("queued", "retry", "sent", "held", "deferred", "review")
_FAILED = {"code": "no-unit", "path": "OBX[1]-6", "text": "there is no unit", "detail": "said: ä", "fingerprint": "0a"}
Row = Mapping[str, Any]
Work = Callable[[Connection], Any]


class Store:
    """A database that work can be done in, whichever its driver."""

    def __init__(self, engine: Engine | AsyncEngine) -> None:
        self._engine = engine

    async def do(self, work: Work) -> Any:
        if isinstance(self._engine, Engine):
            with self._engine.begin() as connection:
                return work(connection)
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def go_to(self, revision: str) -> None:
        def migrate(connection: Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(shipped("migrations")))
            config.attributes["connection"] = connection
            known = inspect(connection).has_table("pruned")
            (command.downgrade if known and revision != "head" else command.upgrade)(config, revision)

        await self.do(migrate)

    async def rows(self, table: str) -> list[Row]:
        """As they are, without the columns that the newest revision adds."""

        def read(connection: Connection) -> list[Row]:
            reflected = Table(table, MetaData(), autoload_with=connection)
            order = list(reflected.primary_key) or [reflected.c[name] for name in _KEYS[table]]
            found = connection.execute(reflected.select().order_by(*order))
            return [
                {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row._mapping.items()}
                for row in found
            ]

        return await self.do(read)  # type: ignore[no-any-return]


_KEYS = {"message": ("id",), "delivery": ("id",), "attempt": ("delivery_id", "number", "at")}


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "sqlite":
        engine = sync_engine(tmp_path / "islet.db")
        yield Store(engine)
        engine.dispose()
    else:
        shared = async_engine(request.getfixturevalue("postgres_url"))
        yield Store(shared)
        await shared.dispose()


def varied_rows(chance: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Rows of revision 0003, of a year and of no time at all, with everything that a column may hold."""
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _TABLES}
    for number in range(_ROWS):
        at = STANDS_AT - timedelta(days=chance.uniform(0, 350))
        message = _message(chance, number, at)
        rows["message"].append(message)
        for _ in range(chance.choice((0, 1, 2))):
            delivery = _delivery(chance, message, at)
            rows["delivery"].append(delivery)
            rows["attempt"] += [
                {"delivery_id": delivery["id"], "number": n, "at": n, "code": "away", "text": None, "detail": "ü"}
                for n in range(chance.choice((0, 0, 3)))
            ]
        if message["source_key"] is not None:
            key = {"channel": message["channel"], "key": message["source_key"], "digest": bytes([number % 256]) * 16}
            rows["source_key"].append({**key, "message_id": message["id"]})
    rows["cursor"] = [{"channel": "a", "name": "n", "value": "7", "at": 1}]
    rows["operation"] = [
        {"id": an_id(STANDS_AT), "at": 1, "who": "w", "verb": "replay", "reason": None, "touched": "{}"}
    ]
    rows["lease"] = [{"name": "l", "holder": "h", "until": 5, "token": 3}]
    return rows


def _message(chance: random.Random, number: int, at: datetime) -> dict[str, Any]:
    id_ = f"no-time-{number:028d}" if number % 300 == 7 else an_id(at)
    state = chance.choice(_MESSAGE_STATES)
    meta = chance.choice(
        ("{}", f'{{"control_id":"M{number}","port":"2575"}}', '{"a":"ä"}', '{"control_id":"x\\u0000y"}')
    )
    return {
        "id": id_,
        "channel": chance.choice(("a", "b", "ä")),
        "tenant": "default",
        "origin_id": id_,
        "parent_id": chance.choice((None, an_id(at))),
        "shape": "hl7v2",
        "body": chance.choice((b"", b"\x00\xff body", b"x" * 5000)),
        "meta": meta,
        "source_key": chance.choice((None, f"S|{number}")),
        "order_key": chance.choice((None, f"P{number % 9}|STM", "Ünique")),
        "shard": number % 64,
        "received_at": number,
        "state": state,
        "state_at": number,
        "attempts": number % 3,
        "fanout": 2 if state == "transformed" else None,
        "reason": None,
        "duplicate_of": None,
        "tally": None,
        **(_FAILED if state == "held" else dict.fromkeys(_FAILED)),
    }


def _delivery(chance: random.Random, message: Row, at: datetime) -> dict[str, Any]:
    state = chance.choice(_DELIVERY_STATES)
    return {
        "id": an_id(at),
        "message_id": message["id"],
        "origin_id": message["origin_id"],
        "channel": message["channel"],
        "destination": "out",
        "shape": "bytes",
        "body": b"out",
        "meta": "{}",
        "order_key": message["order_key"],
        "shard": 3,
        "made_at": 1,
        "state": state,
        "state_at": 2,
        "attempts": 1,
        "due_at": chance.choice((None, 5)),
        "answer_code": "AA" if state == "sent" else None,
        "answer_location": None,
        "answer_existing": chance.choice((None, True, False)),
        "answer_detail": None,
        **(_FAILED if state == "held" else dict.fromkeys(_FAILED)),
    }


async def fill(store: Store, rows: Mapping[str, Sequence[Row]]) -> None:
    def write(connection: Connection) -> None:
        for name, some in rows.items():
            table = Table(name, MetaData(), autoload_with=connection)
            connection.execute(table.insert(), [dict(row) for row in some])

    await store.do(write)


def sorted_rows(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return sorted((tuple(sorted(row.items())) for row in rows), key=repr)


def without_new(rows: Sequence[Row]) -> list[Row]:
    new = {"control_id", "pruned_at", "lane"}
    return [{name: value for name, value in row.items() if name not in new} for row in rows]


async def test_a_filled_database_goes_up_down_and_up_again_with_every_row(store: Store) -> None:
    expected = varied_rows(random.Random(4))
    assert len(expected["delivery"]) > 1000
    assert len(expected["attempt"]) > 500
    await store.go_to("0003")
    await fill(store, expected)
    stored = {table: await store.rows(table) for table in _TABLES}
    for table in _TABLES:
        assert sorted_rows(stored[table]) == sorted_rows(expected[table]), "what was written is there to begin with"
    for revision in ("head", "0003", "head"):
        await store.go_to(revision)
        for table in _TABLES:
            found = await store.rows(table)
            assert sorted_rows(without_new(found)) == sorted_rows(expected[table]), (revision, table)
    assert all(row["pruned_at"] is None for row in await store.rows("message"))


async def test_control_ids_are_taken_from_what_is_known_of_the_messages(store: Store) -> None:
    expected = varied_rows(random.Random(5))
    await store.go_to("0003")
    await fill(store, expected)
    await store.go_to("head")
    found = {row["id"]: row["control_id"] for row in await store.rows("message")}
    for number, row in enumerate(expected["message"]):
        if '"M' in row["meta"]:
            assert found[row["id"]] == f"M{number}"
        elif "u0000" not in row["meta"]:
            assert found[row["id"]] is None


async def test_on_postgresql_each_row_lies_in_the_partition_of_its_week(postgres_url: str) -> None:
    shared = async_engine(postgres_url)
    store, expected = Store(shared), varied_rows(random.Random(6))
    await store.go_to("0003")
    await fill(store, expected)
    await store.go_to("head")

    def look(connection: Connection) -> dict[str, str]:
        rows = connection.execute(text("SELECT id, tableoid::regclass::text FROM message"))
        return {row[0]: row[1] for row in rows}

    found = await store.do(look)
    for row in expected["message"]:
        assert (found[row["id"]] == "message_default") == row["id"].startswith("no-time"), row["id"]
    assert len(set(found.values())) > 50, "a year of weeks"
    journal = PostgresJournal(postgres_url)
    await journal.open()
    assert len(await journal.partitions.stretches()) >= len(set(found.values())) - 1, "the same weeks in all tables"
    await journal.close()
    await shared.dispose()


async def test_a_new_database_has_what_the_code_expects(store: Store) -> None:
    await store.go_to("head")

    def look(connection: Connection) -> dict[str, tuple[set[str], set[str]]]:
        known = inspect(connection)
        return {
            table: (
                {column["name"] for column in known.get_columns(table)},
                {str(index["name"]) for index in known.get_indexes(table)},
            )
            for table in metadata.tables
        }

    found = await store.do(look)
    for name, table in metadata.tables.items():
        assert found[name] == (set(table.columns.keys()), {str(index.name) for index in table.indexes}), name
