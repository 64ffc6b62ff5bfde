"""Finding messages: one set of words for `messages find`, `replay` and the console."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from engine.contracts.journal import Queries
from engine.journal import tables
from engine.model.clock import to_micros

_m, _d = tables.message.c, tables.delivery.c


@dataclass(frozen=True, slots=True)
class Search:
    """All given words must hold. `state` is a message's or a delivery's; a message is found by its deliveries too."""

    channel: str | None = None
    state: str | None = None
    code: str | None = None
    fingerprint: str | None = None
    control_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50


def _conditions(search: Search) -> list[Any]:
    said = []
    if search.channel:
        said.append(_m.channel == search.channel)
    for word in ("state", "code", "fingerprint"):
        value = getattr(search, word)
        if value:
            of_delivery = select(_d.message_id).where(_d[word] == value)
            said.append(or_(_m[word] == value, _m.id.in_(of_delivery)))
    if search.control_id:
        said.append(func.json_extract(_m.meta, "$.control_id") == search.control_id)
    if search.since:
        said.append(_m.received_at >= to_micros(search.since))
    if search.until:
        said.append(_m.received_at < to_micros(search.until))
    return said


async def find(queries: Queries, search: Search) -> Sequence[Mapping[str, Any]]:
    """Newest first, without bodies: id, channel, shape, state, received_at (µs), reason, code, path, fingerprint."""
    columns = (_m.id, _m.channel, _m.shape, _m.state, _m.received_at, _m.origin_id)
    failure = (_m.reason, _m.code, _m.path, _m.text, _m.fingerprint)
    statement = (
        select(*columns, *failure).where(and_(True, *_conditions(search))).order_by(_m.id.desc()).limit(search.limit)
    )
    return [dict(row._mapping) for row in await queries.all(statement)]


async def family(queries: Queries, origin_id: str) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Every message and every delivery that came from one message, in the order they were made."""
    messages = await queries.all(select(tables.message).where(_m.origin_id == origin_id).order_by(_m.id))
    deliveries = await queries.all(select(tables.delivery).where(_d.origin_id == origin_id).order_by(_d.id))
    return [dict(row._mapping) for row in messages], [dict(row._mapping) for row in deliveries]


async def attempts(queries: Queries, delivery_id: str) -> Sequence[Mapping[str, Any]]:
    """The attempts to deliver that failed, oldest first."""
    c = tables.attempt.c
    rows = await queries.all(select(tables.attempt).where(c.delivery_id == delivery_id).order_by(c.at))
    return [dict(row._mapping) for row in rows]
