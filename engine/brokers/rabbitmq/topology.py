"""The exchange, the queues and how they are declared.

Queue names are the routing keys of one direct exchange, so RabbitMQ's management page shows under that exchange what
each channel and destination has waiting.
"""

from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from engine.brokers.rabbitmq.words import for_a_person, words
from engine.contracts.plugins import Log
from engine.model.errors import Unavailable

QUEUE_ARGUMENTS: dict[str, Any] = {
    # Survives the loss of a node, and is on disk before a publish is confirmed (classic v2 queues and streams are not).
    "x-queue-type": "quorum",
    # One queue is never in two consumers' hands; when one goes, the next gets all it had, in order.
    "x-single-active-consumer": True,
    # So high that it never acts. Tickets carry no attempts: the journal counts those and holds what fails too often.
    # A limit that acts would drop a ticket in a row of reconnections, and the sweeper's new one would come out of
    # order. It has to be said, since RabbitMQ 4 counts to 20 when it is not; and -1 for "none" makes 3.x drop a
    # ticket at its first return.
    "x-delivery-limit": 1_000_000,
}
"""No dead-letter exchange: a ticket is no message, and one that is lost is written again."""
BE_GONE_SECONDS = 0.5
"""How long a queue that was deleted stays away: one that is made anew within some 20 ms is taken for the old one by the
channels that consumed it (RabbitMQ 3.10). They hear neither of its end nor of its tickets then, and cannot find out."""


class Topology:
    """What this process has declared, so that it can be declared again."""

    def __init__(self, namespace: str, log: Log) -> None:
        self.exchange = namespace
        self._log = log
        self._queues: dict[str, None] = {}

    def name(self, queue: str) -> str:
        """The queue's name at the broker: the namespace instead of the name's own first word."""
        return f"{self.exchange}.{queue.removeprefix('islet.')}"

    def add(self, queue: str) -> None:
        self._queues[queue] = None

    def knows(self, queue: str) -> bool:
        return queue in self._queues

    async def declare_all(self, connection: AbstractConnection) -> None:
        """After a reconnection, perhaps to a broker that has forgotten everything. Raises Unavailable.

        A queue that is there with other properties is left, and logged: the others are of use without it.
        """
        for queue in tuple(self._queues):
            try:
                await self.declare(connection, queue)
            except Unavailable as error:
                if not for_a_person(error):
                    raise
                self._log.error("queue_not_declared", queue=queue, code=error.code)

    async def declare(self, connection: AbstractConnection, queue: str) -> None:
        """On a channel of its own, since a refused declaration takes its channel with it. Raises Unavailable."""
        with words():
            async with connection.channel(publisher_confirms=False) as channel:
                await self.declare_on(channel, queue)

    async def declare_on(self, channel: AbstractChannel, queue: str) -> None:
        """May raise whatever the library raises."""
        exchange = await channel.declare_exchange(self.exchange, ExchangeType.DIRECT, durable=True)
        declared = await channel.declare_queue(self.name(queue), durable=True, arguments=QUEUE_ARGUMENTS)
        await declared.bind(exchange, routing_key=self.name(queue))

    async def ready(self, connection: AbstractConnection, queue: str) -> int:
        """Tickets in the queue and in nobody's hands; 0 where there is no such queue. Raises Unavailable."""
        with words():
            async with connection.channel(publisher_confirms=False) as channel:
                try:
                    found = await channel.declare_queue(self.name(queue), passive=True)
                except ChannelNotFoundEntity:
                    return 0
                return found.declaration_result.message_count or 0

    async def purge(self, connection: AbstractConnection, queue: str) -> None:
        """Drop the tickets that are in nobody's hands. Raises Unavailable."""
        with words():
            async with connection.channel(publisher_confirms=False) as channel:
                await (await channel.get_queue(self.name(queue), ensure=False)).purge()

    async def delete(self, connection: AbstractConnection, queue: str) -> None:
        """Drop the queue and its tickets. Raises Unavailable."""
        with words():
            async with connection.channel(publisher_confirms=False) as channel:
                await channel.queue_delete(self.name(queue))
