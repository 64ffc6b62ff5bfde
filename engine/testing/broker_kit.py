"""The broker's contract as tests. Subclass `BrokerContract` and give the fixture `house`::

class TestMyBroker(BrokerContract):
    @pytest.fixture
    async def house(self): ...  # a BrokerHouse
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Protocol, cast

from engine.brokers.naming import process_queue
from engine.contracts.broker import Broker, Lease, Ticket
from engine.model.lane import Lane
from engine.runtime.turns import Turns

QUEUE = "islet.kit"


class BrokerHouse(Protocol):
    """How the kit gets its brokers."""

    broker: Broker
    """Open."""

    async def another(self) -> Broker:
        """The broker as a second process on the same queues would have it, open; the house closes it."""
        ...

    async def look(self) -> None:
        """Let so much happen that each consumer has been given what it is going to get, from other processes too."""
        ...


def tickets(*names: str) -> list[Ticket]:
    return [Ticket((name,)) for name in names]


def leases_of(broker: Broker, prefetch: int = 10, queue: str = QUEUE) -> aclosing[AsyncGenerator[Lease, None]]:
    """A consumer that gives back what it holds when the block ends."""
    return aclosing(cast(AsyncGenerator[Lease, None], broker.consume(queue, prefetch)))


async def take(leases: AsyncIterator[Lease], count: int) -> list[Lease]:
    async with asyncio.timeout(10):
        return [await anext(leases) for _ in range(count)]


def ids(leases: Sequence[Lease]) -> list[str]:
    return [lease.ticket.ids[0] for lease in leases]


async def gives_nothing_more(waiting: "asyncio.Task[Lease]", house: BrokerHouse) -> bool:
    await house.look()
    for _ in range(50):
        await asyncio.sleep(0)
    return not waiting.done()


class TwoLanes:
    """Takes the tickets of both lanes in turns, as the engine does; each is worked on once it is permitted."""

    def __init__(self, broker: Broker) -> None:
        self.queues = {lane: process_queue("kit", lane=lane) for lane in Lane}
        self.permits = asyncio.Semaphore(0)
        self.worked_on: list[str] = []
        self.taken: dict[Lane, asyncio.Event] = {lane: asyncio.Event() for lane in Lane}
        self._one_more = asyncio.Event()
        self._broker = broker
        self._turns = Turns()

    async def run(self, lane: Lane) -> None:
        """Until cancelled."""
        async with leases_of(self._broker, 4, self.queues[lane]) as leases:
            async for lease in leases:
                self.taken[lane].set()
                async with self._turns.of(lane):
                    await self.permits.acquire()
                    self.worked_on.append(lease.ticket.ids[0])
                    self._one_more.set()
                await lease.ack()

    async def permit(self, count: int) -> None:
        """Let so many tickets be worked on, and wait until they are."""
        wanted = len(self.worked_on) + count
        for _ in range(count):
            self.permits.release()
        async with asyncio.timeout(30):
            while len(self.worked_on) < wanted:
                self._one_more.clear()
                await self._one_more.wait()


class BrokerContract:
    """What both brokers promise."""

    async def test_declaring_again_changes_nothing(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a"))
        await house.broker.declare(QUEUE)
        assert await house.broker.depth(QUEUE) == 1

    async def test_tickets_come_in_the_order_of_publishing_with_all_their_ids(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, [Ticket(("a", "b")), Ticket(("c",))])
        await house.broker.publish(QUEUE, tickets("d"))
        async with leases_of(house.broker) as leases:
            taken = await take(leases, 3)
        assert [lease.ticket.ids for lease in taken] == [("a", "b"), ("c",), ("d",)]

    async def test_queues_are_apart(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.declare("islet.other")
        await house.broker.publish("islet.other", tickets("x"))
        assert await house.broker.depth(QUEUE) == 0
        assert await house.broker.depth("islet.other") == 1

    async def test_no_more_than_prefetch_are_in_hands_until_one_is_finished(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a", "b", "c"))
        async with leases_of(house.broker, prefetch=2) as leases:
            first, _second = await take(leases, 2)
            waiting = asyncio.ensure_future(anext(leases))
            assert await gives_nothing_more(waiting, house)
            await first.ack()
            async with asyncio.timeout(10):
                assert ids([await waiting]) == ["c"]

    async def test_what_is_acknowledged_is_gone_also_for_the_next_consumer(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a", "b"))
        async with leases_of(house.broker) as leases:
            first, _second = await take(leases, 2)
            await first.ack()
            assert await house.broker.depth(QUEUE) == 1
        async with leases_of(house.broker) as leases:
            assert ids(await take(leases, 1)) == ["b"]

    async def test_what_is_returned_comes_again_in_its_place_and_says_so(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a", "b", "c"))
        async with leases_of(house.broker, prefetch=2) as leases:
            first, second = await take(leases, 2)
            assert not first.redelivered
            await second.return_()
            await first.return_()
            again = await take(leases, 2)
            assert ids(again) == ["a", "b"]
            assert [lease.redelivered for lease in again] == [True, True]
            await again[0].ack()
            assert ids(await take(leases, 1)) == ["c"]

    async def test_a_lease_that_was_returned_no_longer_counts(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a"))
        async with leases_of(house.broker) as leases:
            (once,) = await take(leases, 1)
            await once.return_()
            (again,) = await take(leases, 1)
            await once.ack()
            await once.return_()
            assert await house.broker.depth(QUEUE) == 1, "it is in other hands now"
            await again.ack()
            assert await house.broker.depth(QUEUE) == 0

    async def test_a_lease_whose_consumer_has_ended_no_longer_counts(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a"))
        async with leases_of(house.broker) as leases:
            (old,) = await take(leases, 1)
        async with leases_of(house.broker) as leases:
            (new,) = await take(leases, 1)
            await old.ack()
            assert await house.broker.depth(QUEUE) == 1, "it is in other hands now"
            await new.ack()
            assert await house.broker.depth(QUEUE) == 0

    async def test_a_consumer_that_ends_gives_back_what_it_holds_before_what_came_later(
        self, house: BrokerHouse
    ) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a", "b", "c", "d"))
        async with leases_of(house.broker, prefetch=3) as leases:
            first, second, third = await take(leases, 3)
            await second.ack()
            await third.return_()
        await house.broker.publish(QUEUE, tickets("e"))
        async with leases_of(house.broker) as leases:
            again = await take(leases, 4)
        assert ids(again) == ["a", "c", "d", "e"]
        assert [lease.redelivered for lease in again][:2] == [True, True]
        assert first.ticket == again[0].ticket

    async def test_what_watchers_need_travels_with_the_ticket(self, house: BrokerHouse) -> None:
        headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "attempt": "2"}
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, [Ticket(("a",), headers), Ticket(("b",))])
        async with leases_of(house.broker) as leases:
            with_headers, without = await take(leases, 2)
        assert dict(with_headers.ticket.headers) == headers
        assert dict(without.ticket.headers) == {}

    async def test_more_tickets_than_fit_into_one_go_keep_their_order(self, house: BrokerHouse) -> None:
        names = [f"id-{number}" for number in range(450)]
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets(*names))
        assert await house.broker.depth(QUEUE) == len(names)
        taken = []
        async with leases_of(house.broker, prefetch=50) as leases:
            for _ in names:
                taken += await take(leases, 1)
                await taken[-1].ack()
        assert ids(taken) == names

    async def test_a_live_ticket_is_next_whatever_waits_in_the_batch_lane(self, house: BrokerHouse) -> None:
        lanes = TwoLanes(house.broker)
        for queue in lanes.queues.values():
            await house.broker.declare(queue)
        for start in range(0, 10_000, 100):
            some = tickets(*(f"batch-{n}" for n in range(start, start + 100)))
            await house.broker.publish(lanes.queues[Lane.BATCH], some)
        workers = [asyncio.create_task(lanes.run(lane)) for lane in Lane]
        await lanes.permit(20)
        await house.broker.publish(lanes.queues[Lane.LIVE], tickets("live"))
        async with asyncio.timeout(10):
            await lanes.taken[Lane.LIVE].wait()
        await lanes.permit(5)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        in_batch = [f"batch-{n}" for n in range(25)]
        assert lanes.worked_on in (
            [*in_batch[:20], "live", *in_batch[20:24]],
            [*in_batch[:21], "live", *in_batch[21:24]],
        )
        assert await house.broker.depth(lanes.queues[Lane.BATCH]) > 9_900

    async def test_publishing_no_tickets_changes_nothing(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, [])
        assert await house.broker.depth(QUEUE) == 0

    async def test_unfinished_leases_come_back_after_close_and_open(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a", "b"))
        leases = house.broker.consume(QUEUE, 10)
        first, _second = await take(leases, 2)
        await first.ack()
        await house.broker.close()
        await house.broker.close()
        await house.broker.open()
        await house.broker.declare(QUEUE)
        async with leases_of(house.broker) as later:
            (again,) = await take(later, 1)
        assert ids([again]) == ["b"]
        assert again.redelivered

    async def test_what_another_process_publishes_is_seen(self, house: BrokerHouse) -> None:
        await house.broker.declare(QUEUE)
        other = await house.another()
        await other.publish(QUEUE, tickets("a", "b"))
        await house.look()
        async with leases_of(house.broker) as leases:
            assert ids(await take(leases, 2)) == ["a", "b"]

    async def test_what_another_process_publishes_while_earlier_tickets_wait_is_seen_too(
        self, house: BrokerHouse
    ) -> None:
        await house.broker.declare(QUEUE)
        await (await house.another()).publish(QUEUE, tickets("a"))
        await (await house.another()).publish(QUEUE, tickets("b"))
        await house.look()
        async with leases_of(house.broker) as leases:
            assert ids(await take(leases, 2)) == ["a", "b"]
