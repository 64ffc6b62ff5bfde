"""The sweeper: tickets for work that has none.

An empty queue beside work in the journal means that tickets were lost: a crash came between commit and publishing,
or the broker lost its queues. The journal knows, so they are written again. A ticket too many does no harm.
"""

from collections.abc import Iterable

from engine.brokers.naming import dispatch_queue, process_queue
from engine.config.plan import ChannelPlan
from engine.runtime.tools import Tools

_AT_ONCE = 1000


async def sweep(plans: Iterable[ChannelPlan], tools: Tools, *, every_queue: bool = False) -> int:
    """Publish what is in flight for every queue that is empty, or for all; the number of ids published.

    Raises Unavailable.
    """
    published = 0
    queries = tools.journal.queries
    for plan in plans:
        queue, after = process_queue(plan.name), ""
        if every_queue or await tools.broker.depth(queue) == 0:
            while ids := await queries.in_flight(plan.name, after, _AT_ONCE):
                await tools.hand_on({queue: ids})
                published, after = published + len(ids), ids[-1]
        for destination in plan.destinations:
            queue, after = dispatch_queue(plan.name, destination.name), ""
            if every_queue or await tools.broker.depth(queue) == 0:
                while ids := await queries.deliveries_in_flight(plan.name, destination.name, after, _AT_ONCE):
                    await tools.hand_on({queue: ids})
                    published, after = published + len(ids), ids[-1]
    return published
