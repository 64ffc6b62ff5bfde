"""One output on its way to one destination."""

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from engine.model.message import Shape
from engine.model.value import Value


class Delivery(Value, frozen=True, gc=False):
    """What a destination is asked to send.

    `id` stays the same on every attempt and serves as the idempotency key; `attempt` counts from 1.
    """

    hidden: ClassVar = frozenset({"body", "meta", "order_key"})

    id: str
    message_id: str
    origin_id: str
    channel: str
    destination: str
    shape: Shape
    body: bytes
    meta: Mapping[str, str] = field(default_factory=dict)
    order_key: str | None = None
    attempt: int = 1
