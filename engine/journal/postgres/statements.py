"""What the writer does, each in one statement where it can. Functions of an asyncpg connection.

Other engines write at the same time. The state of a row, looked at under its lock, decides who may act. Keys are
written in order, and rows found by their index in the order of their ids, so that two transactions do not wait for each
other; should they all the same, one is begun again (`commits`).

Messages and deliveries lie in partitions by id. A statement that names ids says the least and the greatest of them
as well: however many partitions there are, only those between the two are looked at.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import asyncpg
from msgspec.structs import replace

from engine.contracts.journal import DeliveryOutcome, ProcessOutcome, Receipt
from engine.journal.row_values import (
    DELIVERY_COLUMNS,
    DELIVERY_OUTCOME_COLUMNS,
    MESSAGE_COLUMNS,
    OUTCOME_COLUMNS,
    KeyRow,
    Known,
    Row,
    child_row,
    delivery_outcome_rows,
    delivery_row,
    judge_keys,
    now_micros,
    outcome_row,
)
from engine.model.errors import Refused, Unavailable
from engine.model.message import Message

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

_TRIES = 10
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's clock: the engines' own may jump, or differ."""


def _given(rows: str, parameter: int = 1) -> str:
    """Rows that are given as one array of tuples of that type (migration 0009). An array for each column would cost
    the client twice as much: it looks at each element to see whether it is an array itself."""
    return f"unnest(${parameter}::{rows}[]) AS new"


def _changes(columns: Sequence[str]) -> str:
    return ", ".join(f"{column} = new.{column}" for column in columns)


_KEY_COLUMNS = "channel, key, digest, message_id"
_ATTEMPT_COLUMNS = "delivery_id, number, at, code, text, detail"
_INSERT_MESSAGE = f"INSERT INTO message ({MESSAGE_COLUMNS}) SELECT * FROM {_given('new_message')}"  # noqa: S608
_INSERT_KEY = (
    f"INSERT INTO source_key ({_KEY_COLUMNS}) SELECT * FROM {_given('new_source_key')} "  # noqa: S608
    "ON CONFLICT DO NOTHING RETURNING 1"
)
_FIND_KEYS = (
    "SELECT known.* FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS asked (channel, key) "
    "CROSS JOIN LATERAL (SELECT channel, key, digest, message_id FROM source_key "
    "WHERE channel = asked.channel AND key = asked.key OFFSET 0) AS known"
)
# All keys are new, or the statement fails with all that it did: a division by zero says so.
_ACCEPT_NEW = f"""
    WITH given AS (SELECT * FROM {_given("new_source_key", 2)}),
    known AS (SELECT 1 FROM given CROSS JOIN LATERAL (
        SELECT 1 FROM source_key WHERE channel = given.channel AND key = given.key LIMIT 1
    ) AS one LIMIT 1),
    added AS (
        INSERT INTO source_key ({_KEY_COLUMNS}) SELECT * FROM given WHERE NOT EXISTS (SELECT 1 FROM known)
        ON CONFLICT DO NOTHING RETURNING 1
    ),
    stored AS ({_INSERT_MESSAGE})
    SELECT 1 / ((SELECT count(*) FROM added) = (SELECT count(*) FROM given))::int
"""  # noqa: S608
# Parameters 1 to 3 are ids, the least and the greatest of them: the last two say which partitions to look at.
AMONG = "id = ANY ($1::text[]) AND id >= $2 AND id <= $3"
STATE = "state || ''"
"""A row's state where its id is known, in other words than those of the partial indexes: a plan that was made when
little waited would read all that waits."""
_LOCK_MESSAGES = f"SELECT id FROM message WHERE {AMONG} AND {STATE} = 'received' ORDER BY id FOR UPDATE"  # noqa: S608
_AGAIN = "state_at = $4, attempts = 0, code = NULL, path = NULL, text = NULL, detail = NULL, fingerprint = NULL"
_WAITS = f"{STATE} IN ('held', 'deferred', 'review')"
_RELEASE_MESSAGES = f"UPDATE message SET state = 'received', {_AGAIN} WHERE {AMONG} AND {_WAITS}"  # noqa: S608
_RELEASE_DELIVERIES = f"UPDATE delivery SET state = 'queued', due_at = NULL, {_AGAIN} WHERE {AMONG} AND {_WAITS}"  # noqa: S608
_OPEN_MESSAGES = (
    f"message.id = ANY ($1::text[]) AND message.id >= $2 AND message.id <= $3 AND message.{STATE} = 'received'"
)
_OPEN_DELIVERIES = (
    "delivery.id = ANY ($1::text[]) AND delivery.id >= $2 AND delivery.id <= $3 "
    f"AND delivery.{STATE} IN ('queued', 'retry')"
)
_FINISH_MESSAGES = f"""
    WITH finished AS (
        UPDATE message SET {_changes(OUTCOME_COLUMNS)} FROM {_given("message_outcome", 4)}
        WHERE message.id = new.id AND {_OPEN_MESSAGES} RETURNING message.id
    ),
    children AS (
        INSERT INTO message ({MESSAGE_COLUMNS}) SELECT new.* FROM {_given("new_message", 5)}
        WHERE new.parent_id IN (SELECT id FROM finished)
    ),
    deliveries AS (
        INSERT INTO delivery ({DELIVERY_COLUMNS}) SELECT new.* FROM {_given("new_delivery", 6)}
        WHERE new.message_id IN (SELECT id FROM finished)
    )
    SELECT id FROM finished
"""  # noqa: S608
_FINISH_DELIVERIES = f"""
    WITH finished AS (
        UPDATE delivery SET {_changes(DELIVERY_OUTCOME_COLUMNS)} FROM {_given("delivery_outcome", 4)}
        WHERE delivery.id = new.id AND {_OPEN_DELIVERIES}
    )
    INSERT INTO attempt ({_ATTEMPT_COLUMNS}) SELECT * FROM {_given("new_attempt", 5)}
    ON CONFLICT DO NOTHING
"""  # noqa: S608


