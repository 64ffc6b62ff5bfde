"""Leases of one queue for one taker, over as many channels as it takes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import ArgumentsType

from engine.brokers.rabbitmq.link import Link
from engine.brokers.rabbitmq.session import RabbitLease, Session
from engine.brokers.rabbitmq.settings import RabbitSettings
from engine.brokers.rabbitmq.topology import BE_GONE_SECONDS, Topology
from engine.brokers.rabbitmq.words import words
from engine.contracts.plugins import Log
from engine.model.clock import Clock
from engine.model.errors import Unavailable

_CONSUMER_ARGUMENTS: ArgumentsType = {
    # A lease may wait for hours beside a destination that is down; RabbitMQ would close the channel after 30 minutes.
    # Its own heartbeats find dead consumers. Known from RabbitMQ 3.12 on; before, `consumer_timeout` in its
    # configuration, without which the tickets come again every half hour.
    "x-consumer-timeout": 7 * 24 * 3600 * 1000,
}
_CLOSE_SECONDS = 2.0
_WATCH_SECONDS = 10.0
_BROKEN_AFTER = 3  # failures to begin


class Consumer:
    """One taker of one queue. RabbitMQ serves one taker of a queue at a time; the others wait for their turn."""

    def __init__(
        self,
        queue: str,
        prefetch: int,
        link: Link,
        topology: Topology,
        settings: RabbitSettings,
        clock: Clock,
        log: Log,
        chance: Callable[[], float],
    ) -> None:
        self.queue = queue
        self._prefetch = prefetch
        self._link = link
        self._topology = topology
        self._settings = settings
        self._clock = clock
        self._log = log
        self._chance = chance
        self._channel: AbstractChannel | None = None
        self._session: Session | None = None

    @property
    def unfinished(self) -> int:
        """Tickets that the broker has delivered here and that are not acknowledged."""
        return self._session.unfinished if self._session else 0

    async def next(self) -> RabbitLease:
        """Waits for as long as it takes, also for the broker."""
        while True:
            if self._session is None:
                self._session = await self._begin()
            lease = await self._watched(self._session)
            if lease is not None:
                return lease
            self._log.warning("consumer_interrupted", queue=self.queue)
            await self.close()

    async def _watched(self, session: Session) -> RabbitLease | None:
        """None when the session has ended, or the broker no longer serves it: RabbitMQ does not always say so when a
        queue is deleted and declared again."""
        while True:
            try:
                async with asyncio.timeout(_WATCH_SECONDS):
                    return await session.next()
            except TimeoutError:
                if not await self._is_served():
                    return None

    async def _is_served(self) -> bool:
        if self._channel is None:
            return False
        try:
            with words():
                queue = await self._channel.declare_queue(self._topology.name(self.queue), passive=True)
        except Unavailable:
            return False
        return bool(queue.declaration_result.consumer_count)

    async def close(self) -> None:
        """What is unfinished goes back to the broker, in its order."""
        session, self._session = self._session, None
        channel, self._channel = self._channel, None
        if session is not None:
            session.end()
        if channel is not None:
            with suppress(Unavailable, TimeoutError):  # then the connection is going, and the channel with it
                async with asyncio.timeout(_CLOSE_SECONDS):
                    with words():
                        await channel.close()

    async def _begin(self) -> Session:
        failures = 0
        while True:
            connection = await self._link.connection()
            try:
                async with self._link.beginning:  # one at a time, so that a failure is this queue's own
                    return await self._consume(connection)
            except Unavailable as error:
                failures += 1
                self._log.warning("consumer_waits", queue=self.queue, code=error.code, attempt=failures)
            await self._clock.sleep(self._settings.reconnect.back_off(failures, self._chance()))
            if failures % _BROKEN_AFTER == 0:
                await self._make_anew()

    async def _make_anew(self) -> None:
        """A quorum queue can be left without its process by a broker that was killed: then whoever consumes it loses
        the whole connection. Its tickets are no loss."""
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                await self._topology.delete(await self._link.connection(), self.queue)
        except (Unavailable, TimeoutError):
            return  # it is the broker that is away
        self._log.warning("queue_made_anew", queue=self.queue)
        await self._clock.sleep(BE_GONE_SECONDS)

    async def _consume(self, connection: AbstractConnection) -> Session:
        try:
            with words():
                self._channel = channel = connection.channel(publisher_confirms=False)
                await channel.initialize()
                await channel.set_qos(self._prefetch)
                await self._topology.declare_on(channel, self.queue)
                raw = await channel.get_underlay_channel()
                session = Session(self.queue, raw, self._log)
                channel.close_callbacks.add(session.end)
                raw.on_consumer_cancel_callbacks.add(session.end)
                await raw.basic_consume(
                    self._topology.name(self.queue), session.on_message, arguments=_CONSUMER_ARGUMENTS
                )
                return session
        except BaseException:
            await self.close()
            raise
