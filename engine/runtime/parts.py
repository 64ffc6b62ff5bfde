"""Parts: the pieces of a channel's work that an engine can take on by itself, and their queues."""

from dataclasses import dataclass, replace
from enum import StrEnum

from engine.brokers.naming import dispatch_queue, process_queue
from engine.config.plan import ChannelPlan, DestinationPlan
from engine.model.errors import Unavailable
from engine.model.lane import Lane
from engine.model.share import WHOLE, Share, shard_of, shares


class Role(StrEnum):
    """What an engine does of the data path."""

    INGEST = "ingest"
    PROCESS = "process"
    DISPATCH = "dispatch"


ALL_ROLES = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece. `destination` is that of DISPATCH; a source is not shared. Whoever has a piece works on both lanes of
    it, so that what has one order key is in one pair of hands."""

    role: Role
    channel: str
    destination: DestinationPlan | None = None
    share: Share = WHOLE
    lane: Lane = Lane.LIVE

    @property
    def name(self) -> str:
        """As leases and people call it: `dispatch/fhir-out/ehr/1-of-4`."""
        words = [self.role, self.channel, self.destination.name if self.destination else None]
        share = f"{self.share.number + 1}-of-{self.share.of}" if self.role is not Role.INGEST else None
        return "/".join(word for word in (*words, share) if word)

    @property
    def queue(self) -> str:
        """Where the tickets of its lane are; INGEST has none."""
        if self.destination is not None:
            return dispatch_queue(self.channel, self.destination.name, self.share, self.lane)
        return process_queue(self.channel, self.share, self.lane)

    def in_lane(self, lane: Lane) -> "Part":
        """The same piece, seen by its other queue."""
        return replace(self, lane=lane)


def work_of(plan: ChannelPlan, partitions: int) -> list[Part]:
    """All of a channel's PROCESS and DISPATCH parts."""
    found = [Part(Role.PROCESS, plan.name, None, share) for share in shares(partitions)]
    for destination in plan.destinations:
        several = shares(dispatch_partitions(destination, partitions))
        found += [Part(Role.DISPATCH, plan.name, destination, share) for share in several]
    return found


def queues_of(plan: ChannelPlan, partitions: int) -> list[Part]:
    """All of a channel's PROCESS and DISPATCH parts, once for each queue."""
    return [part.in_lane(lane) for part in work_of(plan, partitions) for lane in Lane]


def fed_by(plan: ChannelPlan, partitions: int) -> list[Part]:
    """The parts, once for each queue, that get work from the outcomes of a channel."""
    own = [part for part in queues_of(plan, partitions) if part.role is Role.DISPATCH]
    return own + [part for channel in plan.feeds for part in entries_of(channel, partitions)]


def entries_of(channel: str, partitions: int) -> list[Part]:
    """A channel's PROCESS parts, once for each queue."""
    found = [Part(Role.PROCESS, channel, None, share) for share in shares(partitions)]
    return [part.in_lane(lane) for part in found for lane in Lane]


def dispatch_partitions(destination: DestinationPlan, partitions: int) -> int:
    """No more shares than calls at once: a receiver that wants one connection gets one."""
    return max(1, min(partitions, destination.at_once)) if destination.bound.plugin.side_by_side else 1


def share_of(order_key: str | None, id_: str, partitions: int) -> Share:
    """The share that something belongs to."""
    return Share(shard_of(order_key, id_) % partitions, partitions) if partitions > 1 else WHOLE


def ended_by_itself(what: str) -> Unavailable:
    """For what must not end while it is wanted: whoever looks after it says so, and begins it again."""
    return Unavailable(f"{what} ended by itself; it is begun again", code="ended-by-itself")
