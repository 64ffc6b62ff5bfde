"""The outbox: tickets for what has been committed.

Work is in the journal before its ticket is published, so a ticket can get lost without harm, but not out of order: a
queue that could not be published to gets everything that is in flight for it, oldest first, before anything newer.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from engine.contracts.broker import Broker, Ticket
from engine.contracts.journal import Queries
from engine.contracts.plugins import Log
from engine.model.errors import Unavailable
from engine.runtime.parts import Part, Role

TICKET_SIZE = 100
"""Ids in one ticket at most: big enough to spread its cost, small enough to keep the loop responsive."""
_AT_ONCE = 1000


def tickets(ids: Sequence[str]) -> list[Ticket]:
    """Ids in order, cut into tickets."""
    return [Ticket(tuple(ids[start : start + TICKET_SIZE])) for start in range(0, len(ids), TICKET_SIZE)]


class Outbox:
    """Publishes for one engine. It knows the queues of its channels' parts (`serve`)."""

    def __init__(self, broker: Broker, queries: Queries, log: Log) -> None:
        self._broker = broker
        self._queries = queries
        self._log = log
        self._parts: dict[str, Part] = {}
        self._behind: dict[str, asyncio.Lock] = {}

    def serve(self, parts: Iterable[Part]) -> None:
        """These queues can be filled from the journal."""
        self._parts.update({part.queue: part for part in parts})

    async def hand_on(self, work: Mapping[str, Sequence[str]]) -> None:
        """Publish tickets for what has been committed: queue → ids.

        If the broker is away, the journal still has the work; the queue is filled once the broker is back.
        """
        for queue, ids in work.items():
            if ids and not await self._caught_up(queue):
                await self._publish(queue, ids)

    async def catch_up(self) -> None:
        """Fill the queues that are behind, as far as broker and journal let us."""
        for queue in tuple(self._behind):
            await self._caught_up(queue)

    async def fill(self, part: Part) -> int:
        """Tickets for all that is in flight of one part's lane, oldest first; the number of ids. Raises Unavailable."""
        published, after = 0, ""
        while ids := await in_flight(part, self._queries, after, _AT_ONCE):
            await self._broker.publish(part.queue, tickets(ids))
            published, after = published + len(ids), ids[-1]
        return published

    async def _caught_up(self, queue: str) -> bool:
        """Was the queue behind? Then this has tried to fill it, with what the caller has committed too."""
        if (turn := self._behind.get(queue)) is None:
            return False
        async with turn:
            if queue not in self._behind:  # filled by another call, which may have looked before our commit
                return False
            try:
                await self.fill(self._parts[queue])
            except Unavailable as error:
                self._log.debug("publish_failed", queue=queue, code=error.code)
            else:
                del self._behind[queue]
                self._log.info("queue_filled", queue=queue)
        return True

    async def _publish(self, queue: str, ids: Sequence[str]) -> None:
        try:
            await self._broker.publish(queue, tickets(ids))
        except Unavailable as error:
            self._log.warning("publish_failed", queue=queue, code=error.code, count=len(ids))
            if queue in self._parts:
                self._behind.setdefault(queue, asyncio.Lock())


async def in_flight(part: Part, queries: Queries, after: str, limit: int) -> Sequence[str]:
    """Ids in flight of one part's lane that are greater than `after`, in order. Raises Unavailable."""
    if part.role is Role.PROCESS:
        return await queries.in_flight(part.channel, after, limit, part.share, part.lane)
    assert part.destination is not None
    name = part.destination.name
    return await queries.deliveries_in_flight(part.channel, name, after, limit, part.share, part.lane)
