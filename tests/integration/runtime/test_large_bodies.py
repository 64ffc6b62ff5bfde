"""Memory is finite: large messages are read, worked on and kept waiting by bytes, and none is lost or overtakes."""

import asyncio
from pathlib import Path

import pytest

from engine.model.lane import Lane
from engine.model.message import ORDER_AT
from engine.runtime import dispatch, process
from engine.testing.fakes import ManualClock
from engine.testing.harness import RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

SIZE = 1000
COUNT = 40


@pytest.fixture
def small_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for some of these bodies; the machine's own figures would need gigabytes to be reached."""
    monkeypatch.setattr(process, "_MOST_BYTES", 3 * SIZE)
    monkeypatch.setattr(dispatch, "_READ_BYTES", 2 * SIZE)
    monkeypatch.setattr(dispatch, "_ROAD_BYTES", 5 * SIZE)


@pytest.mark.usefixtures("small_room")
@pytest.mark.parametrize("order_key", [None, "A"])
async def test_large_bodies_wait_in_the_journal_and_not_on_the_road(tmp_path: Path, order_key: str | None) -> None:
    source, sink = HandSource(), ScriptedDestination()
    sink.gate = asyncio.Event()
    bodies = [f"{number:03d}".encode().ljust(SIZE, b".") for number in range(COUNT)]
    plan = a_channel(source_part=source, destinations=[a_destination(sink, at_once=1)])
    async with an_engine([plan], tmp_path / "islet.db") as engine:
        await asyncio.gather(*(source.give(body, order_key=order_key) for body in bodies))
        await sink.until(lambda d: len(d.calls) == 1)
        await engine.until(lambda: _processed(engine))
        (road,) = (work._road for work in engine.channel()._at_work.values() if isinstance(work, dispatch.Dispatch))
        assert road.bytes_of(Lane.LIVE) <= 7 * SIZE, "full, and what was being read when it became so"
        sink.gate.set()
        await engine.until(engine.idle)
        assert sink.sent == bodies


@pytest.mark.usefixtures("small_room")
async def test_large_bodies_that_wait_for_earlier_ones_leave_in_order_and_whole(tmp_path: Path) -> None:
    source, sink = HandSource(), ScriptedDestination()
    bodies = [f"{number:03d}".encode().ljust(SIZE, b".") for number in range(12)]
    plan = a_channel(source_part=source, destinations=[a_destination(sink)], order_wait_seconds=30.0)
    async with an_engine([plan], tmp_path / "islet.db", clock=ManualClock()) as engine:
        for body in reversed(bodies):
            await source.give(body, order_key="A", meta={ORDER_AT: body[:3].decode()})
        await engine.settle_down()
        assert sink.sent == [], "they wait"
        await engine.until(engine.idle, advance_seconds=5.0)
        assert sink.sent == bodies


async def _processed(engine: RunningEngine) -> bool:
    return (await engine.states()).get("received", 0) == 0
