"""Taking away what nobody needs to keep, a portion at a time, inside transactions of the journal's writer.

A **family** is everything that came from one message (the same `origin_id`). What waits or is in flight keeps its
whole family as it is: it is evidence. Bodies are emptied copy by copy; rows go family by family, so that no copy
loses the message that it was made from, and are counted in `pruned` as they go, so that the books balance.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    false,
    not_,
    or_,
    select,
    text,
    update,
)

from engine.contracts.journal import Dropped
from engine.contracts.plugins import Transaction
from engine.journal import tables
from engine.journal.tables import pruned
from engine.model.states import MessageState

Cutoffs = Mapping[str, str]
"""Channel → the least id of what is kept. A channel that is missing keeps everything."""
Part = tuple[str, str]
"""Ids greater than the first, up to and with the second."""

COPIES: Final[Mapping[str, Table]] = {"message": tables.message, "delivery": tables.delivery}
EVIDENCE: Final = {
    "message": (tables.MESSAGE_IN_FLIGHT, tables.WAITING),
    "delivery": (tables.DELIVERY_IN_FLIGHT, tables.WAITING),
}
"""States in which a copy keeps its family as it is."""
_DAY: Final = 86_400_000_000
_m, _d, _a, _k = tables.message.c, tables.delivery.c, tables.attempt.c, tables.source_key.c
_FORGET_KEY: Final = delete(tables.source_key).where(
    _k.channel == bindparam("at_channel"), _k.key == bindparam("at_key"), _k.message_id == bindparam("of_message")
)


def count_pruned(parameter: str = ":{}") -> str:
    """SQL that adds one row of `tallied` to what is counted already. `parameter`: how this database's driver writes
    one, by name or by number (from 1)."""
    names = [column.name for column in pruned.columns]
    values = ", ".join(parameter.format(name if parameter == ":{}" else n) for n, name in enumerate(names, 1))
    added = ", ".join(f"{name} = pruned.{name} + excluded.{name}" for name in ("count", "roots", "grown"))
    return (
        f"INSERT INTO pruned ({', '.join(names)}) VALUES ({values}) "  # noqa: S608
        f"ON CONFLICT (channel, day, kind, state) DO UPDATE SET {added}, at = excluded.at"
    )


_COUNT_PRUNED: Final = text(count_pruned())


def is_evidence(kind: str) -> ColumnElement[bool]:
    """Is a copy in such a state?"""
    return or_(*(tables.among(COPIES[kind].c.state, words) for words in EVIDENCE[kind]))


def due(table: Table, cutoffs: Cutoffs) -> ColumnElement[bool]:
    """Is a copy's own time up?"""
    channels: dict[str, list[str]] = defaultdict(list)
    for channel, least_kept in cutoffs.items():
        channels[least_kept].append(channel)
    parts = [and_(table.c.channel.in_(names), table.c.id < least_kept) for least_kept, names in channels.items()]
    return or_(false(), *parts)


# --- bodies


def bodies_due(kind: str, cutoffs: Cutoffs, after: str, limit: int) -> Select[Any]:
    """Ids of copies whose body's time is up, in order."""
    table = COPIES[kind]
    return (
        select(table.c.id)
        .where(table.c.id > after, table.c.id < max(cutoffs.values(), default=""))
        .where(table.c.pruned_at.is_(None), due(table, cutoffs))
        .order_by(table.c.id)
        .limit(limit)
    )


async def empty_bodies(tx: Transaction, kind: str, cutoffs: Cutoffs, part: Part, at: int) -> int:
    """Take the bodies whose time is up, of copies with ids in this part, and what peers said, and mark them; how many.

    What is evidence is left as it is.
    """
    table = COPIES[kind]
    has_body = (*_in(table.c.id, part), table.c.pruned_at.is_(None), due(table, cutoffs))
    origins = {row[0] for row in await tx.execute(select(table.c.origin_id).where(*has_body).distinct())}
    evidence = await _with_evidence(tx, origins)
    emptied = {"body": b"", "detail": None, "pruned_at": at}
    if kind == "delivery":
        emptied["answer_detail"] = None
    rows = await tx.execute(
        update(table)
        .where(*has_body)
        .where(not_(is_evidence(kind)), table.c.origin_id.not_in(evidence))
        .values(emptied)
        .returning(table.c.id)
    )
    if kind == "delivery":
        through = exists().where(*_in(_d.id, part), _d.id == _a.delivery_id, _d.pruned_at.is_not(None))
        said = update(tables.attempt).where(*_in(_a.delivery_id, part), _a.detail.is_not(None), through)
        await tx.execute(said.values(detail=None))
    return len(rows)


