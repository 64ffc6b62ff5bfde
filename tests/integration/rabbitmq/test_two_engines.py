"""A queue's tickets and two engines: in one pair of hands at a time, whatever becomes of the first."""

import asyncio
from contextlib import aclosing
from typing import Any

import aio_pika
import pytest

from engine.brokers.rabbitmq import RabbitBroker, consumer
from engine.contracts.broker import Lease
from engine.testing.broker_kit import ids, leases_of, take, tickets
from engine.testing.fakes import MemoryLog
from tests.integration.rabbitmq.conftest import Cable, Open

QUEUE = "islet.kit"
NAMES = [f"id-{number:03d}" for number in range(60)]


class Hands:
    """Takes tickets one by one, and notes who has which."""

    def __init__(self) -> None:
        self.in_hand: set[str] = set()
        self.in_two_hands: list[str] = []
        self.done: list[str] = []
        self.all_done = asyncio.Event()
        self.one_more = asyncio.Event()

    async def work(self, broker: RabbitBroker) -> None:
        async with leases_of(broker, 5) as leases:
            async for lease in leases:
                (id_,) = lease.ticket.ids
                if self.in_hand:
                    self.in_two_hands.append(id_)
                self.in_hand.add(id_)
                try:
                    await self._one(id_, lease)
                finally:
                    self.in_hand.discard(id_)

    async def _one(self, id_: str, lease: Any) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        if lease.held:
            self.done.append(id_)
            await lease.ack()
        self.one_more.set()
        if set(self.done) == set(NAMES):
            self.all_done.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.done) < count:
                self.one_more.clear()
                await self.one_more.wait()


def in_order_but_for_repeats(done: list[str]) -> bool:
    first = list(dict.fromkeys(done))
    return first == sorted(first)


async def test_when_the_first_stops_the_second_goes_on_in_order(shared_vhost: str, opened: Open) -> None:
    first, second = await opened(shared_vhost), await opened(shared_vhost)
    await first.declare(QUEUE)
    await second.declare(QUEUE)
    hands = Hands()
    worker, other = (asyncio.create_task(hands.work(broker)) for broker in (first, second))
    await first.publish(QUEUE, tickets(*NAMES[:30]))
    await hands.until(10)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await second.publish(QUEUE, tickets(*NAMES[30:]))
    async with asyncio.timeout(60):
        await hands.all_done.wait()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    assert not hands.in_two_hands
    assert in_order_but_for_repeats(hands.done)


@pytest.mark.parametrize("cuts", [1, 4])
async def test_while_lines_are_cut_none_is_lost_and_order_holds(
    shared_vhost: str, opened: Open, cable: Cable, cuts: int
) -> None:
    """Who does not know yet that its line is cut may still have one in hand: leases in the journal are for that."""
    first, second = await opened(await cable.lay()), await opened(shared_vhost)
    await second.declare(QUEUE)
    hands = Hands()
    workers = [asyncio.create_task(hands.work(broker)) for broker in (first, second)]
    for number in range(cuts):
        await second.publish(QUEUE, tickets(*NAMES[number * 10 : number * 10 + 10]))
        await hands.until(number * 10 + 3)
        cable.cut()
    await second.publish(QUEUE, tickets(*NAMES[cuts * 10 :]))
    async with asyncio.timeout(60):
        await hands.all_done.wait()
    for worker in workers:
        worker.cancel()
    ended = await asyncio.gather(*workers, return_exceptions=True)
    assert not [error for error in ended if isinstance(error, Exception)]
    assert in_order_but_for_repeats(hands.done)


async def test_a_lease_whose_line_was_cut_is_void_and_the_next_one_says_that_there_was_a_gap(
    shared_vhost: str, opened: Open, cable: Cable
) -> None:
    broker = await opened(await cable.lay())
    await broker.declare(QUEUE)
    await broker.publish(QUEUE, tickets("a", "b"))
    async with leases_of(broker) as leases:
        (old,) = await take(leases, 1)
        cable.cut()
        async with asyncio.timeout(30):
            again = await anext(leases)
            while not again.after_gap:  # what had been delivered before the cut may still be there
                again = await anext(leases)
        assert again.ticket.ids == ("a",)
        await old.ack()
        assert await broker.depth(QUEUE) == 2, "the old lease no longer counts"


