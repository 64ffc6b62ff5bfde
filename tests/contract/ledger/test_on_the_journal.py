"""The ledger inside the journal's own transactions: all of a message or nothing, and every look-up by an index."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from clinical.records import Glucose, encode
from engine.contracts.plugins import Transaction
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from ledger import queries
from ledger.rules import Rules
from tests.unit.ledger.support import MemoryLedger, a_reading, drops, passed_on
from transformers.reconcile import ReconcileSettings, reconcile

SETTINGS = ReconcileSettings()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    path = tmp_path / "islet.db"
    upgrade_sqlite(path)
    journal = SqliteJournal(path)
    await journal.open()
    yield journal
    await journal.close()


class Interrupted(Exception):
    pass


async def enter_and_fail(message: Message, tx: Transaction) -> None:
    assert passed_on(await reconcile(message, SETTINGS, tx))
    raise Interrupted


async def test_what_is_rolled_back_was_never_entered(journal: SqliteJournal) -> None:
    message = a_message(encode([a_reading(182)]), Shape.RECORDS)

    async def interrupted() -> None:
        async with journal.writer.transaction() as tx:
            await enter_and_fail(message, tx)

    with pytest.raises(Interrupted):
        await interrupted()
    async with journal.writer.transaction() as tx:
        assert passed_on(await reconcile(message, SETTINGS, tx))
    async with journal.reader.connect() as connection:
        assert (await queries.books(connection)).arrived == {"new": 1}


async def test_messages_of_one_transaction_see_each_other(journal: SqliteJournal) -> None:
    async with journal.writer.transaction() as tx:
        for number in range(3):
            outputs = await reconcile(a_message(encode([a_reading(182)]), Shape.RECORDS), SETTINGS, tx)
            assert bool(drops(outputs)) == (number > 0)


async def test_a_message_undone_by_its_savepoint_leaves_the_others(journal: SqliteJournal) -> None:
    async with journal.writer.transaction() as tx:
        await reconcile(a_message(encode([a_reading(182)]), Shape.RECORDS), SETTINGS, tx)

        async def undone() -> None:
            async with tx.savepoint():
                await enter_and_fail(a_message(encode([a_reading(190, seconds=300)]), Shape.RECORDS), tx)

        with pytest.raises(Interrupted):
            await undone()
    async with journal.reader.connect() as connection:
        assert (await queries.books(connection)).arrived == {"new": 1}


def _plans(ledger: MemoryLedger, records: list[Glucose]) -> list[str]:
    """SQLite's plan of each query that the step makes for these records."""
    asked: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE")):
            asked.append((statement, parameters[0] if many else parameters))

    event.listen(ledger.connection, "before_cursor_execute", remember)
    ledger.receive(*records)
    event.remove(ledger.connection, "before_cursor_execute", remember)
    plans = []
    for statement, parameters in asked:
        rows = ledger.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.append("\n".join(row[3] for row in rows))
    return plans


def test_the_step_looks_nothing_up_by_reading_a_whole_table() -> None:
    with MemoryLedger() as ledger:
        ledger.receive(*[a_reading(100 + n, seconds=300 * n, id_=f"r{n}", version="1") for n in range(50)])
        changes = [a_reading(100 + n * 2, seconds=300 * n, id_=f"r{n}", version="2") for n in range(50)]
        plans = _plans(ledger, changes)
    assert len(plans) >= 3  # what is known, the claims that change, the readings that change
    assert not [plan for plan in plans if "SCAN reading" in plan]
    assert any("reading_source_moment" in plan and "reading_source_identity" in plan for plan in plans)


async def test_a_replay_plan_is_looked_up_by_the_key_of_the_reading(journal: SqliteJournal) -> None:
    asked: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    async with journal.reader.connect() as connection:
        await connection.run_sync(lambda sync: event.listen(sync, "before_cursor_execute", remember))
        await queries.swallowed(connection, "default", [a_reading(182)], Rules())
        statement, parameters = asked[-1]
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        assert "reading_source_same" in "\n".join(str(tuple(row)) for row in rows)