def among(ids: Sequence[str]) -> tuple[list[str], str, str]:
    """Ids, the least and the greatest of them."""
    return list(ids), min(ids, default=""), max(ids, default="")


def _fit(rows: Sequence[Row]) -> list[Row]:
    return [
        tuple([_text(value) if isinstance(value, str) else value for value in row])
        if "\0" in "".join([value for value in row if isinstance(value, str)])
        else row
        for row in rows
    ]


async def accept(connection: Connection, messages: Sequence[Message]) -> list[Receipt]:
    """`Writer.accept`. Raises Unavailable when other engines store the same keys all the time."""
    messages = list(map(_with_a_key_that_fits, messages))
    receipts, rows, keys = judge_keys(messages, {})
    if not any(receipt.duplicate_of or receipt.key_reused for receipt in receipts):
        with suppress(asyncpg.DivisionByZeroError):
            await connection.fetch(_ACCEPT_NEW, _fit(rows), sorted(keys))
            return receipts
    async with connection.transaction():
        return await _accept_with_known(connection, messages)


async def _accept_with_known(connection: Connection, messages: Sequence[Message]) -> list[Receipt]:
    """Some of the keys are there. Of two engines that store the same key at the same moment the second waits, and then
    sees that the first was there."""
    for _ in range(_TRIES):
        known = await _known_keys(connection, messages)
        receipts, rows, keys = judge_keys(messages, known)
        if not keys or len(await connection.fetch(_INSERT_KEY, sorted(keys))) == len(keys):
            await connection.fetch(_INSERT_MESSAGE, _fit(rows))
            return receipts
        # Somebody was faster with one of these keys: undo ours, and look again.
        await _forget_keys(connection, keys)
    raise Unavailable("other engines store messages with the same keys", code="journal-busy")


def _with_a_key_that_fits(message: Message) -> Message:
    """What the database gives back for a key must be what is looked for."""
    key = message.source_key
    return message if key is None or "\0" not in key else replace(message, source_key=_text(key))


def _text(value: str) -> str:
    """PostgreSQL has no place for a NUL in text; what a sender wrote stays whole in the body."""
    return value.replace("\0", "\ufffd")


async def _known_keys(connection: Connection, messages: Sequence[Message]) -> Known:
    known: dict[tuple[str, str], dict[bytes, str]] = defaultdict(dict)
    asked = [(m.channel, m.source_key) for m in messages if m.source_key is not None]
    if asked:
        for channel, key, digest, message_id in await connection.fetch(
            _FIND_KEYS, *map(list, zip(*asked, strict=True))
        ):
            known[channel, key][bytes(digest)] = message_id
    return known


async def _forget_keys(connection: Connection, keys: Sequence[KeyRow]) -> None:
    await connection.execute(
        "DELETE FROM source_key WHERE message_id = ANY ($1::text[]) AND channel = ANY ($2::text[])",
        [key[3] for key in keys],
        [key[0] for key in keys],
    )


