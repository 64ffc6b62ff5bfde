"""Dispatch: retries, order, breaker, patience, restarts, operators. Time is in the test's hands."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.model.delivery import Delivery
from engine.model.errors import (
    EngineError,
    NeedsOperator,
    NeedsReview,
    NotPermitted,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
)
from engine.model.outcome import Answer
from engine.model.retry import RetryPolicy
from engine.testing.fakes import ManualClock
from engine.testing.harness import RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

AWAY = Unavailable("away", code="away")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


class Keyed(ScriptedDestination):
    """Fails deliveries whose body begins with a word, as often as told."""

    def __init__(self, failures: dict[bytes, int], error: EngineError = AWAY) -> None:
        super().__init__()
        self.failures = failures
        self.error = error

    async def send(self, delivery: Delivery) -> Answer:
        if self.failures.get(delivery.body, 0) > 0:
            self.failures[delivery.body] -= 1
            self.calls.append(delivery)
            self.changed.set()
            raise self.error
        return await super().send(delivery)


async def give_all(source: HandSource, bodies: Sequence[bytes], order_key: str | None = None) -> None:
    await asyncio.gather(*(source.give(body, order_key=order_key) for body in bodies))


async def resting(engine: RunningEngine, count: int = 1) -> None:
    """Until so many deliveries wait for their next attempt, in the journal and in their lanes."""

    async def holds() -> bool:
        return (await engine.delivery_states()).get("retry", 0) == count

    await engine.until(holds)
    await engine.settle_down()


async def test_a_failed_delivery_waits_longer_each_time_and_is_then_sent(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination([AWAY, AWAY])
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await source.give(b"x")
        await resting(engine)
        await engine.advance(0.9)
        await engine.settle_down()
        assert len(sink.calls) == 1
        await engine.advance(0.2)
        await sink.until(lambda d: len(d.calls) == 2)
        await engine.settle_down()
        await engine.advance(1.8)
        await engine.settle_down()
        assert len(sink.calls) == 2, "the second wait is two seconds"
        await engine.until(engine.idle, advance_seconds=0.1)
        (row,) = await engine.deliveries()
        assert (row["state"], row["attempts"]) == ("sent", 3)
        assert [call.attempt for call in sink.calls] == [1, 2, 3]
        assert len({call.id for call in sink.calls}) == 1


async def test_a_retry_keeps_the_order_of_its_key_and_harms_no_other(store: Path) -> None:
    """Broken once: putting a lane whose head rests straight back among the ready ones lets a2 overtake a1."""
    source, sink = HandSource(), Keyed({b"a1": 2})
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await give_all(source, [b"a1", b"a2", b"a3"], "A")
        await give_all(source, [b"b1", b"b2"], "B")
        await sink.until(lambda d: len(d.sent) == 2)
        await resting(engine)
        assert sink.sent == [b"b1", b"b2"]
        await engine.until(engine.idle, advance_seconds=0.5)
        assert sink.sent[2:] == [b"a1", b"a2", b"a3"]


async def test_without_order_nothing_waits_for_a_retry(store: Path) -> None:
    source, sink = HandSource(), Keyed({b"a1": 1})
    plan = a_channel(source_part=source, destinations=[a_destination(sink, in_order=False)])
    async with an_engine([plan], store) as engine:
        await give_all(source, [b"a1", b"a2"], "A")
        await sink.until(lambda d: d.sent == [b"a2"])
        await engine.until(engine.idle, advance_seconds=0.5)
        assert sink.sent == [b"a2", b"a1"]


async def test_attempts_used_up_hold_the_delivery_and_its_key_goes_on(store: Path) -> None:
    source, sink = HandSource(), Keyed({b"a1": 99})
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await give_all(source, [b"a1", b"a2"], "A")
        await engine.until(engine.idle, advance_seconds=0.5)
        held, sent = await engine.deliveries()
        assert (held["state"], held["attempts"], held["code"]) == ("held", 3, "away")
        assert len(held["fingerprint"]) == 12
        assert sent["state"] == "sent"


@pytest.mark.parametrize("free", [Unreachable("no route"), Throttled("slow down", after_seconds=1.0)])
async def test_a_destination_that_is_not_there_or_asks_for_patience_uses_up_no_attempts(
    store: Path, free: EngineError
) -> None:
    source, sink = HandSource(), ScriptedDestination([free] * 20)
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await source.give(b"x")
        await engine.until(engine.idle, advance_seconds=50.0)
        (row,) = await engine.deliveries()
        assert (row["state"], row["attempts"]) == ("sent", 1)
        assert len(sink.calls) == 21


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Refused("no", code="no"), "held"),
        (NeedsReview("look", code="look"), "review"),
        (NotPermitted("not now", code="consent"), "deferred"),
    ],
)
async def test_what_can_not_be_retried_ends_at_once(store: Path, error: EngineError, state: str) -> None:
    source, sink = HandSource(), ScriptedDestination([error])
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await source.give(b"x")
        await engine.until(engine.idle)
        (row,) = await engine.deliveries()
        assert (row["state"], row["code"], row["attempts"]) == (state, error.code, 1)


async def test_an_unknown_failure_is_retried_a_bounded_number_of_times(store: Path) -> None:
    def breaks(_delivery: Delivery) -> Answer:
        raise KeyError("CANARY")

    source, sink = HandSource(), ScriptedDestination([breaks] * 3)
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await source.give(b"x")
        await engine.until(engine.idle, advance_seconds=1.0)
        (row,) = await engine.deliveries()
        assert (row["state"], row["code"], row["attempts"]) == ("held", "destination-failed", 3)
        assert "KeyError" in row["text"]
        assert "CANARY" in row["detail"]
        assert "CANARY" not in repr(engine.log.events)


async def test_throttled_pauses_the_whole_destination(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination([Throttled("slow down", after_seconds=30.0)])
    plan = a_channel(source_part=source, destinations=[a_destination(sink, at_once=1)])
    async with an_engine([plan], store) as engine:
        await give_all(source, [b"1", b"2", b"3"])
        await resting(engine)
        await engine.advance(29.0)
        await engine.settle_down()
        assert len(sink.calls) == 1
        await engine.until(engine.idle, advance_seconds=1.5)
        assert sorted(sink.sent) == [b"1", b"2", b"3"]


def with_breaker(sink: ScriptedDestination) -> Any:
    policy = RetryPolicy(attempts=99, first_wait_seconds=1.0, longest_wait_seconds=1.0, jitter=0.0)
    return a_destination(sink, retry=policy, at_once=1, breaker_failures=3)


async def test_the_breaker_opens_lets_one_call_through_and_closes(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination([AWAY] * 4)
    async with an_engine([a_channel(source_part=source, destinations=[with_breaker(sink)])], store) as engine:
        await give_all(source, [b"1", b"2", b"3", b"4", b"5"])
        await sink.until(lambda d: len(d.calls) == 3)
        await resting(engine, 3)
        await engine.advance(29.0)
        await engine.settle_down()
        assert len(sink.calls) == 3, "open: nothing is called"
        await engine.advance(2.0)
        await sink.until(lambda d: len(d.calls) == 4)
        await engine.settle_down()
        await engine.advance(25.0)
        await engine.settle_down()
        assert len(sink.calls) == 4, "the one call failed: open again"
        await engine.until(engine.idle, advance_seconds=5.0)
        assert sorted(sink.sent) == [b"1", b"2", b"3", b"4", b"5"]


async def test_a_half_open_breaker_whose_one_call_is_throttled_is_not_stuck(store: Path) -> None:
    script = [AWAY, AWAY, AWAY, Throttled("slow down", after_seconds=5.0)]
    source, sink = HandSource(), ScriptedDestination(script)
    async with an_engine([a_channel(source_part=source, destinations=[with_breaker(sink)])], store) as engine:
        await give_all(source, [b"1", b"2", b"3"])
        await engine.until(engine.idle, advance_seconds=5.0)
        assert sorted(sink.sent) == [b"1", b"2", b"3"]


COUNT = 650  # of one key: more than three times what a lane keeps at hand


async def test_more_of_one_key_than_fits_keeps_its_order_and_loses_nothing(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination()
    sink.gate = asyncio.Event()
    bodies = [b"%d" % number for number in range(COUNT)]
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await give_all(source, bodies[:500], "A")
        await sink.until(lambda d: len(d.calls) == 1)
        late = asyncio.gather(*(source.give(body, order_key="A") for body in bodies[500:]))
        await engine.settle_down()
        sink.gate.set()
        await late
        await engine.until(engine.idle)
        assert sink.sent == bodies


async def test_an_overflowing_key_keeps_its_order_when_the_channel_is_stopped_and_started(store: Path) -> None:
    source, sink = HandSource(), Keyed({b"0": 1})
    bodies = [b"%d" % number for number in range(COUNT)]
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await give_all(source, bodies[:450], "A")
        await resting(engine)
        await engine.wish("stopped")
        await engine.wish("running")
        await give_all(source, bodies[450:], "A")
        await engine.until(engine.idle, advance_seconds=0.5)
        assert sink.sent == bodies


async def test_a_restart_goes_on_where_it_was_with_due_times_and_order(store: Path) -> None:
    source, sink = HandSource(), Keyed({b"a1": 1})
    clock = ManualClock()
    plan = a_channel(
        source_part=source,
        destinations=[a_destination(sink, retry=RetryPolicy(first_wait_seconds=60.0, jitter=0.0))],
    )
    async with an_engine([plan], store, clock=clock) as engine:
        await give_all(source, [b"a1", b"a2"], "A")
        await resting(engine)
    async with an_engine([plan], store, clock=ManualClock(clock.now())) as engine:
        await engine.advance(55.0)
        await engine.settle_down()
        assert len(sink.calls) == 1, "not due yet"
        await engine.until(engine.idle, advance_seconds=2.0)
        assert sink.sent == [b"a1", b"a2"]
        assert [call.attempt for call in sink.calls] == [1, 2, 1]


async def test_needs_operator_stops_the_channel_and_start_resumes_it(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination([NeedsOperator("sign in again", code="sign-in")])
    clock = ManualClock()
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink)])], store) as engine:
        await source.give(b"x")
        await engine.until(lambda: engine.channel().state == "stopped", advance_seconds=0.5)
        assert engine.channel().trouble == "sign in again"
        assert await engine.tools.journal.queries.channel_commands() == {"test": "stopped"}
        assert await engine.delivery_states() == {"queued": 1}
        await engine.wish("running")
        await engine.until(engine.idle)
        assert engine.channel().trouble is None
        assert sink.sent == [b"x"]
    assert clock.sleeping == 0


async def test_a_paused_channel_takes_nothing_and_finishes_what_it_has(store: Path) -> None:
    source, other, sink = HandSource(), HandSource(), ScriptedDestination()
    sink.gate = asyncio.Event()
    plans = [
        a_channel(source_part=source, destinations=[a_destination(sink)]),
        a_channel("other", source_part=other),
    ]
    async with an_engine(plans, store) as engine:
        await source.give(b"1")
        await engine.wish("paused")
        verdict = source.offer(b"2")
        await other.give(b"other channels go on")
        sink.gate.set()
        await sink.until(lambda d: d.sent == [b"1"])
        await engine.settle_down()
        assert not verdict.done()
        await engine.wish("running")
        await verdict
        await sink.until(lambda d: d.sent == [b"1", b"2"])


async def test_a_stopped_channel_stays_stopped_after_a_restart_and_loses_nothing(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination()
    feeder = a_channel("feeder", source_part=source, feeds=["test"])
    plans = [feeder, a_channel(destinations=[a_destination(sink)])]
    async with an_engine(plans, store) as engine:
        await engine.wish("stopped")
        await source.give(b"x")
        await engine.until(lambda: _processed(engine, "feeder"))
    async with an_engine(plans, store) as engine:
        assert engine.channel().state == "stopped"
        await engine.settle_down()
        assert sink.calls == []
        await engine.wish("running")
        await engine.until(engine.idle)
        assert sink.sent == [b"x"]


async def _processed(engine: RunningEngine, channel: str) -> bool:
    return (await engine.states(channel)).get("transformed", 0) == 1


async def test_a_graceful_stop_finishes_what_is_in_hand_and_starts_nothing_new(store: Path) -> None:
    source, sink = HandSource(), ScriptedDestination()
    sink.gate = asyncio.Event()
    plan = a_channel(source_part=source, destinations=[a_destination(sink, at_once=2)])
    async with an_engine([plan], store) as engine:
        await give_all(source, [b"1", b"2", b"3", b"4"])
        await sink.until(lambda d: len(d.calls) == 2)
        stopping = asyncio.create_task(engine.channel().stop())
        await engine.settle_down()
        assert not stopping.done()
        sink.gate.set()
        await stopping
        assert len(sink.calls) == 2
        assert await engine.delivery_states() == {"sent": 2, "queued": 2}
        assert await engine.tools.broker.depth("islet.test.to.out") > 0
