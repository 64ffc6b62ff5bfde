"""What the writer does inside a transaction. Plain functions of a connection; SQL from the tables, run in batches."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.contracts.journal import DeliveryOutcome, ProcessOutcome, Receipt
from engine.journal.row_values import (
    DELIVERY_COLUMNS,
    DELIVERY_OUTCOME_COLUMNS,
    MESSAGE_COLUMNS,
    OUTCOME_COLUMNS,
    Row,
    child_row,
    delivery_outcome_rows,
    delivery_row,
    judge_keys,
    now_micros,
    outcome_row,
)
from engine.journal.rows import insert_rows, update_rows
from engine.model.errors import Refused
from engine.model.message import Message

_INSERT_MESSAGE = f"INSERT INTO message ({MESSAGE_COLUMNS})"
_INSERT_DELIVERY = f"INSERT INTO delivery ({DELIVERY_COLUMNS})"
_STILL_RECEIVED = (
    "SELECT json_group_array(id) FROM message WHERE id IN (SELECT value FROM json_each(?)) AND state = 'received'"
)
_INSERT_KEY = "INSERT INTO source_key (channel, key, digest, message_id)"
_FIND_KEYS = (
    "SELECT channel, key, digest, message_id FROM source_key "
    "WHERE channel = ? AND key IN (SELECT value FROM json_each(?))"
)
_FINISH_MESSAGE = ("message", OUTCOME_COLUMNS)
_FINISH_DELIVERY = ("delivery WHERE state IN ('queued', 'retry')", DELIVERY_OUTCOME_COLUMNS)
_INSERT_ATTEMPT = (
    "INSERT INTO attempt (delivery_id, number, at, code, text, detail) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


def raw(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection: what SQLAlchemy adds to each statement is felt here."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def accept(connection: Connection, messages: Sequence[Message]) -> list[Receipt]:
    """`Writer.accept`: source keys are looked up and written in the same transaction as the messages (law 6)."""
    receipts, rows, keys = judge_keys(messages, _known_keys(connection, messages))
    insert_rows(raw(connection), _INSERT_KEY, keys)
    insert_rows(raw(connection), _INSERT_MESSAGE, rows)
    return receipts


def _known_keys(connection: Connection, messages: Sequence[Message]) -> dict[tuple[str, str], dict[bytes, str]]:
    """(channel, source key) → digest of the body → id of the message that brought it."""
    known: dict[tuple[str, str], dict[bytes, str]] = defaultdict(dict)
    asked: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        if message.source_key is not None:
            asked[message.channel].append(message.source_key)
    for channel, keys in asked.items():
        for row in raw(connection).execute(_FIND_KEYS, (channel, orjson.dumps(keys).decode())):
            known[row[0], row[1]][bytes(row[2])] = row[3]
    return known


def still_received(connection: Connection, message_ids: Sequence[str]) -> set[str]:
    """Those of the messages that are in flight."""
    asked = orjson.dumps(list(message_ids)).decode()
    return set(orjson.loads(raw(connection).execute(_STILL_RECEIVED, (asked,)).fetchone()[0]))


def commit_outcomes(connection: Connection, outcomes: Sequence[ProcessOutcome]) -> list[str]:
    """`Writer.commit_outcomes`: the state decides who may act; what lost the race leaves nothing behind."""
    at = now_micros()
    open_ids = still_received(connection, [outcome.message_id for outcome in outcomes])
    updates: list[Row] = []
    children: list[Row] = []
    deliveries: list[Row] = []
    for outcome in outcomes:
        if outcome.message_id not in open_ids:
            continue
        open_ids.discard(outcome.message_id)  # one outcome for each, should a batch hold two
        updates.append(outcome_row(outcome, at))
        children.extend(child_row(child) for child in outcome.children)
        deliveries.extend(delivery_row(delivery, at) for delivery in outcome.deliveries)
    update_rows(raw(connection), *_FINISH_MESSAGE, updates)
    insert_rows(raw(connection), _INSERT_MESSAGE, children)
    insert_rows(raw(connection), _INSERT_DELIVERY, deliveries)
    return [row[0] for row in updates]


def commit_deliveries(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> None:
    """`Writer.commit_deliveries`: the delivery's state, and a row of its own for each attempt that failed."""
    rows, attempts = delivery_outcome_rows(outcomes, now_micros())
    update_rows(raw(connection), *_FINISH_DELIVERY, rows)
    if attempts:
        connection.exec_driver_sql(_INSERT_ATTEMPT, attempts)


