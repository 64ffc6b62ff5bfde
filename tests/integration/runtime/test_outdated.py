"""What has been replaced at its destination already is not sent after it: versions never go the wrong way round."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.config.plan import ChannelPlan
from engine.model.delivery import Delivery
from engine.model.errors import EngineError, Refused, Unavailable
from engine.model.lane import Lane
from engine.model.message import REPLACES_EARLIER
from engine.model.outcome import Answer
from engine.model.states import DeliveryState
from engine.runtime.dispatch import Dispatch
from engine.testing.harness import GatedJournal, RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

VERSIONS = {REPLACES_EARLIER: "yes"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


async def answers(engine: RunningEngine) -> Mapping[bytes, str | None]:
    return {row["body"]: row["answer_code"] for row in await engine.deliveries()}


def on_the_road(engine: RunningEngine) -> int:
    """Deliveries that wait to be sent, or are being sent."""
    at_work = engine.channel("chart")._at_work["dispatch/chart/out/1-of-1"]
    assert isinstance(at_work, Dispatch)
    return len(at_work._road)


class House:
    """Two doors that feed one channel with a destination, as history and readings feed `reconcile` and a chart."""

    def __init__(self, out: Any, **destination: Any) -> None:
        self.history, self.readings = HandSource(), HandSource()
        self.plans: list[ChannelPlan] = [
            a_channel("history-in", source_part=self.history, feeds=["chart"], lane=Lane.BATCH),
            a_channel("readings-in", source_part=self.readings, feeds=["chart"]),
            a_channel("chart", destinations=[a_destination(out, **destination)]),
        ]


async def test_a_correction_that_waits_in_the_batch_lane_is_not_sent_after_a_later_one(store: Path) -> None:
    out = ScriptedDestination()
    out.gate = asyncio.Event()
    house = House(out, at_once=1)
    async with an_engine(house.plans, store) as engine:
        await house.history.give(b"other reading", order_key="R0", meta=VERSIONS)
        await out.until(lambda out: len(out.calls) == 1)
        await house.history.give(b"first correction", order_key="R1", meta=VERSIONS)
        await house.readings.give(b"second correction", order_key="R1", meta=VERSIONS)
        await engine.until(lambda: on_the_road(engine) == 3)
        out.gate.set()
        await engine.until(engine.idle)
        assert out.sent == [b"other reading", b"second correction"]
        assert (await answers(engine))[b"first correction"] == "outdated"
        assert (await engine.books()).problems == []


async def test_nor_when_it_was_still_to_be_processed(store: Path) -> None:
    """The later one has a delivery before the earlier one has: the order of their messages decides."""
    out = ScriptedDestination()
    house = House(out)
    held_up, go_on = asyncio.Event(), asyncio.Event()

    async def before() -> None:
        task = asyncio.current_task()
        if task is not None and task.get_name() == "islet.chart.batch":
            held_up.set()
            await go_on.wait()

    def around(journal: Any) -> GatedJournal:
        gated = GatedJournal(journal)
        gated.before["portions"] = before
        return gated

    async with an_engine(house.plans, store, wrap=around) as engine:
        await house.history.give(b"first correction", order_key="R1", meta=VERSIONS)
        await held_up.wait()
        await house.readings.give(b"second correction", order_key="R1", meta=VERSIONS)
        await out.until(lambda out: out.sent == [b"second correction"])
        go_on.set()
        await engine.until(engine.idle)
        assert out.sent == [b"second correction"]
        assert (await answers(engine))[b"first correction"] == "outdated"


async def test_what_was_held_and_is_released_after_a_later_version_was_sent_stays_away(store: Path) -> None:
    source, out = HandSource(), ScriptedDestination([Refused("no", code="no")])
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(out)])], store) as engine:
        await source.give(b"first", order_key="R1", meta=VERSIONS)
        await engine.until(engine.idle)
        await source.give(b"second", order_key="R1", meta=VERSIONS)
        await engine.until(engine.idle)
        (held,) = [row["id"] for row in await engine.deliveries() if row["state"] == DeliveryState.HELD]
        await engine.tools.journal.writer.release([], [held])
        await engine.tools.outbox.hand_on({"islet.test.to.out": [held]})
        await engine.until(engine.idle)
        assert out.sent == [b"second"]
        assert (await answers(engine))[b"first"] == "outdated"


async def test_in_the_order_in_which_they_came_every_version_is_sent(store: Path) -> None:
    source, out = HandSource(), ScriptedDestination([Unavailable("away", code="away")])
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(out)])], store) as engine:
        for body in (b"first", b"second", b"third"):
            await source.give(body, order_key="R1", meta=VERSIONS)
        await engine.until(engine.idle, advance_seconds=1.0)
        assert out.sent == [b"first", b"second", b"third"]


async def test_what_does_not_replace_anything_is_always_sent(store: Path) -> None:
    """A patient's readings in HL7 v2 have one order key, and none stands for another."""
    out = ScriptedDestination()
    out.gate = asyncio.Event()
    house = House(out, at_once=1)
    async with an_engine(house.plans, store) as engine:
        await house.history.give(b"begun", order_key="P0")
        await out.until(lambda out: len(out.calls) == 1)
        await house.history.give(b"yesterday", order_key="P1")
        await house.readings.give(b"now", order_key="P1")
        await engine.until(lambda: on_the_road(engine) == 3)
        out.gate.set()
        await engine.until(engine.idle)
        assert out.sent == [b"begun", b"now", b"yesterday"]


class Several:
    """Takes up to ten at once."""

    batch_size = 10

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.gate = asyncio.Event()

    async def open(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to let go."""

    async def send_many(self, deliveries: list[Delivery]) -> list[Answer | EngineError]:
        self.batches.append([delivery.body for delivery in deliveries])
        await self.gate.wait()
        return [Answer(delivery.body.decode()) for delivery in deliveries]


async def test_in_a_batch_the_others_go_and_each_keeps_its_own_answer(store: Path) -> None:
    out = Several()
    house = House(out, at_once=1)
    async with an_engine(house.plans, store) as engine:
        await house.history.give(b"begun", order_key="R0", meta=VERSIONS)
        await engine.until(lambda: out.batches == [[b"begun"]])
        for number in range(4):
            await house.history.give(b"old-%d" % number, order_key=f"R{number}", meta=VERSIONS)
        await house.readings.give(b"new-1", order_key="R1", meta=VERSIONS)
        await house.readings.give(b"new-2", order_key="R2", meta=VERSIONS)
        await engine.until(lambda: on_the_road(engine) == 7)
        out.gate.set()
        await engine.until(engine.idle)
        assert sorted(body for batch in out.batches for body in batch) == [
            *(b"begun", b"new-1", b"new-2", b"old-0", b"old-3")
        ]
        told = await answers(engine)
        assert {body: code for body, code in told.items() if code != body.decode()} == {
            b"old-1": "outdated",
            b"old-2": "outdated",
        }
