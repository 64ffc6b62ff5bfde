"""An engine slept while its lease ran out, and wakes up: what it still commits overtakes nothing and is overtaken by
nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from engine.brokers.naming import dispatch_queue
from engine.contracts.broker import Broker, Lease, Ticket
from engine.contracts.journal import ProcessOutcome
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.delivery import Delivery
from engine.model.ids import new_id
from engine.model.message import Message
from engine.model.states import MessageState
from engine.runtime.dispatch import Dispatch
from engine.runtime.leases import Alone
from engine.runtime.parts import queues_of
from engine.runtime.process import Process
from engine.runtime.tools import Tools
from engine.testing.builders import a_message
from engine.testing.fakes import ManualClock, MemoryLog
from engine.testing.harness import GatedJournal
from engine.testing.parts import ScriptedDestination, a_channel, a_destination

PLAN = a_channel(destinations=[a_destination(ScriptedDestination())])


class Shared(Alone):
    """There are other engines."""

    shared = True


class Tickets:
    """A broker that keeps what is published in the order in which it comes, and has nothing to give."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        self.changed = asyncio.Event()

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        self.ids.setdefault(queue, []).extend(id_ for ticket in tickets for id_ in ticket.ids)
        self.changed.set()

    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[Lease]:
        await asyncio.Event().wait()
        raise AssertionError(f"{queue}, {prefetch}")
        yield  # makes it a generator

    async def until(self, queue: str, count: int) -> list[str]:
        """What is in it, each once."""
        async with asyncio.timeout(60):
            while len(once := [*dict.fromkeys(self.ids.get(queue, ()))]) < count:
                self.changed.clear()
                await self.changed.wait()
        return once


def a_delivery_of(message: Message) -> Delivery:
    return Delivery(
        id=new_id(),
        message_id=message.id,
        origin_id=message.origin_id,
        channel="test",
        destination="out",
        shape=message.shape,
        body=b"x",
        order_key=message.order_key,
    )


@pytest.mark.parametrize("moment", ["in_flight", "pending", "commit_outcomes"])
async def test_tickets_of_a_sleeper_are_not_waited_for(tmp_path: Path, moment: str) -> None:
    """Whenever it wakes up while its share is taken over: its delivery goes to the queue before what is newer."""
    store = tmp_path / "islet.db"
    await asyncio.to_thread(upgrade_sqlite, store)
    inner, broker = SqliteJournal(store), Tickets()
    await inner.open()
    journal = GatedJournal(inner)
    tools = Tools(journal, cast(Broker, broker), ManualClock(), MemoryLog(), lambda: 0.5, leases=Shared())
    tools.outbox.serve(queues_of(PLAN, 1))
    first, second = (a_message(b"x", id_=new_id(), order_key="P1", channel="test") for _ in range(2))
    await inner.writer.accept([first, second])
    of_sleeper = a_delivery_of(first)

    async def wakes_up() -> None:
        del journal.before[moment]
        outcome = ProcessOutcome(first.id, MessageState.TRANSFORMED, deliveries=(of_sleeper,))
        assert await inner.writer.commit_outcomes([outcome]) == [first.id]

    journal.before[moment] = wakes_up
    process = asyncio.create_task(Process(PLAN, tools).run())
    try:
        given = await broker.until(dispatch_queue("test", "out"), 2)
    finally:
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)
        await inner.close()
    assert given[0] == of_sleeper.id
    assert of_sleeper.id < given[1]


async def test_what_was_begun_before_a_sleep_is_not_sent_after_it(tmp_path: Path) -> None:
    """The share may be another engine's by then. Broken on purpose once: it was asked for before the sleep only."""
    store = tmp_path / "islet.db"
    await asyncio.to_thread(upgrade_sqlite, store)
    journal, destination = SqliteJournal(store), ScriptedDestination()
    await journal.open()
    tools = Tools(journal, cast(Broker, Tickets()), ManualClock(), MemoryLog(), lambda: 0.5, leases=Shared())
    message = a_message(b"x", channel="test")
    await journal.writer.accept([message])
    waiting = a_delivery_of(message)
    await journal.writer.commit_outcomes([ProcessOutcome(message.id, MessageState.TRANSFORMED, deliveries=(waiting,))])
    ours = iter([True])  # when it is taken off the road; the sleep comes after that
    async with asyncio.timeout(60):
        await Dispatch("test", PLAN.destinations[0], destination, tools, may_send=lambda: next(ours, False)).run()
    assert destination.calls == []
    assert list(await journal.queries.deliveries_in_flight("test", "out", "", 10)) == [waiting.id]
    await journal.close()
