"""Prune: what has been kept for its time goes. Always a plan first; the plan says what goes, what stays, and why.

Everything is done in small pieces beside engines that work: each is one short transaction of the journal's writer,
and a rest as long as itself lets others write.
"""

import getpass
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from engine.contracts.journal import Dropped, Journal, Stretch
from engine.journal import outlook, prune
from engine.journal.outlook import Outlook
from engine.model.clock import Clock, to_micros
from engine.model.ids import least_id, new_id
from engine.model.retention import Retention

_BODIES_AT_ONCE: Final = 500
_FAMILIES_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What pruning would do at `at`.

    `bodies` and `rows` count copies whose own time is up. `stretches` are partitions that go at once, but for what
    stays. `unknown`: channels that nobody has said anything about, with their messages; they are left alone.
    """

    at: datetime
    kept: Mapping[str, Retention]
    bodies: Sequence[Outlook]
    rows: Sequence[Outlook]
    stretches: Sequence[Stretch] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)

    @property
    def body_cutoffs(self) -> prune.Cutoffs:
        return {name: _before(self.at, one.bodies_seconds) for name, one in self.kept.items()}

    @property
    def row_cutoffs(self) -> prune.Cutoffs:
        return {name: _before(self.at, one.metadata_seconds) for name, one in self.kept.items()}

    @property
    def empty(self) -> bool:
        return not any(one.what == outlook.GOES for one in [*self.bodies, *self.rows])


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was done. `partitions` were dropped; `moved` rows of them stayed."""

    bodies: int = 0
    messages: int = 0
    deliveries: int = 0
    partitions: int = 0
    moved: int = 0


async def plan_prune(journal: Journal, kept: Mapping[str, Retention], now: datetime) -> PrunePlan:
    """`kept`: how long each channel's copies are kept. Raises Unavailable."""
    frame = PrunePlan(now, kept, (), ())
    return PrunePlan(
        at=now,
        kept=kept,
        bodies=await outlook.bodies(journal.queries, frame.body_cutoffs),
        rows=await outlook.rows(journal.queries, frame.row_cutoffs),
        stretches=await _old_stretches(journal, frame),
        unknown=await outlook.unknown(journal.queries, sorted(kept)),
    )


async def perform_prune(journal: Journal, plan: PrunePlan, clock: Clock) -> Pruned:
    """Carry out a plan, and write down who did it. Raises Unavailable; what is left is done by the next run."""
    bodies = 0
    for kind in prune.COPIES:
        async for emptied in _empty(journal, kind, plan, clock):
            bodies += emptied
    dropped = [await _drop(journal, stretch, plan) for stretch in plan.stretches]
    whole = [one for one in dropped if one is not None]
    rest = [one async for one in _remove(journal, plan, clock)]
    if journal.partitions is not None:
        await journal.partitions.make_ahead(plan.at)
    done = Pruned(
        bodies=bodies,
        messages=sum(one.messages for one in [*whole, *rest]),
        deliveries=sum(one.deliveries for one in [*whole, *rest]),
        partitions=len(whole),
        moved=sum(one.moved for one in whole),
    )
    if done != Pruned():
        await _write_down(journal, done, clock.now())
    return done


async def _old_stretches(journal: Journal, plan: PrunePlan) -> Sequence[Stretch]:
    """Partitions in which the time of every channel's copies is up."""
    if journal.partitions is None or not plan.kept:
        return ()
    oldest_kept = min(plan.row_cutoffs.values())
    return [stretch for stretch in await journal.partitions.stretches() if stretch.end <= oldest_kept]


async def _drop(journal: Journal, stretch: Stretch, plan: PrunePlan) -> Dropped | None:
    assert journal.partitions is not None
    return await journal.partitions.drop(stretch, sorted(plan.kept))


async def _empty(journal: Journal, kind: str, plan: PrunePlan, clock: Clock) -> AsyncIterator[int]:
    after, cutoffs = "", plan.body_cutoffs
    while copies := await _page(journal, prune.bodies_due(kind, cutoffs, after, _BODIES_AT_ONCE)):
        begun, upto = clock.monotonic(), copies[-1][0]
        async with journal.writer.transaction() as tx:
            emptied = await prune.empty_bodies(tx, kind, cutoffs, (after, upto), to_micros(plan.at))
        yield emptied
        await _rest(clock, begun)
        after = upto


async def _remove(journal: Journal, plan: PrunePlan, clock: Clock) -> AsyncIterator[Dropped]:
    after, cutoffs = "", plan.row_cutoffs
    while families := await _page(journal, prune.families_due(cutoffs, after, _FAMILIES_AT_ONCE)):
        begun, upto = clock.monotonic(), families[-1][0]
        async with journal.writer.transaction() as tx:
            dropped = await prune.remove_families(tx, cutoffs, (after, upto), to_micros(plan.at))
        yield dropped
        await _rest(clock, begun)
        after = upto


async def _page(journal: Journal, statement: Any) -> Sequence[Any]:
    return await journal.queries.all(statement)


async def _rest(clock: Clock, begun: float) -> None:
    """As long as the work took: an engine beside us gets its turns."""
    if (taken := clock.monotonic() - begun) > 0:
        await clock.sleep(taken)


async def _write_down(journal: Journal, done: Pruned, now: datetime) -> None:
    touched = orjson.dumps(done).decode()
    await journal.writer.add_operation((new_id(), to_micros(now), getpass.getuser(), "prune", None, touched))


def _before(moment: datetime, seconds: float) -> str:
    """The least id of what is younger; a time longer than that since 1970 keeps everything."""
    return least_id(max(0, to_micros(moment) // 1000 - int(seconds * 1000)))
