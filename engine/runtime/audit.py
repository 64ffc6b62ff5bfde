"""The books: every copy of every message is in exactly one state, and nothing is unaccounted for (law 5).

A message that was transformed has become its outputs: children in other channels, parts set aside, deliveries. The
copies that are left, its leaves, are counted: what came in plus what was multiplied must be what is in the states.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Subquery, func, or_, select, true

from engine.contracts.journal import Queries
from engine.journal import tables
from engine.model.states import DELIVERIES_IN_FLIGHT, MESSAGES_IN_FLIGHT, DeliveryState, MessageState

_m, _d = tables.message.c, tables.delivery.c
WORDS = ("delivered", "filtered", "duplicate", "held", "deferred", "in review", "in flight")
"""What a copy can have come to, in the order of the books' equation."""

_MESSAGE_WORD: Mapping[str, str] = {
    MessageState.RECEIVED: "in flight",
    MessageState.FILTERED: "filtered",
    MessageState.DUPLICATE: "duplicate",
    MessageState.HELD: "held",
    MessageState.DEFERRED: "deferred",
    MessageState.REVIEW: "in review",
}
_DELIVERY_WORD: Mapping[str, str] = {
    DeliveryState.QUEUED: "in flight",
    DeliveryState.RETRY: "in flight",
    DeliveryState.SENT: "delivered",
    DeliveryState.HELD: "held",
    DeliveryState.DEFERRED: "deferred",
    DeliveryState.REVIEW: "in review",
}
_p = tables.pruned.c
_PRUNED = select(
    _p.channel,
    _p.kind,
    _p.state,
    func.sum(_p.count).label("number"),
    func.sum(_p.roots).label("roots"),
    func.sum(_p.grown).label("grown"),
).group_by(_p.channel, _p.kind, _p.state)


@dataclass(frozen=True, slots=True)
class Books:
    """`received` copies from outside (and replays), `multiplied` by fan-out, `copies` by word.

    `problems` says in words what does not add up; each names ids where there are some. `pruned` messages and
    deliveries are counted in all this, though their rows are gone.
    """

    received: int
    multiplied: int
    copies: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]
    problems: Sequence[str]
    pruned: int = 0

    @property
    def balance(self) -> bool:
        return not self.problems and self.received + self.multiplied == sum(self.copies.values())


async def books(queries: Queries) -> Books:
    """Count the journal. Reads everything once; for an audit, not for a dashboard."""
    count = _Count()
    roots = await _number(queries, select(func.count()).select_from(tables.message).where(_m.parent_id.is_(None)))
    grown = await _number(
        queries, select(func.coalesce(func.sum(_m.fanout - 1), 0)).where(_m.state == MessageState.TRANSFORMED)
    )
    for channel, state, number in await _counts(queries, _m):
        count.messages(channel, state, number)
    for channel, state, number in await _counts(queries, _d):
        count.deliveries(channel, state, number)
    pruned = 0
    for row in await queries.all(_PRUNED):
        (count.messages if row.kind == "message" else count.deliveries)(row.channel, row.state, int(row.number))
        roots, grown, pruned = roots + int(row.roots), grown + int(row.grown), pruned + int(row.number)
    problems = [*count.problems, *await _family_problems(queries), *await _delivery_problems(queries)]
    return Books(roots, grown, {word: count.copies[word] for word in WORDS}, count.channels, problems, pruned)


class _Count:
    """Adds copies up by word, and by channel and word."""

    def __init__(self) -> None:
        self.copies: Counter[str] = Counter()
        self.channels: dict[str, Counter[str]] = {}
        self.problems: list[str] = []

    def messages(self, channel: str, state: str, number: int) -> None:
        row = self.channels.setdefault(channel, Counter())
        row["received"] += number
        if state == MessageState.TRANSFORMED:
            row["transformed"] += number
        else:
            self._add(channel, _MESSAGE_WORD, state, number, "messages")

    def deliveries(self, channel: str, state: str, number: int) -> None:
        self._add(channel, _DELIVERY_WORD, state, number, "deliveries")

    def _add(self, channel: str, words: Mapping[str, str], state: str, number: int, what: str) -> None:
        if (word := words.get(state)) is None:
            self.problems.append(f"{number} {what} of {channel} are in a state there is not: {state}")
            return
        self.copies[word] += number
        self.channels.setdefault(channel, Counter())[word] += number


async def _counts(queries: Queries, columns: Any) -> Sequence[Any]:
    statement = select(columns.channel, columns.state, func.count()).group_by(columns.channel, columns.state)
    return await queries.all(statement)


async def _number(queries: Queries, statement: object) -> int:
    rows = await queries.all(statement)
    return int(rows[0][0])


async def _family_problems(queries: Queries) -> list[str]:
    """Each transformed message must have just the children and deliveries that its outcome made."""
    # Counted once for all and then joined: with partitions, looking for each message's own would take hours.
    child = tables.message.alias("child").c
    children = _by(child.parent_id, child.parent_id.is_not(None))
    deliveries = _by(_d.message_id, true())
    there = func.coalesce(children.c.number, 0) + func.coalesce(deliveries.c.number, 0)
    rows = await queries.all(
        select(_m.id, _m.fanout, there)
        .outerjoin(children, children.c.id == _m.id)
        .outerjoin(deliveries, deliveries.c.id == _m.id)
        .where(_m.state == MessageState.TRANSFORMED, or_(_m.fanout < 1, _m.fanout != there))
    )
    found = [f"message {row[0]} became {row[1]} copies, {row[2]} are there" for row in rows]
    parent = tables.message.alias("parent")
    orphans = await queries.all(
        select(_m.id)
        .outerjoin(parent, parent.c.id == _m.parent_id)
        .where(_m.parent_id.is_not(None), or_(parent.c.id.is_(None), parent.c.state != MessageState.TRANSFORMED))
    )
    return found + [f"message {row[0]} has no parent that made it" for row in orphans]


def _by(id_: ColumnElement[str], condition: ColumnElement[bool]) -> Subquery:
    """How many rows each id has."""
    return select(id_.label("id"), func.count().label("number")).where(condition).group_by(id_).subquery()


async def _delivery_problems(queries: Queries) -> list[str]:
    rows = await queries.all(select(_d.id).where(_d.state == DeliveryState.SENT, _d.answer_code.is_(None)))
    return [f"delivery {row[0]} is sent, but nobody answered" for row in rows]


async def finished(queries: Queries, origin_id: str) -> bool:
    """Is everything that came from this message at its end? Silence is never success (law 7)."""
    waiting = await queries.all(
        select(_m.id).where(_m.origin_id == origin_id, _m.state.in_(MESSAGES_IN_FLIGHT)).limit(1)
    )
    sending = await queries.all(
        select(_d.id).where(_d.origin_id == origin_id, _d.state.in_(DELIVERIES_IN_FLIGHT)).limit(1)
    )
    known = await queries.row("message", origin_id)
    return known is not None and not waiting and not sending