def put_cursor(
    connection: Connection, channel: str, name: str, value: str, fence: tuple[str, int] | None = None
) -> None:
    if fence is not None:
        _check_fence(connection, fence)
    connection.exec_driver_sql(
        "INSERT INTO cursor (channel, name, value, at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (channel, name) DO UPDATE SET value = excluded.value, at = excluded.at",
        (channel, name, value, now_micros()),
    )


def set_channel(connection: Connection, channel: str, column: str, value: str, text: str | None) -> None:
    """`column` is `wanted` (an operator's word) or `actual` (the engine's)."""
    assert column in {"wanted", "actual"}
    connection.exec_driver_sql(
        f"INSERT INTO channel_status (channel, {column}, text, at) VALUES (?, ?, ?, ?) "  # noqa: S608
        f"ON CONFLICT (channel) DO UPDATE SET {column} = excluded.{column}, text = excluded.text, at = excluded.at",
        (channel, value, text, now_micros()),
    )


def release(connection: Connection, message_ids: Sequence[str], delivery_ids: Sequence[str]) -> None:
    """Back on the road in place: same copies, fresh attempts, what went wrong stays readable in `attempt`."""
    at = now_micros()
    if message_ids:
        connection.exec_driver_sql(
            "UPDATE message SET state = 'received', state_at = ?, attempts = 0, code = NULL, path = NULL, "
            "text = NULL, detail = NULL, fingerprint = NULL WHERE id = ? AND state IN ('held', 'deferred', 'review')",
            [(at, id_) for id_ in message_ids],
        )
    if delivery_ids:
        connection.exec_driver_sql(
            "UPDATE delivery SET state = 'queued', state_at = ?, attempts = 0, due_at = NULL, code = NULL, "
            "path = NULL, text = NULL, detail = NULL, fingerprint = NULL "
            "WHERE id = ? AND state IN ('held', 'deferred', 'review')",
            [(at, id_) for id_ in delivery_ids],
        )


def add_operation(connection: Connection, row: Sequence[Any]) -> None:
    connection.exec_driver_sql(
        "INSERT INTO operation (id, at, who, verb, reason, touched) VALUES (?, ?, ?, ?, ?, ?)", tuple(row)
    )


def add_tickets(connection: Connection, queue: str, tickets: Sequence[str]) -> list[int]:
    """Tickets of the embedded broker; their numbers in the order given."""
    numbers = []
    for ids in tickets:
        cursor = connection.exec_driver_sql("INSERT INTO ticket (queue, ids) VALUES (?, ?)", (queue, ids))
        numbers.append(int(cursor.lastrowid or 0))
    return numbers


def remove_tickets(connection: Connection, numbers: Sequence[int]) -> None:
    connection.exec_driver_sql("DELETE FROM ticket WHERE id = ?", [(number,) for number in numbers])


def take_lease(connection: Connection, name: str, holder: str, seconds: float) -> int | None:
    """`Writer.take_lease`: SQLite has one clock, that of this machine."""
    now = now_micros()
    row = (
        raw(connection)
        .execute(
            "INSERT INTO lease (name, holder, until, token) VALUES (?1, ?2, ?3, 1) ON CONFLICT (name) DO UPDATE SET "
            "holder = excluded.holder, until = excluded.until, token = token + (holder <> excluded.holder) "
            "WHERE holder = excluded.holder OR until <= ?4 RETURNING token",
            (name, holder, now + int(seconds * 1_000_000), now),
        )
        .fetchone()
    )
    return int(row[0]) if row else None


def renew_leases(connection: Connection, holder: str, seconds: float) -> list[str]:
    """`Writer.renew_leases`."""
    now = now_micros()
    rows = raw(connection).execute(
        "UPDATE lease SET until = ? WHERE holder = ? AND until > ? RETURNING name",
        (now + int(seconds * 1_000_000), holder, now),
    )
    return [row[0] for row in rows.fetchall()]


def drop_lease(connection: Connection, name: str, holder: str) -> None:
    """`Writer.drop_lease`. The row stays, so that tokens go on growing."""
    raw(connection).execute("UPDATE lease SET until = 0 WHERE name = ? AND holder = ?", (name, holder))


def _check_fence(connection: Connection, fence: tuple[str, int]) -> None:
    """Raises Refused if somebody else has had the lease since."""
    name, token = fence
    row = raw(connection).execute("SELECT token FROM lease WHERE name = ?", (name,)).fetchone()
    if row is None or row[0] != token:
        raise Refused("another engine has taken this over", code="lease-lost")
