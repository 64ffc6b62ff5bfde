"""What every part of the data path works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.contracts.broker import Broker, Ticket
from engine.contracts.journal import Journal
from engine.contracts.plugins import Log
from engine.model.clock import Clock
from engine.model.errors import Unavailable
from engine.observability.meters import Meters
from engine.runtime.leases import Alone, Leases
from engine.runtime.parts import ALL_ROLES, Role

TICKET_SIZE = 100
"""Ids in one ticket at most: big enough to spread its cost, small enough to keep the loop responsive."""


def tickets(ids: Sequence[str]) -> list[Ticket]:
    """Ids in order, cut into tickets."""
    return [Ticket(tuple(ids[start : start + TICKET_SIZE])) for start in range(0, len(ids), TICKET_SIZE)]


@dataclass(frozen=True, slots=True)
class Tools:
    """Journal, broker, clock, chance and log, as the supervisor put them together."""

    journal: Journal
    broker: Broker
    clock: Clock
    log: Log
    random: Callable[[], float]
    meters: Meters = field(default_factory=Meters)
    leases: Leases = field(default_factory=Alone)
    partitions: int = 1
    """Shares that a channel's work is cut into; the same in every engine on one journal."""
    roles: frozenset[Role] = ALL_ROLES

    async def hand_on(self, work: Mapping[str, Sequence[str]]) -> None:
        """Publish tickets for what has been committed: queue → ids.

        If the broker is away, the journal still has the work, and the sweeper publishes it later.
        """
        for queue, ids in work.items():
            if not ids:
                continue
            try:
                await self.broker.publish(queue, tickets(ids))
            except Unavailable as error:
                self.log.warning("publish_failed", queue=queue, code=error.code, count=len(ids))