async def lock_messages(connection: Connection, message_ids: Sequence[str]) -> set[str]:
    """Those of the messages that are in flight; nobody else can finish them before this transaction ends."""
    return {row[0] for row in await connection.fetch(_LOCK_MESSAGES, *among(message_ids))}


async def commit_outcomes(connection: Connection, outcomes: Sequence[ProcessOutcome]) -> list[bool]:
    """`Writer.commit_outcomes`: which of them counted."""
    at = now_micros()
    first = {outcome.message_id: outcome for outcome in reversed(outcomes)}  # one outcome for each
    updates = [outcome_row(outcome, at) for outcome in first.values()]
    children = [child_row(child) for outcome in first.values() for child in outcome.children]
    deliveries = [delivery_row(delivery, at) for outcome in first.values() for delivery in outcome.deliveries]
    found = await connection.fetch(
        _FINISH_MESSAGES, *among(list(first)), _fit(updates), _fit(children), _fit(deliveries)
    )
    open_ids = {row[0] for row in found}
    return [outcome.message_id in open_ids and first[outcome.message_id] is outcome for outcome in outcomes]


async def commit_deliveries(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> None:
    """`Writer.commit_deliveries`."""
    rows, attempts = delivery_outcome_rows(outcomes, now_micros())
    latest = {row[0]: row for row in rows}
    await connection.fetch(_FINISH_DELIVERIES, *among(list(latest)), _fit(list(latest.values())), _fit(attempts))


async def put_cursor(
    connection: Connection, channel: str, name: str, value: str, fence: tuple[str, int] | None = None
) -> None:
    """`Writer.put_cursor`."""
    if fence is not None:
        token = await connection.fetchval("SELECT token FROM lease WHERE name = $1 FOR SHARE", fence[0])
        if token != fence[1]:
            raise Refused("another engine has taken this over", code="lease-lost")
    await connection.execute(
        "INSERT INTO cursor (channel, name, value, at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (channel, name) DO UPDATE SET value = excluded.value, at = excluded.at",
        channel,
        name,
        value,
        now_micros(),
    )


async def set_channel(connection: Connection, channel: str, column: str, value: str, text: str | None) -> None:
    """`column` is `wanted` (an operator's word) or `actual` (the engine's)."""
    assert column in {"wanted", "actual"}
    await connection.execute(
        f"INSERT INTO channel_status (channel, {column}, text, at) VALUES ($1, $2, $3, $4) "  # noqa: S608
        f"ON CONFLICT (channel) DO UPDATE SET {column} = excluded.{column}, text = excluded.text, at = excluded.at",
        channel,
        value,
        text,
        now_micros(),
    )


async def release(connection: Connection, message_ids: Sequence[str], delivery_ids: Sequence[str]) -> None:
    """`Writer.release`."""
    at = now_micros()
    for sql, ids in ((_RELEASE_MESSAGES, message_ids), (_RELEASE_DELIVERIES, delivery_ids)):
        if ids:
            await connection.execute(sql, *among(ids), at)


async def add_operation(connection: Connection, row: Sequence[Any]) -> None:
    """`Writer.add_operation`."""
    await connection.execute(
        "INSERT INTO operation (id, at, who, verb, reason, touched) VALUES ($1, $2, $3, $4, $5, $6)", *row
    )


async def take_lease(connection: Connection, name: str, holder: str, seconds: float) -> int | None:
    """`Writer.take_lease`."""
    token = await connection.fetchval(
        f"INSERT INTO lease AS held (name, holder, until, token) VALUES ($1, $2, {_NOW} + $3, 1) "  # noqa: S608
        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, "
        "token = held.token + (held.holder <> excluded.holder)::int "
        f"WHERE held.holder = excluded.holder OR held.until <= {_NOW} RETURNING token",
        name,
        holder,
        int(seconds * 1_000_000),
    )
    return None if token is None else int(token)


async def renew_leases(connection: Connection, holder: str, seconds: float) -> list[str]:
    """`Writer.renew_leases`."""
    rows = await connection.fetch(
        f"UPDATE lease SET until = {_NOW} + $2 WHERE holder = $1 AND until > {_NOW} RETURNING name",  # noqa: S608
        holder,
        int(seconds * 1_000_000),
    )
    return [row[0] for row in rows]


async def drop_lease(connection: Connection, name: str, holder: str) -> None:
    """`Writer.drop_lease`. The row stays, so that tokens go on growing."""
    await connection.execute("UPDATE lease SET until = 0 WHERE name = $1 AND holder = $2", name, holder)
