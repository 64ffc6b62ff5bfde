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


def tickets(ids: Sequence[str], attempt: int | None = None) -> list[Ticket]:
    """Ids in order, cut into tickets. `attempt`: which it is, where that is known."""
    told = {} if attempt is None else {"attempt": str(attempt)}
    cut = (tuple(ids[start : start + TICKET_SIZE]) for start in range(0, len(ids), TICKET_SIZE))
    return [Ticket(some, {"traceparent": traceparent(some[0]), **told}) for some in cut]


def traceparent(id_: str) -> str:
    """W3C Trace Context, level 1, section 3.2. The id that a ticket begins with is the trace, its last 64 bits are the
    parent; so a trace that RabbitMQ shows leads to the journal, and nothing else has to be kept."""
    digits = id_.replace("-", "")
    return f"00-{digits:0>32}-{digits[-16:]:0>16}-01"


class Outbox:
    """Publishes for one engine. It knows the queues of its channels' parts (`serve`)."""

    def __init__(self, broker: Broker, queries: Queries, log: Log) -> None:
        self._broker = broker
        self._queries = queries
        self._log = log
        self._parts: dict[str, Part] = {}
        self._ways: dict[str, _Way] = {}

    def serve(self, parts: Iterable[Part]) -> None:
        """These queues can be filled from the journal."""
        self._parts.update({part.queue: part for part in parts})

    async def hand_on(self, work: Mapping[str, Sequence[str]]) -> None:
        """Publish tickets for what has been committed: queue → ids. Those of one queue go in the order of the calls;
        what comes while its tickets are on the way goes together in the next ones.

        If the broker is away, the journal still has the work; the queue is filled once the broker is back.
        """
        sends = [self._send(queue, ids) for queue, ids in work.items() if ids]
        if len(sends) == 1:
            await sends[0]
        else:
            await asyncio.gather(*sends)

    def doubt(self, parts: Iterable[Part]) -> None:
        """Whether the last commit for these queues came about is not known: they are filled before anything newer."""
        for part in parts:
            way = self._ways.setdefault(part.queue, _Way())
            way.behind = part.queue in self._parts
            way.doubts += 1

    async def catch_up(self) -> None:
        """Fill the queues that are behind, as far as broker and journal let us."""
        for queue, way in tuple(self._ways.items()):
            if way.behind:
                await self._send(queue, ())

    async def fill(self, part: Part) -> int:
        """Tickets for all that is in flight of one part's lane, oldest first; the number of ids. Raises Unavailable."""
        published, after = 0, ""
        while ids := await in_flight(part, self._queries, after, _AT_ONCE):
            await self._broker.publish(part.queue, tickets(ids))
            published, after = published + len(ids), ids[-1]
        return published

    async def _send(self, queue: str, ids: Sequence[str]) -> None:
        way = self._ways.get(queue)
        if way is None:
            way = self._ways[queue] = _Way()
        way.waiting += ids
        async with way.turn:
            behind, waiting = way.behind, way.waiting
            if not behind and not waiting:
                return  # whoever was before us took ours along
            way.waiting, doubts = [], way.doubts
            way.behind = queue in self._parts  # until it has gone well
            try:
                if behind:
                    await self.fill(self._parts[queue])  # all of `waiting` was committed before this looks
                    self._log.info("queue_filled", queue=queue)
                else:
                    await self._broker.publish(queue, tickets(waiting, attempt=1))
            except Unavailable as error:
                tell = self._log.debug if behind else self._log.warning
                tell("publish_failed", queue=queue, code=error.code, count=len(waiting))
            else:
                way.behind = way.behind and way.doubts != doubts


class _Way:
    """To one queue: one sends at a time. `behind`: tickets may be missing in it that only the journal knows of;
    `doubts`: how often that was said from outside."""

    __slots__ = ("behind", "doubts", "turn", "waiting")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting: list[str] = []
        self.behind = False
        self.doubts = 0


async def in_flight(part: Part, queries: Queries, after: str, limit: int) -> Sequence[str]:
    """Ids in flight of one part's lane that are greater than `after`, in order. Raises Unavailable."""
    if part.role is Role.PROCESS:
        return await queries.in_flight(part.channel, after, limit, part.share, part.lane)
    assert part.destination is not None
    name = part.destination.name
    return await queries.deliveries_in_flight(part.channel, name, after, limit, part.share, part.lane)
