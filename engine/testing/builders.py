"""Builders of values for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count

from engine.model.clock import to_micros
from engine.model.delivery import Delivery
from engine.model.ids import least_id, new_id
from engine.model.message import Message, Shape

STANDS_AT = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


def an_id(at: datetime) -> str:
    """An id as it would have been made at this moment: of two for the same moment the later call's is greater."""
    return f"{least_id(to_micros(at) // 1000)[:14]}7{next(_made) % 0x1000:03x}{new_id()[18:]}"


_made = count()


def a_message(
    body: bytes = b"",
    shape: Shape = Shape.BYTES,
    *,
    channel: str = "test",
    meta: Mapping[str, str] | None = None,
    source_key: str | None = None,
    order_key: str | None = None,
    received_at: datetime = STANDS_AT,
    id_: str | None = None,
) -> Message:
    """A message that came in from outside."""
    id_ = id_ or new_id()
    return Message(
        id=id_,
        channel=channel,
        shape=shape,
        body=body,
        received_at=received_at,
        origin_id=id_,
        meta=dict(meta or {}),
        source_key=source_key,
        order_key=order_key,
    )


def a_delivery(
    body: bytes = b"",
    shape: Shape = Shape.BYTES,
    *,
    meta: Mapping[str, str] | None = None,
    order_key: str | None = None,
    attempt: int = 1,
    id_: str | None = None,
) -> Delivery:
    """An output for a destination under test."""
    message_id = new_id()
    return Delivery(
        id=id_ or new_id(),
        message_id=message_id,
        origin_id=message_id,
        channel="test",
        destination="under-test",
        shape=shape,
        body=body,
        meta=dict(meta or {}),
        order_key=order_key,
        attempt=attempt,
    )
