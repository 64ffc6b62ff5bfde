"""One case, run: the real process and dispatch over a journal of its own. What came of it, as values."""

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson

from engine.config.plan import ChannelPlan
from engine.model.clock import to_micros
from engine.model.delivery import Delivery
from engine.model.message import Message, Shape
from engine.model.states import DELIVERIES_IN_FLIGHT, MESSAGES_IN_FLIGHT, DeliveryState
from engine.plugins.registry import Registry
from engine.runtime.channel import ChannelState
from engine.testing.channel_tests.files import Case
from engine.testing.channel_tests.parts import Scripted, under_test
from engine.testing.channel_tests.vocabulary import Vocabulary
from engine.testing.channel_tests.written import WrittenFile
from engine.testing.fakes import ManualClock, plugin_context
from engine.testing.harness import RunningEngine, an_engine

Row = Mapping[str, Any]
Look = Callable[[str], Sequence[str]]
"""The values at a path of one body."""

_QUIET_LOOKS: Final = 4
_LONGEST_JUMP: Final = 900.0
_JUMPS: Final = 300


class Stuck(Exception):
    """A message does not come to an end."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What came of a case. `messages` are the channel's own, `fed` the bodies that others got from it; `calls` the
    deliveries of each call to a destination, `files` what it wrote (only those that write)."""

    acks: Sequence[str]
    messages: Sequence[Row] = field(repr=False)
    deliveries: Sequence[Row] = field(repr=False)
    fed: Mapping[str, int]
    readings: Sequence[Mapping[str, str]] = field(repr=False)
    sent: Sequence[Look]
    calls: Mapping[str, Sequence[Sequence[Delivery]]]
    files: Mapping[str, Sequence[WrittenFile]]
    kept: Sequence[Mapping[str, str]] = field(repr=False)
    trouble: Sequence[str]
    look: Callable[[Shape, bytes], Look]


@dataclass(frozen=True, slots=True)
class Stage:
    """What every case is run with. `store`: an empty journal, which each case gets a copy of."""

    plans: Mapping[str, ChannelPlan]
    registry: Registry
    vocabulary: Vocabulary
    store: Path

    def looker(self, shape: Shape, body: bytes) -> Look:
        """How to look into one body."""
        plugin = self.registry.fields_of(shape)

        def look(path: str) -> Sequence[str]:
            if plugin is None:
                return []
            reader = plugin.implementation()
            id_ = "looked-at"
            message = Message(
                id=id_, origin_id=id_, channel="", shape=shape, body=body, received_at=ManualClock().now()
            )
            values: Sequence[str] = reader.values(message, path) if reader.check(path) is None else []
            return values

        return look


async def run_case(case: Case, stage: Stage, folder: Path) -> Facts:
    """Hand everything in at once but for what comes `after` some time, wait until all of it is at an end, and look at
    the journal. Raises Stuck."""
    clock = ManualClock(case.at)
    context = plugin_context(clock, channel=case.channel)
    plan, door, ends = under_test(stage.plans[case.channel], context, case.answers, folder / "written")
    store = folder / "journal.db"
    shutil.copyfile(stage.store, store)
    async with an_engine([plan], store, clock=clock, grace_seconds=0) as engine:
        if case.patients:
            async with engine.tools.journal.writer.transaction() as tx:
                await stage.vocabulary.link(tx, plan.tenant, case.patients, to_micros(clock.now()))
        if case.ledger is not None:
            async with engine.tools.journal.writer.transaction() as tx:
                await stage.vocabulary.enter(tx, plan.tenant, case.ledger, clock.now())
        acks = []
        for one in case.hand_in:
            if one.after_seconds:
                await _quiet(engine, ends)
                await engine.advance(one.after_seconds)
            acks.append(await door.hand_in(one.body, one.meta))
        await _at_an_end(engine, plan.name, ends)
        return await _facts(engine, plan, stage, acks, ends)


async def _at_an_end(engine: RunningEngine, channel: str, ends: Mapping[str, Scripted]) -> None:
    """Until nothing of the channel is in flight, or it waits for a person. Time passes only where nothing else
    happens: then something waits for its next attempt."""
    jump, before = 1.0, 0
    for _ in range(_JUMPS):
        calls = await _quiet(engine, ends)
        if not await _in_flight(engine, channel) or engine.channel(channel).state is ChannelState.STOPPED:
            return
        jump = 1.0 if calls != before else min(2 * jump, _LONGEST_JUMP)
        before = calls
        await engine.advance(jump)
    raise Stuck("a message does not come to an end: it is still in flight after many attempts")


async def _quiet(engine: RunningEngine, ends: Mapping[str, Scripted]) -> int:
    """Until nothing happens without time passing; the number of calls to destinations so far."""
    before: object = None
    looks = 0
    while looks < _QUIET_LOOKS:
        await engine.settle_down()
        await asyncio.gather(*(end.writes.rest() for end in ends.values() if end.writes))
        calls = sum(len(end.calls) for end in ends.values())
        now = calls, await engine.states(), await engine.delivery_states()
        looks = looks + 1 if now == before else 0
        before = now
    return calls


async def _in_flight(engine: RunningEngine, channel: str) -> bool:
    messages, deliveries = await engine.states(channel), await engine.delivery_states(channel)
    return any(messages.get(state) for state in MESSAGES_IN_FLIGHT) or any(
        deliveries.get(state) for state in DELIVERIES_IN_FLIGHT
    )


async def _facts(
    engine: RunningEngine, plan: ChannelPlan, stage: Stage, acks: Sequence[str], ends: Mapping[str, Scripted]
) -> Facts:
    rows, deliveries = await engine.messages(), await engine.deliveries()
    fed = {name: [row for row in rows if row["channel"] == name] for name in plan.feeds}
    first = fed[plan.feeds[0]] if plan.feeds else []
    records = [row for row in first if row["shape"] == Shape.RECORDS]
    return Facts(
        acks=acks,
        messages=[row for row in rows if row["channel"] == plan.name],
        deliveries=deliveries,
        fed={name: len(some) for name, some in fed.items()},
        readings=list(chain.from_iterable(stage.vocabulary.read(row["body"]) for row in records)),
        sent=[
            stage.looker(Shape(row["shape"]), row["body"]) for row in deliveries if row["state"] == DeliveryState.SENT
        ],
        calls={name: end.calls for name, end in ends.items()},
        files={name: end.writes.files() for name, end in ends.items() if end.writes},
        kept=await stage.vocabulary.kept(engine.tools.journal.queries),
        trouble=[f"when.{name}.{trouble}" for name, end in ends.items() for trouble in end.troubles],
        look=stage.looker,
    )


def tally(row: Row) -> Mapping[str, int]:
    """What the steps counted in one message."""
    counted: Mapping[str, int] = orjson.loads(row["tally"]) if row["tally"] else {}
    return counted
