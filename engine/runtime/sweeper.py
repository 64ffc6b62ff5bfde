"""The sweeper: tickets for work that has none.

An empty queue beside work in the journal means that tickets were lost: a crash came between commit and publishing,
or the broker lost its queues. The journal knows, so they are written again. A ticket too many does no harm.
"""

from collections.abc import Iterable

from engine.config.plan import ChannelPlan
from engine.runtime.parts import queues_of
from engine.runtime.tools import Tools


async def sweep(plans: Iterable[ChannelPlan], tools: Tools, *, every_queue: bool = False) -> int:
    """Publish what is in flight for every queue of ours that is empty, or for all; the number of ids published.

    Raises Unavailable.
    """
    published = 0
    for plan in plans:
        for part in queues_of(plan, tools.partitions):
            if tools.leases.has(part.name) and (every_queue or await tools.broker.depth(part.queue) == 0):
                published += await tools.outbox.fill(part)
    return published
