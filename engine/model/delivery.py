"""One output on its way to one destination."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model.message import Shape


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a destination is asked to send.

    `id` stays the same on every attempt and serves as the idempotency key; `attempt` counts from 1.
    """

    id: str
    message_id: str
    origin_id: str
    channel: str
    destination: str
    shape: Shape
    body: bytes = field(repr=False)
    meta: Mapping[str, str] = field(default_factory=dict, repr=False)
    order_key: str | None = field(default=None, repr=False)
    attempt: int = 1
