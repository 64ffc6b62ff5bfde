"""The ledger inside the journal's own transactions: all of a message or nothing, and every look-up by an index."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import event

from clinical.records import Glucose, encode
from clinical.units import MMOL_L
from engine.contracts.journal import ProcessOutcome
from engine.contracts.plugins import Transaction
from engine.journal.migrate import upgrade_postgres, upgrade_sqlite
from engine.journal.postgres import PostgresJournal
from engine.journal.sqlite import SqliteJournal
from engine.model.message import Message, Shape
from engine.model.states import MessageState
from engine.testing.builders import STANDS_AT, a_message, an_id
from engine.testing.prune_kit import prune
from ledger import queries
from ledger.rules import Rules
from tests.unit.ledger.support import MemoryLedger, a_reading, drops, passed_on
from transformers.check_readings import CheckReadingsSettings, check_readings
from transformers.reconcile import ReconcileSettings, reconcile

SETTINGS = ReconcileSettings()
AnyJournal: TypeAlias = SqliteJournal | PostgresJournal


@pytest.fixture
async def sqlite_journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    path = tmp_path / "islet.db"
    upgrade_sqlite(path)
    journal = SqliteJournal(path)
    await journal.open()
    yield journal
    await journal.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteJournal | PostgresJournal]:
    """The same tests on both databases."""
    made: SqliteJournal | PostgresJournal
    if request.param == "sqlite":
        upgrade_sqlite(tmp_path / "islet.db")
        made = SqliteJournal(tmp_path / "islet.db")
    else:
        url = request.getfixturevalue("postgres_url")
        await upgrade_postgres(url)
        made = PostgresJournal(url)
    await made.open()
    yield made
    await made.close()


class Interrupted(Exception):
    pass


async def enter_and_fail(message: Message, tx: Transaction) -> None:
    assert passed_on(await reconcile(message, SETTINGS, tx))
    raise Interrupted


async def test_what_is_rolled_back_was_never_entered(journal: AnyJournal) -> None:
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


async def test_messages_of_one_transaction_see_each_other(journal: AnyJournal) -> None:
    async with journal.writer.transaction() as tx:
        for number in range(3):
            outputs = await reconcile(a_message(encode([a_reading(182)]), Shape.RECORDS), SETTINGS, tx)
            assert bool(drops(outputs)) == (number > 0)


async def test_changes_of_unit_are_found_for_several_messages_at_once_each_by_itself(journal: AnyJournal) -> None:
    told = [a_reading(150), a_reading(8.1, MMOL_L, seconds=60, patient="p2", id_="other")]
    later = [
        [a_reading(8.2, MMOL_L, seconds=300, id_="b"), a_reading(149, seconds=600, id_="c")],
        [a_reading(8.2, MMOL_L, seconds=300, patient="p2", id_="d")],
        [a_reading(140, seconds=300, patient="p'3", id_="e")],
    ]
    messages = [a_message(encode(records), Shape.RECORDS) for records in later]
    chosen = CheckReadingsSettings.model_validate({"late_after": "1d"})
    assert check_readings.together is not None
    async with journal.writer.transaction() as tx:
        await reconcile(a_message(encode(told), Shape.RECORDS), SETTINGS, tx)
        found = await check_readings.together(messages, chosen, tx)
        alone = [await check_readings(message, chosen, tx) for message in messages]
    assert [list(some) for some in found] == [list(some) for some in alone]
    assert [len([r for r in passed_on(some) if r.done]) for some in found] == [2, 0, 0]


async def test_a_message_undone_by_its_savepoint_leaves_the_others(sqlite_journal: SqliteJournal) -> None:
    async with sqlite_journal.writer.transaction() as tx:
        await reconcile(a_message(encode([a_reading(182)]), Shape.RECORDS), SETTINGS, tx)

        async def undone() -> None:
            async with tx.savepoint():
                await enter_and_fail(a_message(encode([a_reading(190, seconds=300)]), Shape.RECORDS), tx)

        with pytest.raises(Interrupted):
            await undone()
    async with sqlite_journal.reader.connect() as connection:
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


async def test_a_replay_plan_is_looked_up_by_the_key_of_the_reading(sqlite_journal: SqliteJournal) -> None:
    asked: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    async with sqlite_journal.reader.connect() as connection:
        await connection.run_sync(lambda sync: event.listen(sync, "before_cursor_execute", remember))
        await queries.swallowed(connection, "default", [a_reading(182)], Rules())
        statement, parameters = asked[-1]
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        assert "reading_source_same" in "\n".join(str(tuple(row)) for row in rows)


async def test_a_reading_keeps_its_lineage_when_the_messages_that_told_of_it_are_pruned(
    journal: AnyJournal,
) -> None:
    """The ledger holds the records themselves: what it says of a reading, and what it recognises, needs no message."""
    made = STANDS_AT - timedelta(days=500)
    message = a_message(encode([a_reading(182)]), Shape.RECORDS, id_=an_id(made), received_at=made)
    await journal.writer.accept([message])
    async with journal.writer.transaction() as tx:
        assert passed_on(await reconcile(message, SETTINGS, tx))
        await tx.commit_outcomes([ProcessOutcome(message.id, MessageState.FILTERED)])
    async with journal.reader.connect() as connection:
        (told,) = await queries.of_messages(connection, [message.id])
        before = await queries.lineage(connection, "default", told.reading_id)
    assert (await prune(journal)).messages == 1
    assert await journal.queries.row("message", message.id) is None
    async with journal.reader.connect() as connection:
        after = await queries.lineage(connection, "default", told.reading_id)
        assert after is not None
        assert after == before
        assert [(source.message_id, source.is_truth) for source in after.sources] == [(message.id, True)]
        assert after.sources[0].record == told.record is not None
    again = a_message(message.body, Shape.RECORDS)
    async with journal.writer.transaction() as tx:
        assert drops(await reconcile(again, SETTINGS, tx))[0].duplicate
