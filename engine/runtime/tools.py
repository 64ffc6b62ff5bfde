"""What every part of the data path works with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.contracts.broker import Broker
from engine.contracts.journal import Journal
from engine.contracts.plugins import Log
from engine.model.clock import Clock
from engine.observability.meters import Meters
from engine.runtime.leases import Alone, Leases
from engine.runtime.outbox import Outbox
from engine.runtime.parts import ALL_ROLES, Role


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
    shares_ports: bool = False
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outbox", Outbox(self.broker, self.journal.queries, self.log))
