"""Finding messages: one set of words for `messages find`, `replay` and the console."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, exists, select, true, union

from engine.contracts.journal import Queries
from engine.journal import tables
from engine.model.clock import to_micros
from engine.model.states import DeliveryState, MessageState

_m, _d, _other = tables.message.c, tables.delivery.c, tables.message.alias("other").c
_FEW = 500
_MESSAGE_STATES = frozenset(MessageState)
_DELIVERY_STATES = frozenset(DeliveryState)
_MESSAGE_GROUPS = (tables.MESSAGE_IN_FLIGHT, tables.WAITING, tables.ENDED_EARLY)
_DELIVERY_GROUPS = (tables.DELIVERY_IN_FLIGHT, tables.WAITING)


@dataclass(frozen=True, slots=True)
class Search:
    """All given words must hold. `state` is a message's or a delivery's; a message is found by its deliveries too.

    `patients`: order keys of one patient; the first also as the beginning of longer ones (`4711` finds `4711|STM`).
    `from_id`: nothing older than this id, which is found faster than `since`.
    """

    channel: str | None = None
    state: str | None = None
    code: str | None = None
    fingerprint: str | None = None
    control_id: str | None = None
    patients: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    from_id: str | None = None
    limit: int = 50


def _messages(search: Search) -> Select[Any]:
    columns = (_m.id, _m.channel, _m.shape, _m.state, _m.received_at, _m.origin_id)
    failure = (_m.reason, _m.code, _m.path, _m.text, _m.fingerprint)
    asked = select(*columns, *failure).where(true(), *_conditions(search))
    return asked.order_by(_m.id.desc()).limit(search.limit)


def _conditions(search: Search) -> Iterator[ColumnElement[bool]]:
    """On the message itself."""
    if search.channel:
        yield _m.channel == search.channel
    if search.state and search.state not in _DELIVERY_STATES:
        yield _is(_m.state, search.state, _MESSAGE_GROUPS)
    if search.state == DeliveryState.SENT:  # most are: the newest are found soonest by looking at messages one by one
        yield exists().where(_d.message_id == _m.id, _d.state == search.state)
    if search.control_id:
        yield _m.control_id == search.control_id
    if search.since:
        yield _m.received_at >= to_micros(search.since)
    if search.until:
        yield _m.received_at < to_micros(search.until)
    if search.from_id:
        yield _m.id >= search.from_id


def _ids(search: Search) -> Iterator[CompoundSelect[tuple[str]]]:
    """Of messages that fit themselves or by a delivery: one set for each word, of which all must hold."""
    if search.state and search.state in _DELIVERY_STATES and search.state != DeliveryState.SENT:
        of_message = [_is(_other.state, search.state, _MESSAGE_GROUPS)] if search.state in _MESSAGE_STATES else []
        yield _either(search, of_message, [_is(_d.state, search.state, _DELIVERY_GROUPS)])
    if search.code:
        yield _either(search, [_other.code == search.code], [_d.code == search.code])
    if search.fingerprint:
        yield _either(search, [_other.fingerprint == search.fingerprint], [_d.fingerprint == search.fingerprint])
    if search.patients:
        yield _either(
            search, _of_patient(_other.order_key, search.patients), _of_patient(_d.order_key, search.patients)
        )


def _either(
    search: Search, of_message: Sequence[ColumnElement[bool]], of_delivery: Sequence[ColumnElement[bool]]
) -> CompoundSelect[tuple[str]]:
    """A delivery is of its message's channel: what narrows the one narrows the other."""
    messages, deliveries = select(_other.id.label("id")), select(_d.message_id.label("id"))
    if search.channel:
        messages = messages.where(_other.channel == search.channel)
        deliveries = deliveries.where(_d.channel == search.channel)
    return union(*(messages.where(one) for one in of_message), *(deliveries.where(one) for one in of_delivery))


def _is(column: ColumnElement[str], state: str, groups: Sequence[Sequence[str]]) -> ColumnElement[bool]:
    """With the words of the index that this state has, if it has one."""
    words = next((group for group in groups if state in group), None)
    return and_(tables.among(column, words), column == state) if words else column == state


def _of_patient(column: ColumnElement[str], keys: Sequence[str]) -> Sequence[ColumnElement[bool]]:
    """`}` is the sign after `|`: between the two lies all that begins with the key and `|`."""
    return [column.in_(keys), and_(column > f"{keys[0]}|", column < f"{keys[0]}}}")]


async def find(queries: Queries, search: Search) -> Sequence[Mapping[str, Any]]:
    """Newest first, without bodies: id, channel, shape, state, received_at (µs), reason, code, path, fingerprint."""
    asked = _messages(search)
    for ids in _ids(search):
        # Looked up first: a database that gets both at once may go through all messages, newest first, to find one.
        found = [row[0] for row in await queries.all(ids.limit(_FEW + 1))]
        asked = asked.where(_m.id.in_(found if len(found) <= _FEW else ids))
    return [dict(row._mapping) for row in await queries.all(asked)]


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
