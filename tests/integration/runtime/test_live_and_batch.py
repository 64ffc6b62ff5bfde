"""A backfill of a year is under way, and a live reading goes before it: in every channel and at every destination."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.config.plan import ChannelPlan
from engine.contracts.journal import Journal
from engine.model.errors import Unavailable
from engine.model.lane import LANE, Lane
from engine.model.message import Message
from engine.model.retry import RetryPolicy
from engine.model.settings import NoSettings
from engine.plugins.plugin import transformer
from engine.testing.harness import GatedJournal, RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

DAYS = [f"day-{number:03d}".encode() for number in range(365)]
ONE_TURN = 10
"""Messages of the batch lane that may be in hand when a live one comes."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


class Paced:
    """Remembers what a channel works on, and holds its commits up until they are permitted."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(0)
        self.held_up = asyncio.Event()
        self.bodies: list[bytes] = []

    def channel(self) -> ChannelPlan:
        def look(message: Message, _settings: NoSettings) -> Message:
            self.bodies.append(message.body)
            return message

        return a_channel("reconcile", steps=[(transformer("look")(look), NoSettings())])

    def around(self, journal: Journal) -> GatedJournal:
        async def before() -> None:
            task = asyncio.current_task()
            if task is not None and task.get_name().startswith("islet.reconcile"):
                self.held_up.set()
                await self.permits.acquire()

        gated = GatedJournal(journal)
        gated.before["commit_outcomes"] = before
        return gated


class Clinic:
    """Two doors, one for history and one for readings as they come, and what they feed."""

    def __init__(self, *after: ChannelPlan) -> None:
        self.history, self.readings = HandSource(), HandSource()
        feeds = [plan.name for plan in after]
        self.plans = [
            a_channel("history-in", source_part=self.history, feeds=feeds, lane=Lane.BATCH),
            a_channel("readings-in", source_part=self.readings, feeds=feeds),
            *after,
        ]

    async def bring_a_year(self, order_key: str | None = "P1") -> None:
        await asyncio.gather(*(self.history.give(day, order_key=order_key) for day in DAYS))


async def until_received(engine: RunningEngine, channel: str, count: int) -> None:
    async def there() -> bool:
        return (await engine.states(channel)).get("received", 0) == count

    await engine.until(there)


async def test_a_live_reading_is_processed_next_while_a_year_waits(store: Path) -> None:
    paced = Paced()
    clinic = Clinic(paced.channel())
    async with an_engine(clinic.plans, store, wrap=paced.around) as engine:
        await clinic.bring_a_year()
        await paced.held_up.wait()
        assert paced.bodies == DAYS[:ONE_TURN]
        await clinic.readings.give(b"now", order_key="P2")
        await until_received(engine, "reconcile", 366)
        paced.permits.release()
        await engine.until(lambda: len(paced.bodies) == ONE_TURN + 1)
        assert paced.bodies[-1] == b"now"
        for _ in DAYS:
            paced.permits.release()
        await engine.until(engine.idle)
        assert [body for body in paced.bodies if body != b"now"] == DAYS


async def test_a_live_reading_is_delivered_next_while_a_year_of_the_same_patient_waits(store: Path) -> None:
    ehr = ScriptedDestination()
    ehr.gate = asyncio.Event()
    clinic = Clinic(a_channel("out", destinations=[a_destination(ehr, at_once=4)]))
    async with an_engine(clinic.plans, store) as engine:
        await clinic.bring_a_year("P1")
        await ehr.until(lambda its: len(its.calls) == 1)
        await clinic.readings.give(b"now", order_key="P1")
        await engine.until(lambda: _waits_on_the_road(engine, 366))
        assert [call.body for call in ehr.calls] == DAYS[:1], "one key is in one pair of hands"
        ehr.gate.set()
        await engine.until(engine.idle)
    assert ehr.sent[:2] == [DAYS[0], b"now"]
    assert ehr.sent[2:] == DAYS[1:]


async def test_what_a_source_marks_waits_behind_what_it_does_not_mark(store: Path) -> None:
    ehr, source = ScriptedDestination(), HandSource()
    ehr.gate = asyncio.Event()
    channel = a_channel(source_part=source, destinations=[a_destination(ehr, at_once=1)])
    async with an_engine([channel], store) as engine:
        late = [source.give(day, meta={LANE: Lane.BATCH}) for day in DAYS[:50]]
        await asyncio.gather(*late)
        await ehr.until(lambda its: len(its.calls) == 1)
        await source.give(b"now")
        await engine.until(lambda: _waits_on_the_road(engine, 51))
        ehr.gate.set()
        await engine.until(engine.idle)
    assert ehr.sent[1] == b"now"


async def test_a_restart_forgets_no_lane_and_a_retry_under_way_is_not_overtaken_by_its_own_patient(store: Path) -> None:
    retry = RetryPolicy(attempts=9, first_wait_seconds=60.0, jitter=0.0)
    away = ScriptedDestination([Unavailable("away", code="away")] * 9)
    first = Clinic(a_channel("out", destinations=[a_destination(away, at_once=1, retry=retry)]))
    async with an_engine(first.plans, store, grace_seconds=0) as engine:
        await first.bring_a_year("P1")
        await engine.until(lambda: _rests(engine, 1))
    ehr = ScriptedDestination()
    again = Clinic(a_channel("out", destinations=[a_destination(ehr, at_once=1, retry=retry)]))
    async with an_engine(again.plans, store) as engine:
        await again.readings.give(b"now of P1", order_key="P1")
        await again.readings.give(b"now of P2", order_key="P2")
        await ehr.until(lambda its: len(its.sent) == 1)
        assert ehr.sent == [b"now of P2"]
        await engine.until(engine.idle, advance_seconds=10)
    assert ehr.sent[1:3] == [DAYS[0], b"now of P1"]
    assert ehr.sent[3:] == DAYS[1:]


async def test_live_work_without_end_does_not_stop_the_backfill(store: Path) -> None:
    ehr = ScriptedDestination()
    ehr.gate = asyncio.Event()
    clinic = Clinic(a_channel("out", destinations=[a_destination(ehr, at_once=1)]))
    async with an_engine(clinic.plans, store) as engine:
        await clinic.bring_a_year(None)
        await asyncio.gather(*(clinic.readings.give(b"now") for _ in range(100)))
        await engine.until(lambda: _waits_on_the_road(engine, 465))
        ehr.gate.set()
        await engine.until(engine.idle)
    assert 10 <= _batch_among(ehr.sent[:100]) <= 13


def _batch_among(bodies: Sequence[bytes]) -> int:
    return sum(body != b"now" for body in bodies)


async def _waits_on_the_road(engine: RunningEngine, count: int) -> bool:
    channel = "out" if "out" in engine.supervisor.channels else "test"
    if (await engine.delivery_states(channel)).get("queued") != count:
        return False
    await engine.settle_down()  # from the journal onto the road
    return True


async def _rests(engine: RunningEngine, count: int) -> bool:
    return (await engine.delivery_states("out")).get("retry", 0) == count
