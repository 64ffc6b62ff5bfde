"""Tickets in, confirms out: many in flight on one channel, in the order of the calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, PublishError

from engine.brokers.codec import encode
from engine.brokers.rabbitmq.link import Link
from engine.brokers.rabbitmq.topology import Topology
from engine.brokers.rabbitmq.words import code_of, trouble, words
from engine.contracts.broker import Ticket
from engine.model.errors import Unavailable

_WINDOW = 200
"""Tickets in flight at once: more is slower, since the library's book-keeping grows with it."""


class Publisher:
    """Publishes over its own link, so that a broker that is short of memory stops this and nothing else.

    A call that gets no confirm in time has tickets on the way that may still arrive. Until the broker answers again
    the calls after it fail at once: the journal has their work, and whoever hands it on must not stand in a queue.
    """

    def __init__(
        self,
        link: Link,
        topology: Topology,
        limit_seconds: float,
        declare: Callable[[str], Awaitable[None]],
    ) -> None:
        self._link = link
        self._topology = topology
        self._limit = limit_seconds
        self._declare = declare
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._silence: Unavailable | None = None
        self._listener: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> Unavailable | None:
        """Why nothing can be published now, as far as it is known."""
        return self._silence or self._link.trouble

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        """Until all are confirmed. Raises Unavailable within the limit; then they may or may not be there."""
        if known := self.trouble:
            raise Unavailable(known.text, code=known.code)
        try:
            async with asyncio.timeout(self._limit):
                await self._publish(queue, tickets)
        except TimeoutError:
            raise await self._silent() from None

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        self._channel = self._connection = None

    async def _publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        homeless = await self._send(queue, tickets)
        if homeless and self._topology.knows(queue):  # somebody deleted it
            await self._declare(queue)
            homeless = await self._send(queue, homeless)
        if homeless:
            raise trouble("unroutable")

    async def _send(self, queue: str, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Returns the tickets that found no queue."""
        homeless: list[Ticket] = []
        for start in range(0, len(tickets), _WINDOW):
            window = tickets[start : start + _WINDOW]
            channel = await self._open_channel()
            # Each in a task of its own: what happens to a lost connection's futures must not happen to our caller.
            answers = await asyncio.gather(
                *(self._send_one(channel, queue, ticket) for ticket in window), return_exceptions=True
            )
            for ticket, answer in zip(window, answers, strict=True):
                if isinstance(answer, PublishError | ChannelNotFoundEntity):  # no such queue, no such exchange
                    homeless.append(ticket)
                elif isinstance(answer, BaseException):
                    raise trouble(code_of(answer))
        return homeless

    async def _send_one(self, channel: aiormq.Channel, queue: str, ticket: Ticket) -> None:
        # The library gives each attempt a message id of its own; it finds a returned message's publisher by it.
        await channel.basic_publish(
            encode(ticket).encode(),
            exchange=self._topology.exchange,
            routing_key=self._topology.name(queue),
            properties=aiormq.spec.Basic.Properties(
                delivery_mode=2, content_type="text/plain", app_id="islet", headers=dict(ticket.headers)
            ),
            mandatory=True,
            wait=False,
        )

    async def _open_channel(self) -> aiormq.Channel:
        """The channel that is open, or a new one on the link's present connection. Raises Unavailable."""
        async with self._opening:
            connection = await self._link.connection()
            with words():
                if self._channel is None or self._channel.is_closed or self._connection is not connection:
                    self._channel = connection.channel(publisher_confirms=True, on_return_raises=True)
                    self._connection = connection
                    await self._channel.initialize()
                channel = await self._channel.get_underlay_channel()
            assert isinstance(channel, aiormq.Channel)
            return channel

    async def _silent(self) -> Unavailable:
        """Why there was no answer in time; until there is one again, others need not wait for it."""
        if (connection := self._connection) is None or not self._link.up:
            return self._link.trouble or trouble("broker-away")
        silence = trouble("broker-blocked" if await _blocked(connection) else "broker-silent")
        if self._listener is None or self._listener.done():
            self._silence = silence
            self._listener = asyncio.create_task(self._listen(connection), name="rabbitmq-listen")
        return silence

    async def _listen(self, connection: AbstractConnection) -> None:
        """Until the broker answers on this connection again, or the connection is lost."""
        try:
            with words():
                async with connection.channel():
                    pass
        except Unavailable:
            return  # the link says why
        finally:
            self._silence = None


async def _blocked(connection: AbstractConnection) -> bool:
    """Has the broker told this connection that it takes nothing in?"""
    assert connection.transport is not None
    try:
        async with asyncio.timeout(0):
            await connection.transport.ready()
    except TimeoutError:
        return True
    return False
