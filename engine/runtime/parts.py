"""Parts: the pieces of a channel's work that an engine can take on by itself, and their queues."""

from dataclasses import dataclass
from enum import StrEnum

from engine.brokers.naming import dispatch_queue, process_queue
from engine.config.plan import ChannelPlan, DestinationPlan
from engine.model.share import WHOLE, Share, shard_of, shares


class Role(StrEnum):
    """What an engine does of the data path."""

    INGEST = "ingest"
    PROCESS = "process"
    DISPATCH = "dispatch"


ALL_ROLES = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece. `destination` is that of DISPATCH; a source is not shared."""

    role: Role
    channel: str
    destination: DestinationPlan | None = None
    share: Share = WHOLE

    @property
    def name(self) -> str:
        """As leases and people call it: `dispatch/fhir-out/ehr/1-of-4`."""
        words = [self.role, self.channel, self.destination.name if self.destination else None]
        share = f"{self.share.number + 1}-of-{self.share.of}" if self.role is not Role.INGEST else None
        return "/".join(word for word in (*words, share) if word)

    @property
    def queue(self) -> str:
        """Where its tickets are; INGEST has none."""
        if self.destination is not None:
            return dispatch_queue(self.channel, self.destination.name, self.share)
        return process_queue(self.channel, self.share)


def work_of(plan: ChannelPlan, partitions: int) -> list[Part]:
    """All of a channel's PROCESS and DISPATCH parts."""
    found = [Part(Role.PROCESS, plan.name, None, share) for share in shares(partitions)]
    for destination in plan.destinations:
        several = shares(dispatch_partitions(destination, partitions))
        found += [Part(Role.DISPATCH, plan.name, destination, share) for share in several]
    return found


def dispatch_partitions(destination: DestinationPlan, partitions: int) -> int:
    """No more shares than calls at once: a receiver that wants one connection gets one."""
    return max(1, min(partitions, destination.at_once)) if destination.bound.plugin.side_by_side else 1


def share_of(order_key: str | None, id_: str, partitions: int) -> Share:
    """The share that something belongs to."""
    return Share(shard_of(order_key, id_) % partitions, partitions) if partitions > 1 else WHOLE
