"""Where a copy of a message stands. The words are Mirth's, where Mirth has one."""

from enum import StrEnum


class MessageState(StrEnum):
    """State of a message in one channel.

    RECEIVED is in flight (a step that cannot go on now is tried again in place, so that order holds).
    TRANSFORMED has handed its outputs on: it is finished when they are. All others end the copy.
    """

    RECEIVED = "received"
    TRANSFORMED = "transformed"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    HELD = "held"
    DEFERRED = "deferred"
    REVIEW = "review"


class DeliveryState(StrEnum):
    """State of one output on its way to one destination. QUEUED and RETRY are in flight."""

    QUEUED = "queued"
    RETRY = "retry"
    SENT = "sent"
    HELD = "held"
    DEFERRED = "deferred"
    REVIEW = "review"


MESSAGES_IN_FLIGHT = frozenset({MessageState.RECEIVED})
DELIVERIES_IN_FLIGHT = frozenset({DeliveryState.QUEUED, DeliveryState.RETRY})
# A person can put these back on the road in place: the copy has not had its effect.
MESSAGES_RELEASABLE = frozenset({MessageState.HELD, MessageState.DEFERRED, MessageState.REVIEW})
DELIVERIES_RELEASABLE = frozenset({DeliveryState.HELD, DeliveryState.DEFERRED, DeliveryState.REVIEW})
