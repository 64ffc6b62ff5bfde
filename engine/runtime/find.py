"""Finding messages: one set of words for `messages find`, `replay` and the console."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select, true, union

from engine.contracts.journal import Queries
from engine.journal import tables
from engine.model.clock import to_micros
from engine.model.states import DeliveryState, MessageState

_m, _d, _other = tables.message.c, tables.delivery.c, tables.message.alias("other").c
_MESSAGE_STATES = frozenset(MessageState)
_DELIVERY_STATES = frozenset(DeliveryState)
_MESSAGE_GROUPS = (tables.MESSAGE_IN_FLIGHT, tables.WAITING, tables.ENDED_EARLY)
_DELIVERY_GROUPS = (tables.DELIVERY_IN_FLIGHT, tables.WAITING)


@dataclass(frozen=True, slots=True)
class Search:
    """All given words must hold. `state` is a message's or a delivery's; a message is found by its deliveries too.

    `patients`: order keys of one patient, each also as the beginning of a longer one (`4711` finds `4711|STM`).
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


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    said = []
    if search.channel:
        said.append(_m.channel == search.channel)
    if search.state:
        said.append(_in_state(search.state))
    if search.code:
        said.append(_either(_other.code == search.code, _d.code == search.code))
    if search.fingerprint:
        said.append(_either(_other.fingerprint == search.fingerprint, _d.fingerprint == search.fingerprint))
    if search.control_id:
        said.append(_m.control_id == search.control_id)
    if search.patients:
        said.append(_either(_of_patient(_other.order_key, search), _of_patient(_d.order_key, search)))
    if search.since:
        said.append(_m.received_at >= to_micros(search.since))
    if search.until:
        said.append(_m.received_at < to_micros(search.until))
    if search.from_id:
        said.append(_m.id >= search.from_id)
    return said


def _either(of_message: ColumnElement[bool], of_delivery: ColumnElement[bool]) -> ColumnElement[bool]:
    """Each half by its own index."""
    return _m.id.in_(union(select(_other.id).where(of_message), select(_d.message_id).where(of_delivery)))


def _in_state(state: str) -> ColumnElement[bool]:
    if state not in _DELIVERY_STATES:
        return _is(_m.state, state, _MESSAGE_GROUPS)
    of_delivery = _is(_d.state, state, _DELIVERY_GROUPS)
    if state in _MESSAGE_STATES:
        return _either(_is(_other.state, state, _MESSAGE_GROUPS), of_delivery)
    if state == DeliveryState.SENT:  # most are: the newest are found soonest by looking at messages one by one
        return exists().where(_d.message_id == _m.id, of_delivery)
    return _m.id.in_(select(_d.message_id).where(of_delivery))


def _is(column: ColumnElement[str], state: str, groups: Sequence[Sequence[str]]) -> ColumnElement[bool]:
    """With the words of the index that this state has, if it has one."""
    words = next((group for group in groups if state in group), None)
    return and_(tables.among(column, words), column == state) if words else column == state


def _of_patient(column: ColumnElement[str], search: Search) -> ColumnElement[bool]:
    """`}` is the sign after `|`: between the two lies all that begins with the key and `|`."""
    parts = [or_(column == key, and_(column > f"{key}|", column < f"{key}}}")) for key in search.patients]
    return or_(false(), *parts)


def statement(search: Search) -> Select[Any]:
    """What `find` asks."""
    columns = (_m.id, _m.channel, _m.shape, _m.state, _m.received_at, _m.origin_id)
    failure = (_m.reason, _m.code, _m.path, _m.text, _m.fingerprint)
    conditions = and_(true(), *_conditions(search))
    return select(*columns, *failure).where(conditions).order_by(_m.id.desc()).limit(search.limit)


async def find(queries: Queries, search: Search) -> Sequence[Mapping[str, Any]]:
    """Newest first, without bodies: id, channel, shape, state, received_at (µs), reason, code, path, fingerprint."""
    return [dict(row._mapping) for row in await queries.all(statement(search))]


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
