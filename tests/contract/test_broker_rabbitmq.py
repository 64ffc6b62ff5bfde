"""RabbitMQ keeps the broker's contract."""

from collections.abc import AsyncIterator

import pytest

from engine.brokers.rabbitmq import RabbitBroker, RabbitSettings
from engine.contracts.broker import Broker
from engine.model.clock import SystemClock
from engine.testing.broker_kit import QUEUE, BrokerContract, ids, leases_of, take, tickets
from engine.testing.fakes import MemoryLog


class House:
    """Brokers of one namespace, each with connections of its own, as separate processes have them."""

    def __init__(self, url: str, namespace: str) -> None:
        self._settings = RabbitSettings(url=url, namespace=namespace)
        self.broker: Broker = self._made()
        self._others: list[Broker] = []

    def _made(self) -> RabbitBroker:
        return RabbitBroker(self._settings, SystemClock(), MemoryLog(), lambda: 0.5)

    async def another(self) -> Broker:
        broker = self._made()
        await broker.open()
        self._others.append(broker)
        return broker

    async def look(self) -> None:
        """Three answers of the queue itself, over the connection on which it sends its tickets."""
        for _ in range(3):
            await self.broker.depth(QUEUE)

    async def close(self) -> None:
        for broker in (*self._others, self.broker):
            await broker.close()


@pytest.fixture
async def house(shared_vhost: str, namespace: str) -> AsyncIterator[House]:
    made = House(shared_vhost, namespace)
    await made.broker.open()
    yield made
    await made.close()


class TestRabbitBroker(BrokerContract):
    async def test_one_consumer_is_served_at_a_time_and_the_next_gets_everything_in_order(self, house: House) -> None:
        await house.broker.declare(QUEUE)
        await house.broker.publish(QUEUE, tickets("a", "b", "c", "d"))
        async with leases_of(await house.another()) as waiting:
            async with leases_of(house.broker, prefetch=2) as leases:
                first, _second = await take(leases, 2)
                await first.ack()
            again = await take(waiting, 3)
        assert ids(again) == ["b", "c", "d"]
