"""One channel's worth of consuming: its leases are good as long as the channel lives."""

import asyncio
import heapq
from collections.abc import Mapping
from typing import Any

import aiormq
from aiormq.abc import DeliveredMessage

from engine.brokers.codec import decode
from engine.brokers.rabbitmq.words import words
from engine.contracts.broker import Ticket
from engine.contracts.plugins import Log
from engine.model.errors import Unavailable

_ACK_SECONDS = 5.0


class RabbitLease:
    """`engine.contracts.broker.Lease`. `tag` is its number on its channel: the order of the queue."""

    __slots__ = ("_session", "after_gap", "redelivered", "tag", "ticket")

    def __init__(self, session: "Session", tag: int, ticket: Ticket, *, redelivered: bool, after_gap: bool) -> None:
        self._session = session
        self.tag = tag
        self.ticket = ticket
        self.redelivered = redelivered
        self.after_gap = after_gap

    @property
    def held(self) -> bool:
        """False once it is finished or its channel is lost: then the broker may have given the ticket to another."""
        return self._session.holds(self)

    async def ack(self) -> None:
        await self._session.ack(self)

    async def return_(self) -> None:
        self._session.take_back(self)


class Session:
    """What the broker has delivered on one channel and we have not acknowledged.

    A lease that is returned waits here, in its place, for the next taker: sent back to the broker it would go behind
    tickets that were already delivered. When the channel closes, the broker puts everything back in its order.
    """

    def __init__(self, queue: str, channel: aiormq.abc.AbstractChannel, log: Log) -> None:
        self._after_gap = True  # for its first lease: nobody has listened until now
        self._queue = queue
        self._channel = channel
        self._log = log
        self._waiting: list[tuple[int, bool, Ticket]] = []
        self._held: dict[int, RabbitLease] = {}
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def unfinished(self) -> int:
        return len(self._waiting) + len(self._held)

    async def next(self) -> RabbitLease | None:
        """The next ticket in the order of the queue; None when the session has ended."""
        while not self._waiting and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        if self._ended:
            return None
        tag, redelivered, ticket = heapq.heappop(self._waiting)
        lease = RabbitLease(self, tag, ticket, redelivered=redelivered, after_gap=self._after_gap)
        self._held[tag] = lease
        self._after_gap = False
        return lease

    def end(self, *_: Any) -> None:
        """The channel is gone, or is to go: every lease of it is void, and its ticket comes again."""
        self._ended = True
        self._waiting.clear()
        self._held.clear()
        self._changed.set()

    def holds(self, lease: RabbitLease) -> bool:
        return self._held.get(lease.tag) is lease

    def take_back(self, lease: RabbitLease) -> None:
        if self.holds(lease):
            del self._held[lease.tag]
            heapq.heappush(self._waiting, (lease.tag, True, lease.ticket))
            self._changed.set()

    async def ack(self, lease: RabbitLease) -> None:
        if self.holds(lease):
            del self._held[lease.tag]
            await self._ack(lease.tag)

    async def _ack(self, tag: int) -> None:
        """What cannot be acknowledged must come again, and with it all of the channel."""
        try:
            async with asyncio.timeout(_ACK_SECONDS):
                with words():
                    await self._channel.basic_ack(tag, wait=False)
        except (Unavailable, TimeoutError):
            self.end()
        except asyncio.CancelledError:
            self.end()
            raise

    async def on_message(self, message: DeliveredMessage) -> None:
        """Called by the library in the order of delivery, in a task that it cancels when it loses the connection."""
        tag = message.delivery_tag
        assert tag is not None
        try:
            ticket = decode(message.body.decode())
        except UnicodeDecodeError:
            ticket = Ticket(())
        if self._ended:
            return
        if not ticket.ids:  # not one of ours; nothing is lost, since the journal knows what there is to do
            self._log.warning("ticket_unreadable", queue=self._queue)
            await self._ack(tag)
            return
        ticket = Ticket(ticket.ids, _texts(message.header.properties.headers))
        heapq.heappush(self._waiting, (tag, bool(message.redelivered), ticket))
        self._changed.set()


def _texts(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """The headers that a publisher of ours may have given."""
    return {k: v for k, v in (headers or {}).items() if isinstance(v, str) and not k.startswith("x-")}
