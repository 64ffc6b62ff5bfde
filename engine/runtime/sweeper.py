"""The sweeper: tickets for work that has none.

An empty queue beside work in the journal means that tickets were lost: a crash came between commit and publishing,
or the broker lost its queues. The journal knows, so they are written again. A ticket too many does no harm.
"""

from collections.abc import Iterable, Sequence

from engine.config.plan import ChannelPlan
from engine.runtime.parts import Part, Role, work_of
from engine.runtime.tools import Tools

_AT_ONCE = 1000


async def sweep(plans: Iterable[ChannelPlan], tools: Tools, *, every_queue: bool = False) -> int:
    """Publish what is in flight for every queue of ours that is empty, or for all; the number of ids published.

    Raises Unavailable.
    """
    published = 0
    for plan in plans:
        for part in work_of(plan, tools.partitions):
            if tools.leases.has(part.name) and (every_queue or await tools.broker.depth(part.queue) == 0):
                published += await publish_in_flight(part, tools)
    return published


async def publish_in_flight(part: Part, tools: Tools) -> int:
    """Tickets for all that is in flight of one part, oldest first; the number of ids. Raises Unavailable."""
    published, after = 0, ""
    while ids := await in_flight(part, tools, after, _AT_ONCE):
        await tools.hand_on({part.queue: ids})
        published, after = published + len(ids), ids[-1]
    return published


async def in_flight(part: Part, tools: Tools, after: str, limit: int) -> Sequence[str]:
    """Ids in flight of one part that are greater than `after`, in order. Raises Unavailable."""
    queries = tools.journal.queries
    if part.role is Role.PROCESS:
        return await queries.in_flight(part.channel, after, limit, part.share)
    assert part.destination is not None
    return await queries.deliveries_in_flight(part.channel, part.destination.name, after, limit, part.share)
