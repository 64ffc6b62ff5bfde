"""All shipped channels at work at once, with hand-fed doors and destinations that take everything."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.cli.readings import GlucoseWords
from engine.config.loader import load
from engine.config.plan import Configuration
from engine.plugins.registry import Registry, discover
from engine.shipped import shipped
from engine.testing.channel_tests.keys import PatientLink
from engine.testing.channel_tests.parts import Door, Scripted, under_test
from engine.testing.fakes import ManualClock, plugin_context
from engine.testing.harness import RunningEngine, an_engine

ROOT = shipped("routes.yaml").parent


def configuration(registry: Registry | None = None) -> Configuration:
    loaded = load(ROOT, registry or discover(), os.environ)
    assert loaded.configuration is not None, [str(problem) for problem in loaded.problems]
    return loaded.configuration


@dataclass
class House:
    """The engine with its doors by channel and its destinations by name."""

    engine: RunningEngine
    doors: Mapping[str, Door]
    ends: Mapping[str, Scripted]

    async def hand_in(self, channel: str, body: bytes, **meta: str) -> str:
        """What the sender is told, once everything that came of it is at its end."""
        told = await self.doors[channel].hand_in(body, meta)
        await self.engine.until(self.engine.idle)
        return told

    def delivered(self, destination: str) -> int:
        return sum(len(call) for call in self.ends[destination].calls)


@asynccontextmanager
async def a_house(folder: Path, *patients: str) -> AsyncIterator[House]:
    """`patients`: numbers of St Mary's whose owners are known."""
    clock = ManualClock()
    plans = []
    doors: dict[str, Door] = {}
    ends: dict[str, Scripted] = {}
    for name, plan in configuration().channels.items():
        changed, doors[name], scripted = under_test(plan, plugin_context(clock, channel=name), {}, folder / name)
        plans.append(changed)
        ends.update(scripted)
    async with an_engine(plans, folder / "journal.db", clock=clock) as engine:
        async with engine.tools.journal.writer.transaction() as tx:
            links = [PatientLink(system="STM", value=number, id=f"p-{number}") for number in patients]
            await GlucoseWords().link(tx, "default", links, 0)
        yield House(engine, doors, ends)
