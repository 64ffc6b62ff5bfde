"""The questions that each ticket asks, put to PostgreSQL without SQLAlchemy: a tenth of the CPU for the same answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.journal import tables
from engine.journal.postgres.commits import GroupCommits, Statement
from engine.journal.postgres.statements import AMONG, STATE, Connection, among
from engine.journal.queries import DELIVERY, MESSAGE, JournalQueries
from engine.journal.recent import Recent
from engine.model.delivery import Delivery
from engine.model.lane import Lane
from engine.model.message import Message
from engine.model.share import WHOLE, Share


def _question(sql: str) -> Callable[[Connection, Sequence[Any]], Awaitable[list[Any]]]:
    """For `GroupCommits.call`: its items are the parameters of one asking each."""

    async def ask(connection: Connection, asked: Sequence[Any]) -> list[Any]:
        return [await connection.fetch(sql, *parameters) for parameters in asked]

    return ask


def _states(words: Sequence[str], state: str = "state") -> str:
    return f"{state} IN ({', '.join(repr(word) for word in words)})"


def _columns(select: Select[Any]) -> str:
    return ", ".join(column.name for column in select.selected_columns)


_MESSAGE_OPEN = _states(tables.MESSAGE_IN_FLIGHT)
_DELIVERY_OPEN = _states(tables.DELIVERY_IN_FLIGHT)
_PENDING = _question(
    f"SELECT {_columns(MESSAGE)} FROM message WHERE {AMONG} AND {_states(tables.MESSAGE_IN_FLIGHT, STATE)}"  # noqa: S608
)
_PENDING_DELIVERIES = _question(
    f"SELECT {_columns(DELIVERY)} FROM delivery WHERE {AMONG} AND {_states(tables.DELIVERY_IN_FLIGHT, STATE)}"  # noqa: S608
)
_SIZES = {
    table: _question(f"SELECT id, octet_length(body) FROM {table} WHERE {AMONG}")  # noqa: S608
    for table in ("message", "delivery")
}
_IN_FLIGHT = _question(
    f"SELECT id FROM message WHERE channel = $1 AND lane = $2 AND {_MESSAGE_OPEN} "  # noqa: S608
    "AND id > $3 AND shard % $4 = $5 ORDER BY id LIMIT $6"
)
_DELIVERIES_IN_FLIGHT = _question(
    f"SELECT id FROM delivery WHERE channel = $1 AND lane = $2 AND {_DELIVERY_OPEN} "  # noqa: S608
    "AND id > $3 AND shard % $4 = $5 AND destination = $7 ORDER BY id LIMIT $6"
)
_NEWEST_SENT = _question(
    "SELECT order_key, lane, max(id), max(message_id) FROM delivery WHERE order_key = ANY ($1::text[]) AND id > $2 "
    "AND channel = $3 AND destination = $4 AND state = 'sent' GROUP BY order_key, lane"
)


class PostgresQueries(JournalQueries):
    """See `engine.contracts.journal.Queries`."""

    def __init__(
        self, engine: AsyncEngine, messages: Recent[Message], deliveries: Recent[Delivery], commits: GroupCommits
    ) -> None:
        super().__init__(engine, messages, deliveries)
        self._commits = commits

    async def _pending(self, ids: Sequence[str]) -> Sequence[Any]:
        return await self._ask(_PENDING, *among(ids))

    async def _pending_deliveries(self, ids: Sequence[str]) -> Sequence[Any]:
        return await self._ask(_PENDING_DELIVERIES, *among(ids))

    async def _sizes(self, table: str, ids: Sequence[str]) -> Sequence[Any]:
        return await self._ask(_SIZES[table], *among(ids))

    async def _newest_sent(
        self, channel: str, destination: str, order_keys: Sequence[str], after: str
    ) -> Sequence[Any]:
        return await self._ask(_NEWEST_SENT, list(order_keys), after, channel, destination)

    async def in_flight(
        self, channel: str, after: str, limit: int, share: Share = WHOLE, lane: Lane = Lane.LIVE
    ) -> Sequence[str]:
        rows = await self._ask(_IN_FLIGHT, channel, lane.value, after, share.of, share.number, limit)
        return [row[0] for row in rows]

    async def deliveries_in_flight(
        self, channel: str, destination: str, after: str, limit: int, share: Share = WHOLE, lane: Lane = Lane.LIVE
    ) -> Sequence[str]:
        rows = await self._ask(
            _DELIVERIES_IN_FLIGHT, channel, lane.value, after, share.of, share.number, limit, destination
        )
        return [row[0] for row in rows]

    async def _ask(self, question: Statement, *parameters: Any) -> Sequence[Any]:
        answers, place = await self._commits.call(question, [parameters])
        rows: Sequence[Any] = answers[place]
        return rows
