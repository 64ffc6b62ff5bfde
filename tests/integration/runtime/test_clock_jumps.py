"""Somebody sets the machine's clock: what waits goes on waiting as long as it was meant to, and no longer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.model.errors import Unavailable
from engine.model.message import ORDER_AT, Message
from engine.model.outcome import KEEP, Keep
from engine.model.retry import RetryPolicy
from engine.testing.fakes import ManualClock
from engine.testing.harness import an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

RETRY = RetryPolicy(first_wait_seconds=60.0, longest_wait_seconds=600.0, jitter=0.0)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


class SetClock(ManualClock):
    """A clock whose hands are moved; what is monotonic goes on."""

    moved = timedelta()

    def now(self) -> datetime:
        return super().now() + self.moved


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
async def test_a_retry_comes_after_its_wait_although_the_clock_was_set(store: Path, jump: timedelta) -> None:
    source, out, clock = HandSource(), ScriptedDestination([Unavailable("away", code="away")]), SetClock(NOON)
    plan = a_channel(source_part=source, destinations=[a_destination(out, retry=RETRY)])
    async with an_engine([plan], store, clock=clock) as engine:
        await source.give(b"x")
        await engine.until(lambda: clock.sleeping > 1 and len(out.calls) == 1)
        await engine.settle_down()
        clock.moved = jump
        await engine.advance(59.0)
        await engine.settle_down()
        assert len(out.calls) == 1
        await engine.advance(2.0)
        await engine.until(lambda: out.sent == [b"x"])


async def test_a_due_time_that_a_wrong_clock_wrote_costs_an_hour_and_not_a_year(store: Path) -> None:
    source, out = HandSource(), ScriptedDestination([Unavailable("away", code="away")])
    plan = a_channel(source_part=source, destinations=[a_destination(out, retry=RETRY)])
    async with an_engine([plan], store, clock=ManualClock(NOON + YEAR)) as engine:
        await source.give(b"x")

        async def waits() -> bool:
            return "retry" in await engine.delivery_states()

        await engine.until(waits)
    clock = ManualClock(NOON)
    async with an_engine([plan], store, clock=clock) as engine:
        await engine.until(lambda: out.sent == [b"x"], advance_seconds=60.0)
        assert clock.monotonic() <= 3700.0


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
async def test_what_waits_for_its_order_leaves_when_its_wait_is_over(store: Path, jump: timedelta) -> None:
    source, out, clock, left = HandSource(), ScriptedDestination(), SetClock(NOON), list[float]()

    def leaves(_: Message) -> Keep:  # what comes after it, such as a commit, takes its own time
        left.append(clock.monotonic())
        return KEEP

    plan = a_channel(source_part=source, destinations=[a_destination(out)], order_wait_seconds=30.0, keep=leaves)
    async with an_engine([plan], store, clock=clock) as engine:
        await source.give(b"second", order_key="P1", meta={ORDER_AT: "2"})
        await engine.settle_down()
        clock.moved = jump
        await source.give(b"first", order_key="P1", meta={ORDER_AT: "1"})
        await engine.until(lambda: len(out.sent) == 2, advance_seconds=0.5)
        assert out.sent == [b"first", b"second"]
        assert 20.0 < left[-1] < 65.0
        assert len(left) == 2
