"""The embedded broker: the journal's rows in flight are the queue, and this keeps who is next.

A ticket published by the engine itself goes to its consumer in memory; the work it names is in the journal, and
after a crash the sweeper writes tickets for all of it, so nothing is written twice on the way. Another process (a
replay from the command line) publishes through the table `ticket` of the same database, which the engine looks at
twice a second. One engine owns a SQLite store: its lock file sees to that.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from sqlalchemy import select

from engine.brokers.codec import decode, encode
from engine.contracts.broker import Lease, Ticket
from engine.journal import tables
from engine.model.clock import Clock
from engine.model.errors import Unavailable

_POLL_SECONDS = 0.5


class TicketStore(Protocol):
    """What the journal's writer offers for tickets of other processes."""

    async def add_tickets(self, queue: str, tickets: Sequence[str]) -> Sequence[int]: ...

    async def remove_tickets(self, numbers: Sequence[int]) -> None: ...


class TicketReader(Protocol):
    async def all(self, statement: Any) -> Sequence[Any]: ...


@dataclass(slots=True)
class _Entry:
    number: int
    ticket: Ticket
    row: int | None = None
    """Its row in the table, if another process wrote it."""
    redelivered: bool = False


@dataclass(slots=True)
class _Queue:
    ready: deque[_Entry] = field(default_factory=deque)
    in_hands: "dict[int, EmbeddedLease]" = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    declared: bool = False
    """By this process: it owns the queue. Else it only holds what another process has to be given."""

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

    after_gap = False

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
        if self._let_go():
            self._queue.changed.set()
            if self._entry.row is not None:
                self._broker.forget(self._entry.row)

    async def return_(self) -> None:
        if self._let_go():
            self._queue.give_back(self._entry)

    def held(self) -> bool:
        return self._queue.in_hands.get(self._entry.number) is self

    def _let_go(self) -> bool:
        """False if it was finished before: the ticket may be in other hands now."""
        if not self.held():
            return False
        del self._queue.in_hands[self._entry.number]
        return True


class EmbeddedBroker:
    """`engine.contracts.broker.Broker` beside the journal. Queues that this process declares are its own."""

    trouble = None

    def __init__(self, store: TicketStore, reader: TicketReader, clock: Clock) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._number = count(1)
        self._seen = 0
        self._done: list[int] = []
        self._poller: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._load(redelivered=True)
        self._poller = asyncio.create_task(self._poll(), name="embedded-broker-poll")

    async def declare(self, queue: str) -> None:
        self._queues.setdefault(queue, _Queue()).declared = True

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        target = self._queues.get(queue)
        if target is None or not target.declared:  # another process owns the queue
            await self._store.add_tickets(queue, [encode(ticket) for ticket in tickets])
        else:
            target.ready.extend(_Entry(next(self._number), ticket) for ticket in tickets)
            target.changed.set()

    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[Lease]:
        target = self._queues[queue]
        mine: list[EmbeddedLease] = []
        try:
            while True:
                while target.ready and len(mine := [lease for lease in mine if lease.held()]) < prefetch:
                    entry = target.ready.popleft()
                    lease = target.in_hands[entry.number] = EmbeddedLease(self, target, entry)
                    mine.append(lease)
                    yield lease
                target.changed.clear()
                await target.changed.wait()
        finally:  # whoever stops consuming gives back what is unfinished
            for lease in mine:
                await lease.return_()

    async def depth(self, queue: str) -> int:
        target = self._queues.get(queue)
        return len(target.ready) + len(target.in_hands) if target else 0

    def forget(self, row: int) -> None:
        """The ticket in this row is finished. If a crash comes before it is removed, its ids turn out to be done."""
        self._done.append(row)

    async def close(self) -> None:
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
            self._poller = None
            with suppress(Unavailable):  # those rows are read again after the next start, and found done
                await self._remove_done()
        for queue in self._queues.values():
            for lease in tuple(queue.in_hands.values()):
                await lease.return_()

    async def _remove_done(self) -> None:
        if done := tuple(self._done):
            await self._store.remove_tickets(done)
            del self._done[: len(done)]

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
        for row, queue, ids in rows:
            self._seen = row
            target = self._queues.setdefault(queue, _Queue())
            target.ready.append(_Entry(next(self._number), decode(ids), row, redelivered))
            target.changed.set()
