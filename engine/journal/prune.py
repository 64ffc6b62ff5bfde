"""Taking away what nobody needs to keep, a portion at a time, inside transactions of the journal's writer.

A **family** is everything that came from one message (the same `origin_id`). What waits or is in flight keeps its
whole family as it is: it is evidence. Bodies are emptied copy by copy; rows go family by family, so that no copy
loses the message that it was made from, and are counted in `pruned` as they go, so that the books balance.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, delete, false, not_, or_, select, text, update

from engine.contracts.journal import Dropped
from engine.contracts.plugins import Transaction
from engine.journal import tables
from engine.journal.tables import pruned
from engine.model.states import MessageState

Cutoffs = Mapping[str, str]
"""Channel → the least id of what is kept. A channel that is missing keeps everything."""

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
    """Ids and origins of copies whose body's time is up, in order."""
    table = COPIES[kind]
    return (
        select(table.c.id, table.c.origin_id)
        .where(table.c.id > after, table.c.id < max(cutoffs.values(), default=""))
        .where(table.c.pruned_at.is_(None), due(table, cutoffs))
        .order_by(table.c.id)
        .limit(limit)
    )


async def empty_bodies(tx: Transaction, kind: str, copies: Sequence[tuple[str, str]], at: int) -> int:
    """Take the bodies of these copies (id, origin), and what peers said, and mark them; how many.

    What is evidence is left as it is.
    """
    evidence = await _with_evidence(tx, [origin for _, origin in copies])
    ids = [id_ for id_, origin in copies if origin not in evidence]
    if not ids:
        return 0
    table = COPIES[kind]
    emptied = {"body": b"", "detail": None, "pruned_at": at}
    if kind == "delivery":
        emptied["answer_detail"] = None
        attempts = (_a.delivery_id.in_(ids), *_between(_a.delivery_id, ids))
        await tx.execute(update(tables.attempt).where(*attempts).values(detail=None))
    settled = not_(is_evidence(kind))
    rows = await tx.execute(
        update(table)
        .where(table.c.id.in_(ids), *_between(table.c.id, ids), settled)
        .values(emptied)
        .returning(table.c.id)
    )
    return len(rows)


async def _with_evidence(tx: Transaction, origins: Iterable[str]) -> set[str]:
    """Those of these families of which something waits or is in flight."""
    asked = sorted(set(origins))
    found: set[str] = set()
    for kind, table in COPIES.items():
        of_these = table.c.origin_id.in_(asked), table.c.id >= min(asked, default="")
        rows = await tx.execute(select(table.c.origin_id).where(*of_these, is_evidence(kind)).distinct())
        found |= {row[0] for row in rows}
    return found


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


async def remove_families(tx: Transaction, origins: Sequence[str], cutoffs: Cutoffs, at: int) -> Dropped:
    """Remove these families with their source keys, and count them.

    A family stays whole if one of it waits or is in flight, has a body, or has time left.
    """
    staying = await _with_evidence(tx, origins)
    for table in COPIES.values():
        of_these = table.c.origin_id.in_(origins), table.c.id >= min(origins, default="")
        stays = or_(table.c.pruned_at.is_(None), not_(due(table, cutoffs)))
        staying |= {row[0] for row in await tx.execute(select(table.c.origin_id).where(*of_these, stays).distinct())}
    going = [origin for origin in origins if origin not in staying]
    if not going:
        return Dropped(0, 0)
    deliveries = await _delete(tx, "delivery", going, cutoffs, (_d.id, _d.channel, _d.made_at, _d.state))
    ids = [row[0] for row in deliveries]
    if ids:
        await tx.execute(delete(tables.attempt).where(_a.delivery_id.in_(ids), *_between(_a.delivery_id, ids)))
    columns = (_m.id, _m.channel, _m.received_at, _m.state, _m.parent_id, _m.fanout, _m.source_key)
    messages = await _delete(tx, "message", going, cutoffs, columns)
    keys = [{"at_channel": row[1], "at_key": row[6], "of_message": row[0]} for row in messages if row[6] is not None]
    if keys:
        await tx.execute(_FORGET_KEY, keys)
    counted = [(row[1], row[2] // _DAY, "delivery", row[3], 1, 0, 0) for row in deliveries]
    counted += [_counted_message(row) for row in messages]
    await tx.execute(_COUNT_PRUNED, tallied(counted, at))
    return Dropped(len(messages), len(deliveries))


async def _delete(
    tx: Transaction, kind: str, origins: Sequence[str], cutoffs: Cutoffs, columns: Sequence[ColumnElement[Any]]
) -> Sequence[Any]:
    """What is really gone, whoever else is at it; a copy made just now by a replay has its time before it."""
    table = COPIES[kind]
    of_these = table.c.origin_id.in_(origins), table.c.id >= min(origins)
    return await tx.execute(delete(table).where(*of_these, due(table, cutoffs)).returning(*columns))


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
