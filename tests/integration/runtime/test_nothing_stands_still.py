"""A part that ends although it is wanted is begun again, and says so: nothing stands still in silence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config.plan import ChannelPlan
from engine.contracts.broker import Lease
from engine.contracts.plugins import Arrival
from engine.model.delivery import Delivery
from engine.model.errors import Refused
from engine.model.outcome import Answer
from engine.model.states import DeliveryState
from engine.runtime.channel import Channel
from engine.runtime.leases import Alone, Held, Leases
from engine.runtime.parts import queues_of
from engine.testing.builders import a_message
from engine.testing.harness import RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


def failures(engine: RunningEngine) -> list[object]:
    return [fields["error_type"] for _, event, fields in engine.log.events if event == "part_failed"]


@pytest.mark.parametrize("queue", ["islet.test", "islet.test.batch", "islet.test.to.out"])
async def test_a_queue_whose_stream_ends_is_worked_on_again(
    store: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = HandSource(), ScriptedDestination()
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(out)])], store) as engine:
        await engine.wish("stopped")
        broker, ended = engine.tools.broker, list[str]()
        consume = broker.consume

        async def ends_once(name: str, prefetch: int) -> AsyncIterator[Lease]:
            if name == queue and not ended:
                ended.append(name)
                return
            async for lease in consume(name, prefetch):
                yield lease

        monkeypatch.setattr(broker, "consume", ends_once)
        await engine.wish("running")
        await engine.until(lambda: bool(failures(engine)))
        await source.give(b"x")
        await engine.until(lambda: out.sent == [b"x"], advance_seconds=1.0)
        assert failures(engine) == ["ended-by-itself"]


class TiredSource(HandSource):
    """Ends once without having been closed."""

    opened = 0

    async def deliveries(self) -> AsyncIterator[Arrival]:
        self.opened += 1
        if self.opened > 1:
            async for arrival in super().deliveries():
                yield arrival


async def test_a_source_that_ends_by_itself_is_opened_again(store: Path) -> None:
    source, out = TiredSource(), ScriptedDestination()
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(out)])], store) as engine:
        source.offer(b"x")
        await engine.until(lambda: out.sent == [b"x"], advance_seconds=1.0)
        assert failures(engine) == ["ended-by-itself"]
        await engine.wish("paused")
        assert failures(engine) == ["ended-by-itself"], "a source that is closed may end"


class RunsOut(Alone):
    """The first lease to send is `good` until a test says that it has run out, which its keeper does not notice."""

    def __init__(self, *, good: bool) -> None:
        self.had: list[str] = []
        self.good = good

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[Held]:
        first = name.startswith("dispatch") and name not in self.had
        self.had.append(name)
        yield Held(name, 1, lambda: self.good if first else True)


@asynccontextmanager
async def at_work(engine: RunningEngine, plan: ChannelPlan, leases: Leases) -> AsyncIterator[None]:
    """A channel under these leases, with one message."""
    tools = replace(engine.tools, leases=leases)
    for part in queues_of(plan, tools.partitions):
        await tools.broker.declare(part.queue)
    channel = Channel(plan, tools)
    await tools.journal.writer.accept([message := a_message(b"x", channel="test")])
    await tools.outbox.hand_on({"islet.test": [message.id]})
    channel.work()
    yield
    await channel.stop()


async def test_a_part_that_saw_before_its_keeper_that_its_lease_ran_out_is_wanted_again(store: Path) -> None:
    out, leases = ScriptedDestination(), RunsOut(good=False)
    async with an_engine([], store) as engine, at_work(engine, a_channel(destinations=[a_destination(out)]), leases):
        await engine.until(lambda: out.sent == [b"x"], advance_seconds=1.0)
        assert leases.had.count("dispatch/test/out/1-of-1") == 2


async def test_who_slept_while_it_sent_writes_down_what_arrived_and_no_failure(store: Path) -> None:
    leases = RunsOut(good=True)

    def fall_asleep(_delivery: Delivery) -> Answer:
        leases.good = False
        raise Refused("the line was dead when it woke up", code="no")

    out = ScriptedDestination([fall_asleep])
    async with an_engine([], store) as engine, at_work(engine, a_channel(destinations=[a_destination(out)]), leases):
        await engine.until(lambda: out.sent == [b"x"], advance_seconds=1.0)
        await engine.until(engine.idle)
        assert [call.attempt for call in out.calls] == [1, 1], "the first attempt left no trace"
        assert await engine.delivery_states() == {DeliveryState.SENT: 1}
