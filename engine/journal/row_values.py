"""Messages, deliveries and outcomes as rows: what each column gets, whatever the database."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from engine.contracts.journal import Child, DeliveryOutcome, Failure, ProcessOutcome, Receipt
from engine.model.clock import to_micros
from engine.model.delivery import Delivery
from engine.model.lane import lane_of
from engine.model.message import Message
from engine.model.share import shard_of
from engine.model.states import DeliveryState, MessageState

Row = tuple[Any, ...]
MESSAGE_COLUMNS = (
    "id, channel, tenant, origin_id, parent_id, shape, body, meta, source_key, order_key, shard, lane, received_at, "
    "state, state_at, reason, duplicate_of, control_id, code, path, text, detail, fingerprint"
)
DELIVERY_COLUMNS = (
    "id, message_id, origin_id, channel, destination, shape, body, meta, order_key, shard, lane, made_at, state, "
    "state_at"
)
_FAILURE_COLUMNS = ("code", "path", "text", "detail", "fingerprint")
OUTCOME_COLUMNS = ("state", "state_at", "attempts", "fanout", "reason", "tally", *_FAILURE_COLUMNS)
DELIVERY_OUTCOME_COLUMNS = (
    "state",
    "state_at",
    "attempts",
    "due_at",
    "answer_code",
    "answer_location",
    "answer_existing",
    "answer_detail",
    *_FAILURE_COLUMNS,
)
KEY_REUSED = {"control-id-reused": "yes"}
_NO_FAILURE = (None, None, None, None, None)


def now_micros() -> int:
    return to_micros(datetime.now(UTC))


def _meta_text(message: Message | Delivery) -> str:
    return orjson.dumps(dict(message.meta)).decode() if message.meta else "{}"


def _failure_row(failure: Failure | None) -> Row:
    if failure is None:
        return _NO_FAILURE
    return failure.code, failure.path, failure.text, failure.detail, failure.fingerprint


def message_row(
    message: Message,
    state: MessageState,
    *,
    meta: str | None = None,
    duplicate_of: str | None = None,
    failure: Failure | None = None,
) -> Row:
    at = to_micros(message.received_at)
    return (
        message.id,
        message.channel,
        message.tenant,
        message.origin_id,
        message.parent_id,
        message.shape._value_,
        # A duplicate's body is that of the message it repeats: it is stored once.
        b"" if duplicate_of else message.body,
        _meta_text(message) if meta is None else meta,
        message.source_key,
        message.order_key,
        shard_of(message.order_key, message.id),
        lane_of(message.meta)._value_,
        at,
        state._value_,
        at,
        "repeat of a message that is stored" if duplicate_of else None,
        duplicate_of,
        message.meta.get("control_id"),
        *_failure_row(failure),
    )


KeyRow = tuple[str, str, bytes, str]
"""channel, source key, digest of the body, id of the message that brought it."""
Known = Mapping[tuple[str, str], Mapping[bytes, str]]
"""(channel, source key) → digest of the body → id of the message that brought it."""


def judge_keys(messages: Sequence[Message], known: Known) -> tuple[list[Receipt], list[Row], list[KeyRow]]:
    """What becomes of each message given the source keys that are known: its receipt, its row, and new keys."""
    seen = {place: dict(digests) for place, digests in known.items()}
    receipts, rows, keys = [], [], []
    for message in messages:
        duplicate_of, meta, reused = None, None, False
        if message.source_key is not None:
            place = (message.channel, message.source_key)
            digests = seen.setdefault(place, {})
            digest = hashlib.sha256(message.body).digest()[:16]
            duplicate_of = digests.get(digest)
            if duplicate_of is None:
                if digests:
                    meta, reused = orjson.dumps({**message.meta, **KEY_REUSED}).decode(), True
                digests[digest] = message.id
                keys.append((*place, digest, message.id))
        state = MessageState.DUPLICATE if duplicate_of else MessageState.RECEIVED
        rows.append(message_row(message, state, meta=meta, duplicate_of=duplicate_of))
        receipts.append(Receipt(message.id, duplicate_of, reused))
    return receipts, rows, keys


def outcome_row(outcome: ProcessOutcome, at: int) -> Row:
    return (
        outcome.message_id,
        outcome.state._value_,
        at,
        outcome.attempts,
        len(outcome.children) + len(outcome.deliveries),
        outcome.reason,
        orjson.dumps(dict(outcome.tally)).decode() if outcome.tally else None,
        *_failure_row(outcome.failure),
    )


def child_row(child: Child) -> Row:
    return message_row(child.message, child.state, failure=child.failure)


def delivery_row(delivery: Delivery, at: int) -> Row:
    return (
        delivery.id,
        delivery.message_id,
        delivery.origin_id,
        delivery.channel,
        delivery.destination,
        delivery.shape._value_,
        delivery.body,
        _meta_text(delivery),
        delivery.order_key,
        shard_of(delivery.order_key, delivery.id),
        lane_of(delivery.meta)._value_,
        at,
        DeliveryState.QUEUED._value_,
        at,
    )


def delivery_outcome_rows(outcomes: Sequence[DeliveryOutcome], at: int) -> tuple[list[Row], list[Row]]:
    """Rows of DELIVERY_OUTCOME_COLUMNS, the delivery's id first; and rows of `attempt` for those that failed."""
    rows, attempts = [], []
    for outcome in outcomes:
        answer, failure = outcome.answer, outcome.failure
        rows.append(
            (
                outcome.delivery_id,
                outcome.state._value_,
                at,
                outcome.attempt,
                to_micros(outcome.due_at) if outcome.due_at else None,
                *((answer.code, answer.location, answer.existing, answer.detail) if answer else (None,) * 4),
                *_failure_row(failure),
            )
        )
        if failure is not None:
            attempts.append((outcome.delivery_id, outcome.attempt, at, failure.code, failure.text, failure.detail))
    return rows, attempts
