"""Destinations that take several deliveries in a call: each has its own outcome, the call is one word on the peer."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from engine.model.delivery import Delivery
from engine.model.errors import EngineError, Refused, Unavailable
from engine.model.outcome import Answer
from engine.testing.harness import an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination


class Batching(ScriptedDestination):
    """Takes ten at a time; the first calls raise what `away` holds, bodies in `refused` are refused by themselves."""

    batch_size = 10

    def __init__(self, away: Sequence[EngineError] = (), refused: Sequence[bytes] = ()) -> None:
        super().__init__()
        self.away = list(away)
        self.refused = refused
        self.batches: list[list[bytes]] = []

    async def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Answer | EngineError]:
        if self.gate is not None:
            await self.gate.wait()
        self.batches.append([delivery.body for delivery in deliveries])
        if self.away:
            raise self.away.pop(0)
        return [
            Refused("not wanted", code="refused") if delivery.body in self.refused else Answer("201")
            for delivery in deliveries
        ]


BODIES = [f"m{number}".encode() for number in range(10)]


async def test_each_entry_of_a_batch_has_its_own_outcome(tmp_path: Path) -> None:
    source, sink = HandSource(), Batching(refused=[b"m3"])
    channel = a_channel(source_part=source, destinations=[a_destination(sink, at_once=1)])
    async with an_engine([channel], tmp_path / "islet.db") as engine:
        await asyncio.gather(*(source.give(body) for body in BODIES))
        await engine.until(engine.idle)
        assert await engine.delivery_states() == {"sent": 9, "held": 1}
        held = [row["body"] for row in await engine.deliveries() if row["state"] == "held"]
        assert held == [b"m3"]


async def test_a_batch_that_fails_whole_is_one_failure_for_the_breaker(tmp_path: Path) -> None:
    """One failed call of ten must not open a breaker that takes two: the retry then comes after its own wait."""
    source, sink = HandSource(), Batching(away=[Unavailable("away", code="away")])
    sink.gate = asyncio.Event()
    destination = a_destination(sink, at_once=1, breaker_failures=2)
    channel = a_channel(source_part=source, destinations=[destination])
    async with an_engine([channel], tmp_path / "islet.db") as engine:
        await asyncio.gather(*(source.give(body) for body in BODIES))
        sink.gate.set()
        await engine.until(engine.idle, advance_seconds=1.0)
        assert await engine.delivery_states() == {"sent": 10}
        waited = engine.clock.monotonic()
        assert waited < destination.breaker_rest_seconds, "the breaker stayed closed"
        assert sum(len(batch) for batch in sink.batches) == 10 + len(sink.batches[0])


async def test_two_deliveries_of_one_key_never_share_a_batch(tmp_path: Path) -> None:
    source, sink = HandSource(), Batching()
    channel = a_channel(source_part=source, destinations=[a_destination(sink, at_once=1)])
    async with an_engine([channel], tmp_path / "islet.db") as engine:
        await asyncio.gather(*(source.give(body, order_key="one patient") for body in BODIES))
        await engine.until(engine.idle)
        assert sink.batches == [[body] for body in BODIES]
