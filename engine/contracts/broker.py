"""The broker: the road between journal and workers. It carries tickets, never bodies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.model.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Ticket:
    """Names journal ids of one queue, in order. Losing one loses nothing: the sweeper writes another."""

    ids: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What travels beside them for whoever watches: `traceparent` (W3C Trace Context), `attempt`. It may get lost."""


class Lease(Protocol):
    """A ticket in one worker's hands."""

    @property
    def ticket(self) -> Ticket: ...

    @property
    def redelivered(self) -> bool:
        """It was in somebody's hands before."""
        ...

    @property
    def after_gap(self) -> bool:
        """Tickets that came earlier may be lost, and only the journal knows: nobody has listened to the broker just
        before it. So with the first one of every consumer too: until it begins, its queue can be lost and made anew."""
        ...

    async def ack(self) -> None:
        """Done with: only after the outcome is in the journal (law 2)."""
        ...

    async def return_(self) -> None:
        """Not done: it goes back to where it was in its queue. What a dying worker holds goes back by itself."""
        ...


class Broker(Protocol):
    """Queues of tickets. Both implementations pass `engine.testing.broker_kit`."""

    @property
    def trouble(self) -> Unavailable | None:
        """Why it is of no use at the moment, as far as it is known."""
        ...

    async def open(self) -> None:
        """A broker that is away does not fail this: then `trouble` says so until it is there. Raises NeedsOperator if
        a person has to mend something."""
        ...

    async def declare(self, queue: str) -> None:
        """Make sure the queue is there. Idempotent."""
        ...

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        """Returns when the broker has the tickets (confirmed, where it is another program). Raises Unavailable; then
        they may or may not be there. A broker that dies may lose them: the sweeper makes them anew."""
        ...

    def consume(self, queue: str, prefetch: int) -> AsyncIterator[Lease]:
        """Leases in the order of publishing, at most `prefetch` unfinished at a time."""
        ...

    async def depth(self, queue: str) -> int:
        """Tickets in the queue, those in hands included."""
        ...

    async def close(self) -> None:
        """Unfinished leases go back. Safe twice."""
        ...
