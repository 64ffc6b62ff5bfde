"""A journal filled with very many messages, fast: for benchmarks and for tests of query plans."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import text

from engine.journal.sqlite import sync_engine
from engine.model.clock import to_micros

_MESSAGES = """
INSERT INTO message (id, channel, tenant, origin_id, shape, body, meta, order_key, received_at, state, state_at,
    attempts, fanout, control_id, code, fingerprint)
SELECT id, 'channel-' || n % 20, 'default', id, 'hl7v2', convert_to(repeat('x', 600), 'UTF8'), '{}',
    (n % 50000) || '|STM', at,
    CASE WHEN n % 1000 = 0 THEN 'held' WHEN n % 100 = 1 THEN 'filtered' ELSE 'transformed' END, at, 1, 1, 'M' || n,
    CASE WHEN n % 1000 = 0 THEN 'code-' || n / 1000 % 7 END,
    CASE WHEN n % 1000 = 0 THEN 'fingerprint-' || n / 1000 % 70 END
FROM (
    SELECT n, at, substr(time, 1, 8) || '-' || substr(time, 9, 4) || '-7' || lpad(to_hex(n % 4096), 3, '0') || '-8000-'
        || lpad(to_hex(n), 12, '0') AS id
    FROM (
        SELECT n, $1::bigint + n * $2::bigint AS at,
            lpad(to_hex(($1::bigint + n * $2::bigint) / 1000), 12, '0') AS time
        FROM generate_series(1, $3::bigint) AS n
    ) AS times
) AS ids
"""
_DELIVERIES = """
INSERT INTO delivery (id, message_id, origin_id, channel, destination, shape, body, meta, order_key, made_at, state,
    state_at, attempts, answer_code, code, fingerprint)
SELECT overlay(id PLACING '9' FROM 20 FOR 1), id, id, channel, 'out', shape, body, meta, order_key, received_at,
    CASE WHEN held THEN 'held' ELSE 'sent' END, received_at, 1, CASE WHEN held THEN NULL ELSE 'AA' END,
    CASE WHEN held THEN 'refused' END, CASE WHEN held THEN 'fingerprint-of-delivery' END
FROM (SELECT *, hashtext(id) % 500 = 0 AS held FROM message WHERE state = 'transformed') AS through
"""
_IN_SQLITE = """
INSERT INTO message (id, channel, tenant, origin_id, shape, body, meta, order_key, received_at, state, state_at,
    attempts, fanout, control_id, code, fingerprint)
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows),
times AS (SELECT n, :start + n * :step AS at, printf('%012x', (:start + n * :step) / 1000) AS time FROM numbers),
ids AS (
    SELECT n, at, substr(time, 1, 8) || '-' || substr(time, 9, 4) || printf('-7%03x-8000-%012x', n % 4096, n) AS id
    FROM times
)
SELECT id, 'channel-' || (n % 20), 'default', id, 'hl7v2', zeroblob(600), '{}', (n % 50000) || '|STM', at,
    CASE WHEN n % 1000 = 0 THEN 'held' WHEN n % 100 = 1 THEN 'filtered' ELSE 'transformed' END, at, 1, 1, 'M' || n,
    CASE WHEN n % 1000 = 0 THEN 'code-' || (n / 1000 % 7) END,
    CASE WHEN n % 1000 = 0 THEN 'fingerprint-' || (n / 1000 % 70) END
FROM ids
"""
_DELIVERIES_IN_SQLITE = """
INSERT INTO delivery (id, message_id, origin_id, channel, destination, shape, body, meta, order_key, made_at, state,
    state_at, attempts, answer_code, code, fingerprint)
SELECT substr(id, 1, 19) || '9' || substr(id, 21), id, id, channel, 'out', shape, body, meta, order_key, received_at,
    CASE WHEN held THEN 'held' ELSE 'sent' END, received_at, 1, CASE WHEN held THEN NULL ELSE 'AA' END,
    CASE WHEN held THEN 'refused' END, CASE WHEN held THEN 'fingerprint-of-delivery' END
FROM (SELECT *, rowid % 500 = 0 AS held FROM message WHERE state = 'transformed')
"""


async def fill(url: str, rows: int, start: datetime, time: timedelta) -> None:
    """Messages evenly over this time, each with its control id `M1`, `M2` …, of 50,000 patients `0|STM` …, in 20
    channels, with deliveries; one in a thousand is held. The partitions are there already."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    try:
        step = time // rows // timedelta(microseconds=1)
        await connection.execute(_MESSAGES, to_micros(start), step, rows)
        await connection.execute(_DELIVERIES)
        await connection.execute("ANALYZE message, delivery")
    finally:
        await connection.close()


def fill_sqlite(path: Path, rows: int, start: datetime, time: timedelta) -> None:
    """As `fill`, into the store at this path, whose tables are there."""
    engine = sync_engine(path)
    step = time // rows // timedelta(microseconds=1)
    with engine.begin() as connection:
        connection.execute(text(_IN_SQLITE), {"rows": rows, "start": to_micros(start), "step": step})
        connection.execute(text(_DELIVERIES_IN_SQLITE))
    engine.dispose()
