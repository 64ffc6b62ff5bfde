"""What pruning would do, counted: for the plan that people read before anything goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, CompoundSelect, case, func, not_, select, union

from engine.contracts.journal import Queries
from engine.journal import tables
from engine.journal.prune import COPIES, EVIDENCE, Cutoffs, due

GOES: Final = "goes"
EVIDENCE_OF: Final = "evidence"
FAMILY: Final = "family"


@dataclass(frozen=True, slots=True)
class Outlook:
    """Copies of one kind in one channel whose own time is up, and what becomes of them.

    `what`: GOES; EVIDENCE_OF, something of their family waits or is in flight; FAMILY, something of it has time left.
    `size` is that of their bodies.
    """

    channel: str
    kind: str
    what: str
    count: int
    size: int


async def bodies(queries: Queries, cutoffs: Cutoffs) -> Sequence[Outlook]:
    """Of copies that still have their body."""
    return await _outlook(queries, cutoffs, {EVIDENCE_OF: _evidence(cutoffs)}, with_bodies=True)


async def rows(queries: Queries, cutoffs: Cutoffs) -> Sequence[Outlook]:
    """Of all copies."""
    return await _outlook(queries, cutoffs, {EVIDENCE_OF: _evidence(cutoffs), FAMILY: _with_time_left(cutoffs)})


async def unknown(queries: Queries, channels: Sequence[str]) -> Mapping[str, int]:
    """Messages of channels that are not among these."""
    c = tables.message.c
    counted = select(c.channel, func.count()).where(c.channel.not_in(channels)).group_by(c.channel)
    return {row[0]: row[1] for row in await queries.all(counted)}


async def _outlook(
    queries: Queries, cutoffs: Cutoffs, stays: Mapping[str, CompoundSelect[tuple[str]]], *, with_bodies: bool = False
) -> Sequence[Outlook]:
    found = []
    for kind, table in COPIES.items():
        what: ColumnElement[str] = case(
            *((table.c.origin_id.in_(origins), why) for why, origins in stays.items()), else_=GOES
        )
        body = func.coalesce(func.length(table.c.body), 0)
        copies = select(table.c.channel, what.label("what"), body.label("size")).where(due(table, cutoffs))
        if with_bodies:
            copies = copies.where(table.c.pruned_at.is_(None))
        c = copies.subquery().c
        counted = select(c.channel, c.what, func.count(), func.sum(c.size)).group_by(c.channel, c.what)
        found += [Outlook(row[0], kind, row[1], row[2], int(row[3])) for row in await queries.all(counted)]
    return found


def _evidence(cutoffs: Cutoffs) -> CompoundSelect[tuple[str]]:
    """Origins of old families of which something waits or is in flight."""
    newest = max(cutoffs.values(), default="")
    return union(
        *(
            select(table.c.origin_id).where(tables.among(table.c.state, words), table.c.origin_id < newest)
            for kind, table in COPIES.items()
            for words in EVIDENCE[kind]
        )
    )


def _with_time_left(cutoffs: Cutoffs) -> CompoundSelect[tuple[str]]:
    newest = max(cutoffs.values(), default="")
    return union(
        *(
            select(table.c.origin_id).where(table.c.origin_id < newest, not_(due(table, cutoffs)))
            for table in COPIES.values()
        )
    )