async def test_the_first_lease_says_that_what_came_before_it_may_be_lost(shared_vhost: str, opened: Open) -> None:
    """Between a look at the journal and the first ticket a queue can be lost with its tickets, and made anew."""
    broker, publisher = await opened(shared_vhost), await opened(shared_vhost)
    await publisher.declare(QUEUE)
    leases = broker.consume(QUEUE, 5)
    await publisher.publish(QUEUE, tickets("a"))
    await publisher.delete(QUEUE)
    await publisher.publish(QUEUE, tickets("b", "c"))
    async with aclosing(leases):  # type: ignore[type-var]
        first, second = await take(leases, 2)
        assert (first.ticket.ids, first.after_gap) == (("b",), True)
        assert (second.ticket.ids, second.after_gap) == (("c",), False)


class Watched:
    """A consumer that holds a ticket, and that nobody tells of the end of its queue."""

    def __init__(self, broker: RabbitBroker, log: MemoryLog, url: str, name: str) -> None:
        self.broker, self._log, self._url, self._name = broker, log, url, name

    def interrupted(self) -> bool:
        return any(event == "consumer_interrupted" for _, event, _ in self._log.events)

    async def lose_queue(self) -> None:
        async with await aio_pika.connect(self._url) as connection, connection.channel() as channel:
            await channel.queue_delete(self._name)


@pytest.fixture
async def watched(shared_vhost: str, namespace: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(consumer, "_WATCH_SECONDS", 0.1)
    log = MemoryLog()
    broker = await opened(shared_vhost, log)
    await broker.declare(QUEUE)
    await broker.publish(QUEUE, tickets("a"))
    return Watched(broker, log, shared_vhost, f"{namespace}.kit")


async def test_a_consumer_with_nothing_to_do_is_not_disturbed(watched: Watched) -> None:
    async with leases_of(watched.broker) as leases:
        await take(leases, 1)
        waiting: asyncio.Future[Lease] = asyncio.ensure_future(anext(leases))
        for _ in range(50):
            await watched.broker.depth(QUEUE)
        assert not waiting.done()
        assert not watched.interrupted()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_consumer_that_holds_tickets_goes_on_when_its_queue_is_deleted_and_made_anew(watched: Watched) -> None:
    async with leases_of(watched.broker) as leases:
        await take(leases, 1)
        waiting: asyncio.Future[Lease] = asyncio.ensure_future(anext(leases))
        await watched.lose_queue()
        await watched.broker.publish(QUEUE, tickets("b", "c", "d"))
        async with asyncio.timeout(30):
            lease = await waiting
        assert (lease.ticket.ids, lease.after_gap) == (("b",), True)
        assert ids(await take(leases, 2)) == ["c", "d"]
        assert watched.interrupted()


async def test_something_foreign_in_a_queue_is_put_aside_and_the_queue_goes_on(
    shared_vhost: str, namespace: str, opened: Open
) -> None:
    broker = await opened(shared_vhost)
    await broker.declare(QUEUE)
    async with await aio_pika.connect(shared_vhost) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(namespace)
        for body in (b"\xff\xfe", b""):
            await exchange.publish(aio_pika.Message(body), routing_key=f"{namespace}.kit")
    await broker.publish(QUEUE, tickets("a"))
    async with aclosing(broker.consume(QUEUE, 1)) as leases:  # type: ignore[type-var]
        assert ids(await take(leases, 1)) == ["a"]
        assert await broker.depth(QUEUE) == 1


async def test_a_ticket_may_come_back_more_often_than_rabbitmq_4_allows_by_itself(
    shared_vhost: str, opened: Open
) -> None:
    """Its delivery limit is 20 when nothing is said; journals count attempts, not brokers."""
    broker = await opened(shared_vhost)
    await broker.declare(QUEUE)
    await broker.publish(QUEUE, tickets("a"))
    for _ in range(25):
        async with leases_of(broker) as leases:
            assert ids(await take(leases, 1)) == ["a"]
