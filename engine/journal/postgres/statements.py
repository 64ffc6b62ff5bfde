"""What the writer does inside a transaction: many rows in one statement, as arrays. Functions of an asyncpg connection.

Other engines write at the same time. Rows are locked in the order of their ids and keys, so that two transactions
never wait for each other; the state of a row, looked at under its lock, decides who may act.

Messages and deliveries lie in partitions by id. A statement that names ids says the least and the greatest of them
as well: however many partitions there are, only those between the two are looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import asyncpg

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
from engine.model.errors import Refused
from engine.model.message import Message

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

_TYPES = {
    "body": "bytea",
    "digest": "bytea",
    "shard": "smallint",
    "answer_existing": "boolean",
    "attempts": "integer",
    "fanout": "integer",
    "number": "integer",
    **dict.fromkeys(("received_at", "made_at", "state_at", "due_at", "at"), "bigint"),
}
"""Of the columns that are not text."""
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's clock: the engines' own may jump, or differ."""


def _arrays(columns: Iterable[str]) -> str:
    return ", ".join(f"${n}::{_TYPES.get(column, 'text')}[]" for n, column in enumerate(columns, 1))


def _insert(table: str, columns: str) -> str:
    names = columns.split(", ")
    return f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({_arrays(names)})"  # noqa: S608


def _update(table: str, columns: Sequence[str]) -> str:
    """The two parameters after the columns are the least and the greatest id."""
    names = ("id", *columns)
    changes = ", ".join(f"{column} = new.{column}" for column in columns)
    least, greatest = len(names) + 1, len(names) + 2
    return (
        f"UPDATE {table} SET {changes} FROM unnest({_arrays(names)}) AS new ({', '.join(names)}) "  # noqa: S608
        f"WHERE {table}.id = new.id AND {table}.id >= ${least} AND {table}.id <= ${greatest}"
    )


_INSERT_MESSAGE = _insert("message", MESSAGE_COLUMNS)
_INSERT_DELIVERY = _insert("delivery", DELIVERY_COLUMNS)
_INSERT_ATTEMPT = _insert("attempt", "delivery_id, number, at, code, text, detail") + " ON CONFLICT DO NOTHING"
_INSERT_KEY = _insert("source_key", "channel, key, digest, message_id") + " ON CONFLICT DO NOTHING RETURNING 1"
_FIND_KEYS = (
    "SELECT known.channel, known.key, known.digest, known.message_id FROM source_key AS known "
    "JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS asked (channel, key) USING (channel, key)"
)
_AMONG = "id = ANY ($1::text[]) AND id >= $2 AND id <= $3"
_LOCK_MESSAGES = f"SELECT id FROM message WHERE {_AMONG} AND state = 'received' ORDER BY id FOR UPDATE"  # noqa: S608
_LOCK_DELIVERIES = f"SELECT id FROM delivery WHERE {_AMONG} AND state IN ('queued', 'retry') ORDER BY id FOR UPDATE"  # noqa: S608
_AGAIN = "state_at = $4, attempts = 0, code = NULL, path = NULL, text = NULL, detail = NULL, fingerprint = NULL"
_WAITS = "state IN ('held', 'deferred', 'review')"
_RELEASE_MESSAGES = f"UPDATE message SET state = 'received', {_AGAIN} WHERE {_AMONG} AND {_WAITS}"  # noqa: S608
_RELEASE_DELIVERIES = f"UPDATE delivery SET state = 'queued', due_at = NULL, {_AGAIN} WHERE {_AMONG} AND {_WAITS}"  # noqa: S608
_FINISH_MESSAGE = _update("message", OUTCOME_COLUMNS)
_FINISH_DELIVERY = _update("delivery", DELIVERY_OUTCOME_COLUMNS)


async def _many(connection: Connection, sql: str, rows: Sequence[Row], *more: Any) -> Sequence[Any]:
    """Run a statement that takes its rows as arrays, one for each column, and perhaps more."""
    arrays = ([_fit(value) for value in column] for column in zip(*rows, strict=True))
    return await connection.fetch(sql, *arrays, *more)


async def _change(connection: Connection, sql: str, rows: Sequence[Row]) -> None:
    """Run an `_update`."""
    await _many(connection, sql, rows, *_ends([row[0] for row in rows]))


def _ends(ids: Sequence[str]) -> tuple[str, str]:
    """The least and the greatest."""
    return min(ids, default=""), max(ids, default="")


def _fit(value: Any) -> Any:
    """PostgreSQL has no place for a NUL in text; what a sender wrote stays whole in the body."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


async def accept(connection: Connection, messages: Sequence[Message]) -> list[Receipt]:
    """`Writer.accept`. Of two engines that store the same key at the same moment the second waits, and then sees that
    the first was there."""
    while True:
        known = await _known_keys(connection, messages)
        receipts, rows, keys = judge_keys(messages, known)
        if not keys or len(await _many(connection, _INSERT_KEY, sorted(keys))) == len(keys):
            break
        # Somebody was faster with one of these keys: undo ours, and look again.
        await _forget_keys(connection, keys)
    if rows:
        await _many(connection, _INSERT_MESSAGE, rows)
    return receipts


async def _known_keys(connection: Connection, messages: Sequence[Message]) -> Known:
    known: dict[tuple[str, str], dict[bytes, str]] = defaultdict(dict)
    asked = [(m.channel, m.source_key) for m in messages if m.source_key is not None]
    if asked:
        for channel, key, digest, message_id in await _many(connection, _FIND_KEYS, asked):
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
    return {row[0] for row in await connection.fetch(_LOCK_MESSAGES, list(message_ids), *_ends(message_ids))}


async def commit_outcomes(connection: Connection, outcomes: Sequence[ProcessOutcome]) -> list[bool]:
    """`Writer.commit_outcomes`: which of them counted."""
    at = now_micros()
    open_ids = await lock_messages(connection, [outcome.message_id for outcome in outcomes])
    updates: list[Row] = []
    children: list[Row] = []
    deliveries: list[Row] = []
    counted = []
    for outcome in outcomes:
        counted.append(outcome.message_id in open_ids)
        if not counted[-1]:
            continue
        open_ids.discard(outcome.message_id)  # one outcome for each, should a batch hold two
        updates.append(outcome_row(outcome, at))
        children.extend(child_row(child) for child in outcome.children)
        deliveries.extend(delivery_row(delivery, at) for delivery in outcome.deliveries)
    if updates:
        await _change(connection, _FINISH_MESSAGE, updates)
    for sql, rows in ((_INSERT_MESSAGE, children), (_INSERT_DELIVERY, deliveries)):
        if rows:
            await _many(connection, sql, rows)
    return counted


async def commit_deliveries(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> None:
    """`Writer.commit_deliveries`."""
    rows, attempts = delivery_outcome_rows(outcomes, now_micros())
    ids = [row[0] for row in rows]
    locked = await connection.fetch(_LOCK_DELIVERIES, ids, *_ends(ids))
    in_flight = {row[0] for row in locked}
    latest = {row[0]: row for row in rows if row[0] in in_flight}
    if latest:
        await _change(connection, _FINISH_DELIVERY, list(latest.values()))
    if attempts:
        await _many(connection, _INSERT_ATTEMPT, attempts)


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
            await connection.execute(sql, list(ids), *_ends(ids), at)


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