async def _with_evidence(tx: Transaction, origins: Collection[str]) -> set[str]:
    """Those of these families of which something waits or is in flight: there are few such, so all that lie between
    the first and the last are asked for."""
    found: set[str] = set()
    least, greatest = min(origins, default=""), max(origins, default="")
    for kind, table in COPIES.items():
        between = table.c.origin_id >= least, table.c.origin_id <= greatest, table.c.id >= least
        for words in EVIDENCE[kind]:
            waits = select(table.c.origin_id).where(tables.among(table.c.state, words), *between).distinct()
            found |= {row[0] for row in await tx.execute(waits)}
    return found.intersection(origins)


def _in(column: ColumnElement[str], part: Part) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column > part[0], column <= part[1]


def _between(column: ColumnElement[str], ids: Sequence[str]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """So that a database with partitions looks only where the ids can be."""
    return column >= min(ids), column <= max(ids)


# --- rows


def families_due(cutoffs: Cutoffs, after: str, limit: int) -> Select[Any]:
    """Messages that came in and whose own time is up, in order: their families may go."""
    return (
        select(_m.id)
        .where(_m.id > after, _m.id < max(cutoffs.values(), default=""), _m.origin_id == _m.id)
        .where(due(tables.message, cutoffs))
        .order_by(_m.id)
        .limit(limit)
    )


async def remove_families(tx: Transaction, cutoffs: Cutoffs, part: Part, at: int) -> Dropped:
    """Remove the families whose origins are in this part, with their source keys, and count them.

    A family stays whole if one of it waits or is in flight, has a body, or has time left.
    """
    came_in = (*_in(_m.id, part), _m.origin_id == _m.id, due(tables.message, cutoffs))
    origins = {row[0] for row in await tx.execute(select(_m.id).where(*came_in))}
    staying = await _with_evidence(tx, origins)
    for table in COPIES.values():
        stays = or_(table.c.pruned_at.is_(None), not_(due(table, cutoffs)))
        found = select(table.c.origin_id).where(*_of(table, part, origins), stays).distinct()
        staying |= {row[0] for row in await tx.execute(found)}
    going = origins - staying
    if not going:
        return Dropped(0, 0)
    deliveries = await _delete(tx, "delivery", part, going, cutoffs, (_d.id, _d.channel, _d.made_at, _d.state))
    ids = [row[0] for row in deliveries]
    if ids:
        await tx.execute(delete(tables.attempt).where(_a.delivery_id.in_(ids), *_between(_a.delivery_id, ids)))
    columns = (_m.id, _m.channel, _m.received_at, _m.state, _m.parent_id, _m.fanout, _m.source_key)
    messages = await _delete(tx, "message", part, going, cutoffs, columns)
    keys = [{"at_channel": row[1], "at_key": row[6], "of_message": row[0]} for row in messages if row[6] is not None]
    if keys:
        await tx.execute(_FORGET_KEY, keys)
    counted = [(row[1], row[2] // _DAY, "delivery", row[3], 1, 0, 0) for row in deliveries]
    counted += [_counted_message(row) for row in messages]
    await tx.execute(_COUNT_PRUNED, tallied(counted, at))
    return Dropped(len(messages), len(deliveries))


async def _delete(
    tx: Transaction,
    kind: str,
    part: Part,
    going: Collection[str],
    cutoffs: Cutoffs,
    columns: Sequence[ColumnElement[Any]],
) -> Sequence[Any]:
    """What is really gone, whoever else is at it; a copy made just now by a replay has its time before it."""
    table = COPIES[kind]
    rows = (*_of(table, part, going), due(table, cutoffs))
    return await tx.execute(delete(table).where(*rows).returning(*columns))


def _of(table: Table, part: Part, origins: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """Of these families, whose origins are in this part: nothing of them is older."""
    return *_in(table.c.origin_id, part), table.c.id > part[0], table.c.origin_id.in_(sorted(origins))


def _counted_message(row: Any) -> tuple[Any, ...]:
    grown = row[5] - 1 if row[3] == MessageState.TRANSFORMED and row[5] is not None else 0
    return row[1], row[2] // _DAY, "message", row[3], 1, int(row[4] is None), grown


def tallied(rows: Iterable[Sequence[Any]], at: int) -> list[dict[str, Any]]:
    """Rows of `pruned` from (channel, day, kind, state, count, roots, grown), each key once, in order."""
    sums: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for channel, day, kind, state, *numbers in rows:
        sums[channel, day, kind, state].update(dict(zip(("count", "roots", "grown"), numbers, strict=True)))
    keys = ("channel", "day", "kind", "state")
    return [
        {
            **dict(zip(keys, key, strict=True)),
            **{name: sums[key][name] for name in ("count", "roots", "grown")},
            "at": at,
        }
        for key in sorted(sums)
    ]
