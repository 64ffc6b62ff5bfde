"""What is outdated when its turn comes: its destination has something later that replaces it already.

A correction in the live lane overtakes an earlier one that waits in the batch lane, and what was held may be released
when a later version has long been sent. Sent after it, the older one would stand in the chart.
"""

from collections.abc import Sequence

from engine.contracts.journal import NewestSent, Queries
from engine.model.delivery import Delivery
from engine.model.lane import lane_of
from engine.model.outcome import Answer

OUTDATED = Answer("outdated", existing=True)
"""Instead of the destination's own: it was not asked."""


async def outdated(deliveries: Sequence[Delivery], queries: Queries) -> set[str]:
    """The ids of those that must not be sent any more, of deliveries to one destination whose meta says
    `REPLACES_EARLIER`. Nobody else may be sending one of their keys. Raises Unavailable."""
    keys = {one.order_key for one in deliveries if one.order_key is not None}
    if not keys:
        return set()
    after = min(one.message_id for one in deliveries)  # what is made of a message is younger than it
    sent = await queries.newest_sent(deliveries[0].channel, deliveries[0].destination, sorted(keys), after)
    return {
        one.id for newest in sent for one in deliveries if one.order_key == newest.order_key and is_behind(one, newest)
    }


def is_behind(delivery: Delivery, newest: NewestSent) -> bool:
    """Order is kept within a lane. Between lanes, where a later message may have gone through the whole engine first,
    the order of the messages decides."""
    if newest.lane is lane_of(delivery.meta):
        return newest.delivery_id > delivery.id
    return newest.message_id > delivery.message_id
