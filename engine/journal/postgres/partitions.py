"""The journal's partitions on PostgreSQL: made ahead, and dropped whole when their time is up.

Messages, deliveries and attempts lie in one partition for each week; what has none yet goes to the default one. Both
happen while engines work, so a lock that they would feel is asked for with little patience, and asked for again.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import asyncpg

from engine.contracts.journal import Dropped, Stretch
from engine.journal.errors import journal_error
from engine.journal.postgres.statements import Connection
from engine.journal.prune import count_pruned, tallied
from engine.journal.row_values import now_micros
from engine.journal.weeks import Week
from engine.model.errors import Unavailable

T = TypeVar("T")

TABLES: Final = {"message": "id", "delivery": "id", "attempt": "delivery_id"}
"""Each with the id that its partitions are ranges of."""
_MOST_MOVED: Final = 10_000
"""Families that are taken out of a partition before it goes; of one with more, the rest is deleted row by row."""
_KEYS_AT_ONCE: Final = 5_000
_SCAN_SECONDS: Final = 3600.0
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.25
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(727274)"
# Shorter than the second after which PostgreSQL looks for deadlocks: then it is we who give way.
_LITTLE_PATIENCE: Final = "SET LOCAL lock_timeout = '500ms'"
_BOUNDS: Final = re.compile(r"FOR VALUES FROM \('([^']*)'\) TO \('([^']*)'\)")
_PARTITIONS: Final = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = $1::text::regclass"
)
_WAITS: Final = "state IN ('held', 'deferred', 'review')"
_COUNT_PRUNED: Final = count_pruned("${}")


class PostgresPartitions:
    """`engine.contracts.journal.Partitions`. `pool` gives connections."""

    def __init__(self, pool: Callable[[], "asyncpg.Pool[Any]"]) -> None:
        self._pool = pool

    async def make_ahead(self, now: datetime, weeks: int = 4) -> Sequence[str]:
        made = []
        for week in Week.of(now).and_next(weeks):
            for table in TABLES:
                name = f"{table}_p{week.name}"
                if await self._patiently(partial(_make, table=table, name=name, ids=week.ids)):
                    made.append(name)
        return made

    async def stretches(self) -> Sequence[Stretch]:
        async def look(connection: Connection) -> Sequence[Stretch]:
            found = [set(await _ranges(connection, table)) for table in TABLES]
            return sorted(set.intersection(*found))

        return await self._once(look)

    async def drop(self, stretch: Stretch, channels: Collection[str]) -> Dropped | None:
        names = await self._once(lambda connection: _names(connection, stretch))
        if len(names) < len(TABLES):
            return None
        staying = await self._once(lambda connection: _staying(connection, names, stretch, channels))
        if len(staying) > _MOST_MOVED:
            return None
        going = await self._once(lambda connection: _going(connection, names, staying))
        await self._forget_keys(names["message"], staying)
        return await self._patiently(lambda connection: _drop(connection, stretch, staying, going))

    async def _forget_keys(self, messages: str, staying: Sequence[str]) -> None:
        """The source keys of what goes, in portions: a table without partitions. What repeats such an old message
        before the partition is gone counts as new, as it will afterwards."""
        after: str | None = ""
        while after is not None:
            after = await self._once(partial(_forget_keys, messages=messages, staying=staying, after=after))

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """In a transaction. Raises Unavailable."""
        try:
            async with self._pool().acquire() as connection, connection.transaction():
                return await work(connection)
        except asyncpg.LockNotAvailableError:
            raise
        except Exception as error:  # noqa: BLE001 - told in the engine's words
            raise journal_error(error) from None

    async def _patiently(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As `_once`, again and again while others are in the way. Raises Unavailable."""

        async def alone(connection: Connection) -> T:
            await connection.execute(_ONE_AT_A_TIME)
            await connection.execute(_LITTLE_PATIENCE)
            return await work(connection)

        for _ in range(_TRIES):
            try:
                return await self._once(alone)
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
        raise Unavailable("the journal's tables are too busy to change their partitions", code="journal-busy")


async def _ranges(connection: Connection, table: str) -> dict[Stretch, str]:
    """The partitions of a table by their range; not the default one."""
    rows = await connection.fetch(_PARTITIONS, table)
    found = ((_BOUNDS.fullmatch(row[1]), row[0]) for row in rows)
    return {Stretch(match[1], match[2]): name for match, name in found if match}


async def _names(connection: Connection, stretch: Stretch) -> dict[str, str]:
    """Table → its partition of just this range."""
    ranges = {table: await _ranges(connection, table) for table in TABLES}
    return {table: by_range[stretch] for table, by_range in ranges.items() if stretch in by_range}


async def _make(connection: Connection, *, table: str, name: str, ids: Stretch) -> bool:
    """A partition, with what the default one holds of its range; False if there is one for this time."""
    if any(ids.start < known.end and known.start < ids.end for known in await _ranges(connection, table)):
        return False
    key = TABLES[table]
    await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    # Attached, not made as a partition: that would lock the whole table, and this only the default partition.
    await connection.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
    await connection.execute(
        f"WITH moved AS (DELETE FROM {table}_default WHERE {key} >= $1 AND {key} < $2 RETURNING *) "  # noqa: S608
        f"INSERT INTO {name} SELECT * FROM moved",
        ids.start,
        ids.end,
    )
    await connection.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{ids.start}') TO ('{ids.end}')"
    )
    return True


