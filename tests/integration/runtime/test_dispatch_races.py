"""Dispatch where two things happen at the same moment: tickets too many, a journal that is away, a stop, a probe."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.brokers.naming import dispatch_queue
from engine.contracts.broker import Ticket
from engine.contracts.journal import Journal
from engine.model.errors import Unavailable
from engine.model.message import Message
from engine.model.settings import NoSettings
from engine.plugins.plugin import transformer
from engine.testing.harness import GatedJournal, RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

AWAY = Unavailable("away", code="away")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


class Gated:
    """Keeps hold of the gated journal that an engine is given."""

    journal: GatedJournal

    def __call__(self, inner: Journal) -> Journal:
        self.journal = GatedJournal(inner)
        return self.journal


async def count_of(engine: RunningEngine, state: str) -> int:
    return (await engine.delivery_states()).get(state, 0)


async def test_a_ticket_too_many_whose_delivery_is_finished_meanwhile_sends_nothing_twice(store: Path) -> None:
    """The journal says `in flight`, and before its answer is used the delivery is sent and its lane gone."""
    source, sink, gated = HandSource(), ScriptedDestination(), Gated()
    sink.gate = asyncio.Event()
    channel = a_channel(source_part=source, destinations=[a_destination(sink)])
    async with an_engine([channel], store, wrap=gated) as engine:
        await source.give(b"once", order_key="A")
        await sink.until(lambda d: len(d.calls) == 1)
        gate = gated.journal.gate("pending_deliveries", after=True)
        await engine.tools.broker.publish(dispatch_queue("test", "out"), [Ticket((sink.calls[0].id,))])
        await gate.reached.wait()
        sink.gate.set()
        await engine.until(engine.idle)
        gate.open()
        queue = dispatch_queue("test", "out")

        async def settled() -> bool:
            return await engine.tools.broker.depth(queue) == 0

        await engine.until(settled)
        assert sink.sent == [b"once"]
        assert len(sink.calls) == 1


async def test_a_journal_that_is_away_while_a_lane_is_filled_delays_it_and_loses_nothing(store: Path) -> None:
    source, sink, gated = HandSource(), ScriptedDestination(), Gated()
    sink.gate = asyncio.Event()
    bodies = [b"%d" % number for number in range(450)]  # more than twice what a lane keeps at hand
    failures = [AWAY, AWAY]

    async def away() -> None:
        if failures:
            raise failures.pop()

    channel = a_channel(source_part=source, destinations=[a_destination(sink)])
    async with an_engine([channel], store, wrap=gated) as engine:
        await asyncio.gather(*(source.give(body, order_key="A") for body in bodies))
        await sink.until(lambda d: len(d.calls) == 1)
        await engine.settle_down()
        gated.journal.before["lane"] = away
        sink.gate.set()
        await engine.until(engine.idle, advance_seconds=0.5)
        assert not failures, "it was away"
        assert sink.sent == bodies


@pytest.mark.parametrize("call", ["commit_outcomes", "accept"])
async def test_a_commit_whose_answer_was_lost_gets_its_tickets_before_anything_newer(store: Path, call: str) -> None:
    source, sink, gated = HandSource(), ScriptedDestination(), Gated()
    lost = [AWAY]

    async def answer_is_lost() -> None:
        if lost:
            raise lost.pop()

    channel = a_channel(source_part=source, destinations=[a_destination(sink)])
    async with an_engine([channel], store, wrap=gated) as engine:
        gated.journal.after[call] = answer_is_lost
        await source.give(b"first", order_key="A", source_key="1")
        await engine.until(lambda: not lost, advance_seconds=0.1)
        await engine.advance(1.0)
        await source.give(b"second", order_key="A", source_key="2")
        await engine.until(engine.idle, advance_seconds=0.1)
        assert sink.sent == [b"first", b"second"]
        assert engine.tools.clock.monotonic() < 10.0, "without the sweeper"


async def test_what_waits_behind_the_one_call_of_a_half_open_breaker_goes_when_it_has_succeeded(store: Path) -> None:
    """Broken: let the other keys rest for as long again as the breaker did."""
    source, sink = HandSource(), ScriptedDestination([AWAY] * 3)
    out = a_destination(sink, breaker_failures=3)
    async with an_engine([a_channel(source_part=source, destinations=[out])], store) as engine:
        await asyncio.gather(*(source.give(body) for body in (b"1", b"2", b"3")))

        async def all_failed() -> bool:
            return await count_of(engine, "retry") == 3

        await engine.until(all_failed)
        await engine.settle_down()
        sink.gate = asyncio.Event()
        await engine.advance(31.0)
        await sink.until(lambda d: len(d.calls) == 4)
        await engine.settle_down()
        assert len(sink.calls) == 4, "one call, while nobody knows"
        sink.gate.set()
        await engine.until(lambda: len(sink.sent) == 3)  # without another second going by


async def test_a_channel_stops_at_once_while_a_step_waits_to_be_tried_again(store: Path) -> None:
    def away(_message: Message, _settings: Any) -> Message:
        raise AWAY

    source, sink = HandSource(), ScriptedDestination()
    step = (transformer("away")(away), NoSettings())
    channel = a_channel(source_part=source, steps=[step], destinations=[a_destination(sink)])
    async with an_engine([channel], store) as engine:
        await source.give(b"x")
        await engine.until(lambda: any(name == "process_waits" for _, name, _ in engine.log.events))
        async with asyncio.timeout(10.0):
            await engine.channel().stop(grace_seconds=1000.0)
        assert engine.channel().state == "stopped"
        assert await engine.states() == {"received": 1}
