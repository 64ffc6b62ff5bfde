"""The embedded broker: queues in the journal's own database, handed over in memory inside one process.

A published ticket is a row (written by the journal's writer, so it shares commits) and goes to the consumer at once.
Rows that another process wrote (a replay from the command line) are found by polling. After a crash all rows that
are still there are free again. One engine owns a SQLite store: its lock file sees to that.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import select

from engine.brokers.codec import decode, encode
from engine.contracts.broker import Lease, Ticket
from engine.journal import tables
from engine.model.clock import Clock
from engine.model.errors import Unavailable

_POLL_SECONDS = 0.5


class TicketStore(Protocol):
    """What the journal's writer offers for tickets."""

    async def add_tickets(self, queue: str, tickets: Sequence[str]) -> Sequence[int]: ...

    async def remove_tickets(self, numbers: Sequence[int]) -> None: ...


class TicketReader(Protocol):
    async def all(self, statement: Any) -> Sequence[Any]: ...


@dataclass(slots=True)
class _Entry:
    number: int
    ticket: Ticket
    redelivered: bool = False


@dataclass(slots=True)
class _Queue:
    ready: deque[_Entry] = field(default_factory=deque)
    in_hands: dict[int, _Entry] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def give_back(self, entry: _Entry) -> None:
        """To where it was: tickets are handed out by number, so a returned one goes before all later ones."""
        entry.redelivered = True
        place = 0
        while place < len(self.ready) and self.ready[place].number < entry.number:
            place += 1
        self.ready.insert(place, entry)
        self.changed.set()


class EmbeddedLease:
    """`engine.contracts.broker.Lease`."""

    def __init__(self, broker: "EmbeddedBroker", queue: _Queue, entry: _Entry) -> None:
        self._broker = broker
        self._queue = queue
        self._entry = entry

    @property
    def ticket(self) -> Ticket:
        return self._entry.ticket

    @property
    def redelivered(self) -> bool:
        return self._entry.redelivered

    async def ack(self) -> None:
        if self._queue.in_hands.pop(self._entry.number, None) is not None:
            self._queue.changed.set()
            await self._broker.forget(self._entry.number)

    async def return_(self) -> None:
        if self._queue.in_hands.pop(self._entry.number, None) is not None:
            self._queue.give_back(self._entry)


class EmbeddedBroker:
    """`engine.contracts.broker.Broker` inside the journal's database."""

    def __init__(self, store: TicketStore, reader: TicketReader, clock: Clock) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._seen = 0
        self._own: set[int] = set()
        self._done: list[int] = []
        self._publishing = 0
        self._poller: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._load(redelivered=True)
        self._poller = asyncio.create_task(self._poll(), name="embedded-broker-poll")

    async def declare(self, queue: str) -> None:
        self._queues.setdefault(queue, _Queue())

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        self._publishing += 1
        try:
            numbers = await self._store.add_tickets(queue, [encode(ticket) for ticket in tickets])
            self._own.update(numbers)
            target = self._queues.get(queue)
            if target is not None:
                target.ready.extend(_Entry(n, ticket) for n, ticket in zip(numbers, tickets, strict=True))
                target.changed.set()
        finally:
            self._publishing -= 1

    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[Lease]:
        target = self._queues[queue]
        mine: dict[int, EmbeddedLease] = {}
        try:
            while True:
                while target.ready and sum(number in target.in_hands for number in mine) < prefetch:
                    entry = target.ready.popleft()
                    target.in_hands[entry.number] = entry
                    mine = {number: lease for number, lease in mine.items() if number in target.in_hands}
                    mine[entry.number] = EmbeddedLease(self, target, entry)
                    yield mine[entry.number]
                target.changed.clear()
                await target.changed.wait()
        finally:  # whoever stops consuming gives back what is unfinished
            for lease in mine.values():
                await lease.return_()

    async def depth(self, queue: str) -> int:
        target = self._queues.get(queue)
        return len(target.ready) + len(target.in_hands) if target else 0

    async def forget(self, number: int) -> None:
        """Remove a finished ticket's row with others, when there are some or at the next poll.

        If a crash comes first, the ticket comes again and its ids turn out to be done: harmless.
        """
        self._done.append(number)
        if len(self._done) >= 100:
            await self._remove_done()

    async def close(self) -> None:
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
            self._poller = None
            await self._remove_done()

    async def _remove_done(self) -> None:
        done, self._done = self._done, []
        if done:
            await self._store.remove_tickets(done)
            self._own.difference_update(done)

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(_POLL_SECONDS)
            try:
                await self._load(redelivered=False)
                await self._remove_done()
            except Unavailable:
                continue  # the journal is away, and says so itself; tickets are looked for at the next turn

    async def _load(self, *, redelivered: bool) -> None:
        c = tables.ticket.c
        rows = await self._reader.all(select(c.id, c.queue, c.ids).where(c.id > self._seen).order_by(c.id))
        if self._publishing:  # an own row may be among them whose number is not known yet: look again later
            return
        for number, queue, ids in rows:
            self._seen = max(self._seen, number)
            if number in self._own:
                continue
            target = self._queues.setdefault(queue, _Queue())
            target.ready.append(_Entry(number, decode(ids), redelivered))
            target.changed.set()
