"""A channel that waits: one patient's messages are processed in the order of their time, and none is lost."""

from datetime import timedelta
from pathlib import Path

import pytest

from engine.config.plan import ChannelPlan
from engine.model.message import ORDER_AT, Message
from engine.model.settings import NoSettings
from engine.plugins.plugin import transformer
from engine.testing.builders import STANDS_AT
from engine.testing.fakes import ManualClock
from engine.testing.harness import RunningEngine, an_engine
from engine.testing.parts import HandSource, a_channel

WAIT = 30.0


class Seen:
    """Remembers what reached the step, in order."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def channel(self, source: HandSource) -> ChannelPlan:
        def look(message: Message, _settings: NoSettings) -> Message:
            self.bodies.append(message.body.decode())
            return message

        steps = [(transformer("look")(look), NoSettings())]
        return a_channel(source_part=source, steps=steps, order_wait_seconds=WAIT)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


async def give(source: HandSource, name: str, order_at: int, patient: str = "p1") -> None:
    await source.give(name.encode(), order_key=patient, meta={ORDER_AT: f"{order_at:05d}"})


async def waiting(engine: RunningEngine, count: int) -> bool:
    """So many messages are in flight, and the engine sleeps until the first of them is due."""
    return (await engine.states()).get("received", 0) == count and getattr(engine.clock, "sleeping", 0) > 0


async def test_messages_leave_in_the_order_of_their_time_within_the_wait(store: Path) -> None:
    source, seen = HandSource(), Seen()
    async with an_engine([seen.channel(source)], store) as engine:
        await give(source, "10:10", 1010)
        await give(source, "other patient", 1200, "p2")
        await engine.advance(20)
        await give(source, "10:05", 1005)
        await give(source, "10:15", 1015)
        await engine.settle_down()
        assert seen.bodies == []
        await engine.advance(10)
        await engine.until(lambda: len(seen.bodies) == 3)
        assert seen.bodies == ["10:05", "10:10", "other patient"]
        await engine.until(engine.idle, advance_seconds=5)
        assert seen.bodies[3:] == ["10:15"]


async def test_what_has_no_time_to_order_it_by_is_worked_on_at_once(store: Path) -> None:
    source, seen = HandSource(), Seen()
    async with an_engine([seen.channel(source)], store) as engine:
        await source.give(b"x", order_key="p1")
        await engine.until(engine.idle)
        assert seen.bodies == ["x"]


async def test_what_waits_when_the_engine_stops_is_there_when_it_starts_again(store: Path) -> None:
    source, seen = HandSource(), Seen()
    async with an_engine([seen.channel(source)], store) as engine:
        await give(source, "10:10", 1010)
        await give(source, "10:05", 1005)
        await engine.until(lambda: waiting(engine, 2))
    assert seen.bodies == []
    late = ManualClock(STANDS_AT + timedelta(hours=1))
    async with an_engine([seen.channel(HandSource())], store, clock=late) as engine:
        await engine.until(engine.idle, advance_seconds=5)
    assert seen.bodies == ["10:05", "10:10"]