# --- dropping


async def _staying(
    connection: Connection, names: dict[str, str], stretch: Stretch, channels: Collection[str]
) -> list[str]:
    """Families (by origin) with rows here that must stay: something of them waits or is in flight, has a body, lies
    outside of this stretch, or belongs to a channel that is not among these. One more than can be moved at most."""
    inside = "origin_id >= $1 AND origin_id < $2"
    parts = [
        f"SELECT origin_id FROM message WHERE state = 'received' AND {inside}",  # noqa: S608
        f"SELECT origin_id FROM message WHERE {_WAITS} AND {inside}",  # noqa: S608
        f"SELECT origin_id FROM delivery WHERE state IN ('queued', 'retry') AND {inside}",  # noqa: S608
        f"SELECT origin_id FROM delivery WHERE {_WAITS} AND {inside}",  # noqa: S608
    ]
    for table in ("message", "delivery"):
        parts += [
            f"SELECT origin_id FROM {table} WHERE id >= $2 AND {inside}",  # noqa: S608
            f"SELECT origin_id FROM {names[table]} "  # noqa: S608
            f"WHERE pruned_at IS NULL OR channel <> ALL ($3::text[]) OR NOT ({inside})",
        ]
    rows = await connection.fetch(
        f"{' UNION '.join(parts)} LIMIT {_MOST_MOVED + 1}",
        stretch.start,
        stretch.end,
        sorted(channels),
        timeout=_SCAN_SECONDS,
    )
    return [row[0] for row in rows]


async def _going(connection: Connection, names: dict[str, str], staying: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of `pruned` for all the others. They are through and have no body left: nothing changes them any more."""
    messages = await connection.fetch(
        "SELECT channel, received_at / 86400000000, 'message', state, count(*), "  # noqa: S608
        "count(*) FILTER (WHERE parent_id IS NULL), "
        "coalesce(sum(fanout - 1) FILTER (WHERE state = 'transformed'), 0)::bigint "
        f"FROM {names['message']} WHERE origin_id <> ALL ($1::text[]) GROUP BY 1, 2, 4",
        staying,
        timeout=_SCAN_SECONDS,
    )
    deliveries = await connection.fetch(
        "SELECT channel, made_at / 86400000000, 'delivery', state, count(*), 0, 0 "  # noqa: S608
        f"FROM {names['delivery']} WHERE origin_id <> ALL ($1::text[]) GROUP BY 1, 2, 4",
        staying,
        timeout=_SCAN_SECONDS,
    )
    return tallied([*messages, *deliveries], now_micros())


async def _forget_keys(connection: Connection, *, messages: str, staying: Sequence[str], after: str) -> str | None:
    """One portion of them; up to which id. None: there are no more."""
    rows = await connection.fetch(
        f"SELECT id, channel, source_key, origin_id FROM {messages} "  # noqa: S608
        f"WHERE id > $1 AND source_key IS NOT NULL ORDER BY id LIMIT {_KEYS_AT_ONCE}",
        after,
    )
    stays = set(staying)
    gone = [row for row in rows if row[3] not in stays]
    await connection.execute(
        "DELETE FROM source_key k USING unnest($1::text[], $2::text[], $3::text[]) AS gone (id, channel, key) "
        "WHERE k.channel = gone.channel AND k.key = gone.key AND k.message_id = gone.id",
        *([row[n] for row in gone] for n in range(3)),
    )
    return rows[-1][0] if len(rows) == _KEYS_AT_ONCE else None


async def _drop(
    connection: Connection, stretch: Stretch, staying: Sequence[str], going: Sequence[dict[str, Any]]
) -> Dropped | None:
    """What stays goes to the default partition. The tables are locked while that is done, so it is little."""
    await connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
    names = await _names(connection, stretch)
    if len(names) < len(TABLES) or await _waits_unexpectedly(connection, names, staying):
        return None
    moved = 0
    for table in ("attempt", "delivery", "message"):
        await connection.execute(f"ALTER TABLE {table} DETACH PARTITION {names[table]}")
        stays = "origin_id = ANY ($1::text[])"
        if table == "attempt":
            stays = f"delivery_id IN (SELECT id FROM {names['delivery']} WHERE {stays})"  # noqa: S608
        done = await connection.execute(
            f"INSERT INTO {table} SELECT * FROM {names[table]} WHERE {stays}",  # noqa: S608
            staying,
        )
        moved += int(done.rpartition(" ")[2])
    await connection.execute(f"DROP TABLE {', '.join(names.values())}")
    await connection.executemany(_COUNT_PRUNED, [tuple(row.values()) for row in going])
    counts = {kind: sum(row["count"] for row in going if row["kind"] == kind) for kind in ("message", "delivery")}
    return Dropped(counts["message"], counts["delivery"], moved)


async def _waits_unexpectedly(connection: Connection, names: dict[str, str], staying: Sequence[str]) -> bool:
    """Has something begun to wait since we looked? It cannot, and what must not be lost is looked at twice."""
    parts = [
        f"SELECT 1 FROM {names[table]} WHERE {state} AND origin_id <> ALL ($1::text[])"  # noqa: S608
        for table, in_flight in (("message", "state = 'received'"), ("delivery", "state IN ('queued', 'retry')"))
        for state in (in_flight, _WAITS)
    ]
    return await connection.fetchval(f"{' UNION ALL '.join(parts)} LIMIT 1", staying) is not None
