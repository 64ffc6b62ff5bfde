"""Searches find by message and by delivery, on both databases, and by index: no table is read from end to end."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.contracts.journal import DeliveryOutcome, Failure, Journal, ProcessOutcome
from engine.journal.migrate import upgrade_postgres, upgrade_sqlite
from engine.journal.postgres import PostgresJournal
from engine.journal.sqlite import SqliteJournal
from engine.journal.weeks import id_at
from engine.model.states import DeliveryState, MessageState
from engine.runtime.find import Search, find
from engine.testing.builders import STANDS_AT, a_message
from engine.testing.filled import fill, fill_sqlite
from engine.testing.journal_kit import a_delivery_of
from ledger.patients import Link, import_links, order_keys

_REFUSED = Failure("refused", "no", None, None, "f00d")


@pytest.fixture(params=["sqlite", "postgres"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
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


async def a_hospital(journal: Journal) -> dict[str, str]:
    """Name → id of messages in every state that people look for."""
    of = {
        "new": a_message(b"1", meta={"control_id": "M1"}, order_key="4711|STM"),
        "held": a_message(b"2", meta={"control_id": "M2"}, order_key="4712|STM", channel="other"),
        "sent": a_message(b"3", meta={"control_id": "M1"}, order_key="p1"),
        "refused": a_message(b"4", order_key="471"),
        "filtered": a_message(b"5", received_at=STANDS_AT - timedelta(days=2)),
    }
    await journal.writer.accept(list(of.values()))
    sent, refused = a_delivery_of(of["sent"]), a_delivery_of(of["refused"], order_key="4711")
    await journal.writer.commit_outcomes(
        [
            ProcessOutcome(of["held"].id, MessageState.HELD, failure=_REFUSED),
            ProcessOutcome(of["sent"].id, MessageState.TRANSFORMED, deliveries=[sent]),
            ProcessOutcome(of["refused"].id, MessageState.TRANSFORMED, deliveries=[refused]),
            ProcessOutcome(of["filtered"].id, MessageState.FILTERED),
        ]
    )
    await journal.writer.commit_deliveries(
        [
            DeliveryOutcome(sent.id, DeliveryState.SENT, 1),
            DeliveryOutcome(refused.id, DeliveryState.HELD, 1, failure=_REFUSED),
        ]
    )
    return {name: message.id for name, message in of.items()}


@pytest.mark.parametrize("few", [500, 0])
async def test_a_message_is_found_by_what_it_is_and_by_its_deliveries(
    journal: Journal, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`few`: how many ids are looked up by themselves before a search asks for everything at once."""
    monkeypatch.setattr("engine.runtime.find._FEW", few)
    names = {id_: name for name, id_ in (await a_hospital(journal)).items()}
    for search, expected in (
        (Search(), ["filtered", "refused", "sent", "held", "new"]),
        (Search(limit=2), ["filtered", "refused"]),
        (Search(channel="other"), ["held"]),
        (Search(state="received"), ["new"]),
        (Search(state="held"), ["refused", "held"]),
        (Search(state="held", channel="test"), ["refused"]),
        (Search(state="sent"), ["sent"]),
        (Search(state="retry"), []),
        (Search(state="transformed"), ["refused", "sent"]),
        (Search(state="filtered"), ["filtered"]),
        (Search(state="no-such"), []),
        (Search(code="refused"), ["refused", "held"]),
        (Search(fingerprint="f00d", state="held", limit=1), ["refused"]),
        (Search(control_id="M1"), ["sent", "new"]),
        (Search(patients=("4711",)), ["refused", "new"]),
        (Search(patients=("4711", "p1")), ["refused", "sent", "new"]),
        (Search(patients=("471",)), ["refused"]),
        (Search(since=STANDS_AT - timedelta(days=1)), ["refused", "sent", "held", "new"]),
        (Search(until=STANDS_AT - timedelta(days=1)), ["filtered"]),
        (Search(from_id=id_at(datetime.now(UTC) + timedelta(days=1))), []),
    ):
        found = await find(journal.queries, search)
        assert [names[row["id"]] for row in found] == expected, search


async def test_an_identifier_leads_to_the_patient_whom_some_source_calls_so(journal: Journal) -> None:
    async with journal.writer.transaction() as tx:
        await import_links(tx, "default", [Link("STM", "4711", "p1"), Link("dexcom", "U9", "p1")], at=1)
    assert await order_keys(journal.queries, "4711") == ("4711", "STM|4711", "p1")
    assert await order_keys(journal.queries, "nobody") == ("nobody",)


class _Asked:
    """Queries that remember what was asked."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.statements: list[Any] = []

    async def all(self, statement: Any) -> Sequence[Any]:
        self.statements.append(statement)
        return await self._journal.queries.all(statement)


async def test_no_search_reads_a_partition_from_end_to_end(postgres_url: str) -> None:
    """Broken on purpose once: without the index of control ids every partition is."""
    await upgrade_postgres(postgres_url)
    journal = PostgresJournal(postgres_url)
    await journal.open()
    await journal.partitions.make_ahead(STANDS_AT - timedelta(weeks=3), 3)
    await fill(postgres_url, 20_000, STANDS_AT - timedelta(weeks=3), timedelta(weeks=4))
    for search in (
        Search(control_id="M17"),
        Search(patients=("4711", "p1", "STM|4711")),
        Search(channel="channel-3"),
        Search(code="code-3"),
        Search(fingerprint="fingerprint-of-delivery"),
        Search(from_id=id_at(STANDS_AT)),
        *(Search(state=state) for state in {*MessageState, *DeliveryState}),
    ):
        asked: Any = _Asked(journal)
        await find(asked, search)
        for statement in asked.statements:
            sql = str(statement.compile(journal.reader.sync_engine, compile_kwargs={"literal_binds": True}))
            plan = [row[0] for row in await journal.queries.all(text(f"EXPLAIN (ANALYZE) {sql}".replace(":", r"\:")))]
            read = [line for line in plan if "Seq Scan" in line and "rows=0 " not in line.partition("actual")[2]]
            filtered = [line for line in plan if "Rows Removed by Filter" in line and int(line.split()[-1]) > 2_000]
            assert not read, (search, read)
            assert not filtered, (search, plan)
    await journal.close()


async def test_on_sqlite_too_what_people_look_for_is_looked_up_in_an_index(tmp_path: Path) -> None:
    """Broken on purpose once: without the index of control ids the whole table is read."""
    upgrade_sqlite(tmp_path / "islet.db")
    fill_sqlite(tmp_path / "islet.db", 5_000, STANDS_AT - timedelta(weeks=3), timedelta(weeks=4))
    journal = SqliteJournal(tmp_path / "islet.db")
    await journal.open()
    for search, count in (
        (Search(control_id="M17"), 1),
        (Search(patients=("4711", "p1", "STM|4711")), 1),
        (Search(code="code-3"), 1),
        (Search(fingerprint="fingerprint-of-delivery", limit=5), 5),
        (Search(state="held", limit=8), 8),
        (Search(channel="channel-3"), 50),
    ):
        asked: Any = _Asked(journal)
        assert len(await find(asked, search)) == count, search
        for statement in asked.statements:
            sql = str(statement.compile(journal.reader.sync_engine, compile_kwargs={"literal_binds": True}))
            plan = [row[3] for row in await journal.queries.all(text(f"EXPLAIN QUERY PLAN {sql}".replace(":", r"\:")))]
            whole = [line for line in plan if line.startswith("SCAN") and "_waiting" not in line]
            assert not [line for line in whole if line.split()[1] in ("message", "delivery", "other")], (search, plan)
    await journal.close()
