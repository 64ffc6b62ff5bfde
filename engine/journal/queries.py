"""Reading the journal: what the runtime needs to go on, and rows for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Table, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.contracts.journal import NewestSent, PendingDelivery
from engine.journal import tables
from engine.journal.errors import journal_error
from engine.journal.portions import portions
from engine.journal.recent import Recent
from engine.model.clock import from_micros, to_micros
from engine.model.delivery import Delivery
from engine.model.lane import Lane
from engine.model.message import Message, Shape
from engine.model.share import WHOLE, Share
from engine.model.states import DeliveryState

_m, _d = tables.message.c, tables.delivery.c
_MESSAGE_IN_FLIGHT = tables.among(_m.state, tables.MESSAGE_IN_FLIGHT)
_DELIVERY_IN_FLIGHT = tables.among(_d.state, tables.DELIVERY_IN_FLIGHT)
MESSAGE = select(
    _m.id,
    _m.channel,
    _m.shape,
    _m.body,
    _m.received_at,
    _m.origin_id,
    _m.parent_id,
    _m.tenant,
    _m.meta,
    _m.source_key,
    _m.order_key,
)
DELIVERY = select(
    _d.id,
    _d.message_id,
    _d.origin_id,
    _d.channel,
    _d.destination,
    _d.shape,
    _d.body,
    _d.meta,
    _d.order_key,
    _d.attempts,
    _d.due_at,
)


def to_message(row: Any) -> Message:
    """A row of `MESSAGE` as the value it was."""
    return Message(
        id=row[0],
        channel=row[1],
        shape=Shape(row[2]),
        body=bytes(row[3]),
        received_at=from_micros(row[4]),
        origin_id=row[5],
        parent_id=row[6],
        tenant=row[7],
        meta=orjson.loads(row[8]),
        source_key=row[9],
        order_key=row[10],
    )


def _to_delivery(row: Any) -> PendingDelivery:
    """A row of `DELIVERY` as the value it was, with its next attempt."""
    delivery = Delivery(
        id=row[0],
        message_id=row[1],
        origin_id=row[2],
        channel=row[3],
        destination=row[4],
        shape=Shape(row[5]),
        body=bytes(row[6]),
        meta=orjson.loads(row[7]),
        order_key=row[8],
        attempt=row[9] + 1,
    )
    return PendingDelivery(delivery, from_micros(row[10]) if row[10] is not None else None)


def _of(shard: ColumnElement[int], share: Share) -> list[ColumnElement[bool]]:
    """The condition for a share of the work; none for all of it."""
    return [shard % share.of == share.number] if share.of > 1 else []


def _now(dialect: str) -> ColumnElement[int]:
    """By the database's clock, where several machines share it."""
    if dialect == "postgresql":
        return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
    return literal(to_micros(datetime.now(UTC)))


