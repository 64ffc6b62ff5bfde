"""The embedded broker keeps the broker's contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine.brokers.embedded import EmbeddedBroker
from engine.contracts.broker import Broker
from engine.journal import tables
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.testing.broker_kit import QUEUE, BrokerContract, leases_of, take, tickets
from engine.testing.fakes import ManualClock


class House:
    """Brokers on one SQLite file, each with a journal of its own, as separate processes have them."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.clock = ManualClock()
        self.journal = SqliteJournal(store)
        self.broker: Broker = EmbeddedBroker(self.journal.writer, self.journal.queries, self.clock)
        self._others: list[tuple[SqliteJournal, EmbeddedBroker]] = []

    async def another(self) -> Broker:
        journal = SqliteJournal(self.store)
        await journal.open()
        broker = EmbeddedBroker(journal.writer, journal.queries, ManualClock())
        await broker.open()
        self._others.append((journal, broker))
        return broker

    async def look(self) -> None:
        await self.clock.advance(0.6)

    async def rows(self) -> int:
        rows = await self.journal.queries.all(select(func.count()).select_from(tables.ticket))
        return int(rows[0][0])

    async def close(self) -> None:
        for journal, broker in self._others:
            await broker.close()
            await journal.close()
        await self.broker.close()
        await self.journal.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    upgrade_sqlite(tmp_path / "islet.db")
    made = House(tmp_path / "islet.db")
    await made.journal.open()
    await made.broker.open()
    yield made
    await made.close()


class TestEmbeddedBroker(BrokerContract):
    async def test_a_ticket_of_another_process_survives_a_start_and_is_removed_once_it_is_finished(
        self, house: House
    ) -> None:
        await (await house.another()).publish(QUEUE, tickets("a"))
        await house.broker.declare(QUEUE)
        await house.look()
        async with leases_of(house.broker) as leases:
            (lease,) = await take(leases, 1)
            await house.look()
            assert await house.rows() == 1, "in hands is not finished"
            await lease.ack()
        await house.broker.close()
        assert await house.rows() == 0
