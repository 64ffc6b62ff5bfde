"""The contract, put together: `engine.contracts.broker.Broker` on RabbitMQ."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from aio_pika.abc import AbstractConnection

from engine.brokers.rabbitmq.client_log import pass_on_warnings
from engine.brokers.rabbitmq.consumer import Consumer
from engine.brokers.rabbitmq.link import Link
from engine.brokers.rabbitmq.publisher import Publisher
from engine.brokers.rabbitmq.settings import RabbitSettings
from engine.brokers.rabbitmq.topology import BE_GONE_SECONDS, Topology
from engine.brokers.rabbitmq.words import for_a_person, trouble
from engine.contracts.broker import Lease, Ticket
from engine.contracts.plugins import Log
from engine.model.clock import Clock
from engine.model.errors import Unavailable

T = TypeVar("T")


class RabbitBroker:
    """Two connections: one publishes, one consumes and declares. Either is made anew when it is lost.

    `depth` counts what is ready and what this process holds; what another process holds, AMQP does not tell.
    """

    def __init__(
        self, settings: RabbitSettings, clock: Clock, log: Log, chance: Callable[[], float] = random.random
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log = log
        self._chance = chance
        self._topology = Topology(settings.namespace, log)
        self._work = Link("work", settings, clock, log, chance, self._topology.declare_all)
        self._out = Link("publish", settings, clock, log, chance)
        self._publisher = Publisher(self._out, self._topology, settings.publish_timeout_seconds, self._declare_anew)
        self._consumers: set[Consumer] = set()
        pass_on_warnings(log)

    @property
    def trouble(self) -> Unavailable | None:
        if known := self._publisher.trouble or self._work.trouble:
            return known
        return None if self._work.up and self._out.up else trouble("broker-away")

    async def open(self) -> None:
        """Returns when connected, or after the time limit: then it goes on connecting.

        Raises NeedsOperator when the broker answers and a person has to mend something (sign-in, TLS), ConfigError
        when a certificate file cannot be read.
        """
        await asyncio.to_thread(self._settings.tls_context)
        self._work.start()
        self._out.start()
        try:
            async with asyncio.timeout(self._settings.open_timeout_seconds):
                await self._work.first_answer()
                await self._out.first_answer()
        except TimeoutError:
            self._log.warning("broker_not_there_yet", peer=self._settings.peer)
        except BaseException:
            await self.close()
            raise

    async def declare(self, queue: str) -> None:
        """A broker that is away gets the queue as soon as it is there.

        Raises NeedsOperator when the queue is there with other properties, or when our user may not declare it.
        """
        self._topology.add(queue)
        if not self._work.up:
            return
        try:
            await self._declare(queue)
        except Unavailable as error:
            if needs := for_a_person(error):
                raise needs from None

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        await self._publisher.publish(queue, tickets)

    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[Lease]:
        consumer = Consumer(
            queue, prefetch, self._work, self._topology, self._settings, self._clock, self._log, self._chance
        )
        self._consumers.add(consumer)
        try:
            while True:
                yield await consumer.next()
        finally:
            self._consumers.discard(consumer)
            await consumer.close()

    async def depth(self, queue: str) -> int:
        """Raises Unavailable."""
        ready = await self._ask(lambda connection: self._topology.ready(connection, queue))
        return ready + sum(consumer.unfinished for consumer in self._consumers if consumer.queue == queue)

    async def purge(self, queue: str) -> None:
        """Drop the tickets that are in nobody's hands; the sweeper writes what is needed. Raises Unavailable."""
        await self._ask(lambda connection: self._topology.purge(connection, queue))

    async def delete(self, queue: str) -> None:
        """Drop the queue; whoever works on it declares it again. Raises Unavailable."""
        await self._ask(lambda connection: self._topology.delete(connection, queue))

    async def close(self) -> None:
        for consumer in tuple(self._consumers):
            await consumer.close()
        await self._publisher.close()
        await self._work.close()
        await self._out.close()

    async def _declare(self, queue: str) -> None:
        await self._ask(lambda connection: self._topology.declare(connection, queue))

    async def _declare_anew(self, queue: str) -> None:
        await self._clock.sleep(BE_GONE_SECONDS)
        await self._declare(queue)

    async def _ask(self, question: Callable[[AbstractConnection], Awaitable[T]]) -> T:
        """An answer of the broker. Raises Unavailable within the time limit."""
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                return await question(await self._work.connection())
        except TimeoutError:
            raise self._work.trouble or trouble("broker-silent" if self._work.up else "broker-away") from None