class JournalQueries:
    """`engine.contracts.journal.Queries` over SQLAlchemy; nothing here writes."""

    def __init__(self, engine: AsyncEngine, messages: Recent[Message], deliveries: Recent[Delivery]) -> None:
        self._engine = engine
        self._messages = messages
        self._deliveries = deliveries

    async def all(self, statement: Any) -> Sequence[Any]:
        """Run a query of the caller's own: for the CLI and the console. Raises Unavailable."""
        try:
            async with self._engine.connect() as connection:
                rows: Sequence[Any] = (await connection.execute(statement)).fetchall()
                return rows
        except Exception as error:  # noqa: BLE001 - some drivers' errors come as they are
            raise journal_error(error) from None

    async def pending(self, ids: Sequence[str]) -> Sequence[Message]:
        found, missing = self._messages.take(ids)
        if not missing:
            return found
        rows = await self._pending(missing)
        return sorted([*found, *map(to_message, rows)], key=lambda message: message.id)

    async def pending_deliveries(self, ids: Sequence[str]) -> Sequence[PendingDelivery]:
        taken, missing = self._deliveries.take(ids)
        found = [PendingDelivery(delivery) for delivery in taken]
        if not missing:
            return found
        rows = await self._pending_deliveries(missing)
        return sorted([*found, *map(_to_delivery, rows)], key=lambda pending: pending.delivery.id)

    async def portions(self, ids: Sequence[str], most_bytes: int) -> Sequence[Sequence[str]]:
        return await self._portions(ids, self._messages.sizes(ids), most_bytes, "message")

    async def delivery_portions(self, ids: Sequence[str], most_bytes: int) -> Sequence[Sequence[str]]:
        return await self._portions(ids, self._deliveries.sizes(ids), most_bytes, "delivery")

    async def _portions(
        self, ids: Sequence[str], sizes: dict[str, int], most_bytes: int, table: str
    ) -> Sequence[Sequence[str]]:
        """The store is asked for the sizes that it alone knows; it need not read a body for that."""
        if len(ids) > 1 and (missing := [id_ for id_ in ids if id_ not in sizes]):
            sizes |= {row[0]: row[1] for row in await self._sizes(table, missing)}
        return portions(ids, sizes, most_bytes)

    async def _sizes(self, table: str, ids: Sequence[str]) -> Sequence[Any]:
        """Rows of id and bytes of body."""
        c = _m if table == "message" else _d
        return await self.all(select(c.id, func.length(c.body)).where(c.id.in_(ids)))

    async def _pending(self, ids: Sequence[str]) -> Sequence[Any]:
        """Rows of `MESSAGE` of those that are in flight."""
        return await self.all(MESSAGE.where(_m.id.in_(ids), _MESSAGE_IN_FLIGHT))

    async def _pending_deliveries(self, ids: Sequence[str]) -> Sequence[Any]:
        """Rows of `DELIVERY` of those that are in flight."""
        return await self.all(DELIVERY.where(_d.id.in_(ids), _DELIVERY_IN_FLIGHT))

    async def lane(
        self, channel: str, destination: str, order_key: str, limit: int, lane: Lane = Lane.LIVE
    ) -> Sequence[PendingDelivery]:
        rows = await self.all(
            DELIVERY.where(
                _d.channel == channel,
                _d.destination == destination,
                _d.order_key == order_key,
                _d.lane == lane.value,
                _DELIVERY_IN_FLIGHT,
            )
            .order_by(_d.id)
            .limit(limit)
        )
        return [_to_delivery(row) for row in rows]

    async def newest_sent(
        self, channel: str, destination: str, order_keys: Sequence[str], after: str
    ) -> Sequence[NewestSent]:
        rows = await self._newest_sent(channel, destination, order_keys, after)
        return [NewestSent(row[0], Lane(row[1]), row[2], row[3]) for row in rows]

    async def _newest_sent(
        self, channel: str, destination: str, order_keys: Sequence[str], after: str
    ) -> Sequence[Any]:
        return await self.all(
            select(_d.order_key, _d.lane, func.max(_d.id), func.max(_d.message_id))
            .where(
                _d.order_key.in_(order_keys),
                _d.id > after,
                _d.channel == channel,
                _d.destination == destination,
                _d.state == DeliveryState.SENT.value,
            )
            .group_by(_d.order_key, _d.lane)
        )

    async def in_flight(
        self, channel: str, after: str, limit: int, share: Share = WHOLE, lane: Lane = Lane.LIVE
    ) -> Sequence[str]:
        rows = await self.all(
            select(_m.id)
            .where(
                _m.channel == channel, _m.lane == lane.value, _MESSAGE_IN_FLIGHT, _m.id > after, *_of(_m.shard, share)
            )
            .order_by(_m.id)
            .limit(limit)
        )
        return [row[0] for row in rows]

    async def deliveries_in_flight(
        self, channel: str, destination: str, after: str, limit: int, share: Share = WHOLE, lane: Lane = Lane.LIVE
    ) -> Sequence[str]:
        rows = await self.all(
            select(_d.id)
            .where(
                _d.channel == channel,
                _d.destination == destination,
                _d.lane == lane.value,
                _DELIVERY_IN_FLIGHT,
                _d.id > after,
                *_of(_d.shard, share),
            )
            .order_by(_d.id)
            .limit(limit)
        )
        return [row[0] for row in rows]

    async def lease_holders(self, prefix: str) -> Sequence[str]:
        c = tables.lease.c
        valid = c.until > _now(self._engine.dialect.name)
        rows = await self.all(select(c.holder).where(c.name.startswith(prefix, autoescape=True), valid))
        return [row[0] for row in rows]

    async def cursor(self, channel: str, name: str) -> str | None:
        c = tables.cursor.c
        rows = await self.all(select(c.value).where(c.channel == channel, c.name == name))
        return rows[0][0] if rows else None

    async def channel_commands(self) -> Mapping[str, str]:
        c = tables.channel_status.c
        rows = await self.all(select(c.channel, c.wanted).where(c.wanted.is_not(None)))
        return {row[0]: row[1] for row in rows}

    async def row(self, table: str, id_: str) -> Mapping[str, Any] | None:
        source: Table = {"message": tables.message, "delivery": tables.delivery}[table]
        rows = await self.all(select(source).where(source.c.id == id_))
        return dict(rows[0]._mapping) if rows else None
