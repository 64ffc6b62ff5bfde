"""Leases: parts of the work among engines that come, go, stop and disagree about the time."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from engine.contracts.journal import Journal
from engine.model.errors import NeedsOperator, Unavailable
from engine.runtime.leases import Alone, Held, SharedLeases
from engine.testing.fakes import ManualClock, MemoryLog

PARTS = [f"process/c/{number}-of-4" for number in range(1, 5)]


class Store:
    """What the journal does with leases, by a clock of its own."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.rows: dict[str, tuple[str, float, int]] = {}
        self.away = False
        self.deaf_to_drops = 0
        """So many lose their way: whoever gives a lease back does not know whether it is."""
        self.writer = self
        self.queries = self

    def _look(self) -> float:
        if self.away:
            raise Unavailable("away", code="journal-unavailable")
        return self.clock.monotonic()

    async def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        now = self._look()
        had, until, token = self.rows.get(name, ("", 0.0, 0))
        if had != holder and until > now:
            return None
        self.rows[name] = (holder, now + seconds, token + (had != holder))
        return self.rows[name][2]

    async def renew_leases(self, holder: str, seconds: float) -> Sequence[str]:
        now = self._look()
        ours = [name for name, (had, until, _) in self.rows.items() if had == holder and until > now]
        for name in ours:
            self.rows[name] = (holder, now + seconds, self.rows[name][2])
        return ours

    async def drop_lease(self, name: str, holder: str) -> None:
        self._look()
        if self.deaf_to_drops:
            self.deaf_to_drops -= 1
            raise Unavailable("away", code="journal-unavailable")
        had, _, token = self.rows[name]
        if had == holder:
            self.rows[name] = (had, 0.0, token)

    async def lease_holders(self, prefix: str) -> Sequence[str]:
        now = self._look()
        return [had for name, (had, until, _) in self.rows.items() if name.startswith(prefix) and until > now]

    def forget(self) -> None:
        """Nothing is remembered."""


class Engine:
    """Wants parts, as a channel's tasks do: holds each until it is asked back or lost, then wants it again."""

    def __init__(self, name: str, store: Store) -> None:
        self.clock = ManualClock()
        self.leases = SharedLeases(cast(Journal, store), self.clock, MemoryLog(), name)
        self.has: dict[str, Held] = {}
        self._tasks = [asyncio.create_task(self._want(part)) for part in PARTS]

    async def _want(self, part: str) -> None:
        while True:
            async with self.leases.hold(part) as held:
                self.has[part] = held
                waits = [asyncio.create_task(event.wait()) for event in (held.asked_back, held.lost)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
                del self.has[part]

    async def turn(self, seconds: float = 1.0) -> None:
        await self.clock.advance(seconds)
        await self.leases.turn()
        for _ in range(20):
            await asyncio.sleep(0)

    async def die(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class World:
    def __init__(self, stack: AsyncExitStack) -> None:
        self.clock = ManualClock()
        self.store = Store(self.clock)
        self.engines: list[Engine] = []
        self._stack = stack

    async def start(self, name: str) -> Engine:
        engine = Engine(name, self.store)
        await asyncio.sleep(0)
        self.engines.append(engine)
        self._stack.push_async_callback(engine.die)
        return engine

    async def turns(self, count: int, *engines: Engine) -> None:
        for _ in range(count):
            await self.clock.advance(1.0)
            for engine in engines or self.engines:
                await engine.turn()

    def nobody_shares(self) -> bool:
        names = [part for engine in self.engines for part in engine.has]
        return len(names) == len(set(names))


@pytest.fixture
async def world() -> Any:
    async with AsyncExitStack() as stack:
        yield World(stack)


async def test_alone_everything_is_ones_own() -> None:
    async with Alone().hold("process/c/1-of-1") as held:
        assert not held.lost.is_set()
        assert held.fence is None, "there is no lease that a cursor could be checked against"
        assert Alone().has("anything")


async def test_one_engine_takes_all_and_two_end_up_with_half_each(world: World) -> None:
    first = await world.start("A")
    await world.turns(3)
    assert sorted(first.has) == PARTS
    second = await world.start("B")
    for _ in range(12):
        await world.turns(1)
        assert world.nobody_shares()
    assert (len(first.has), len(second.has)) == (2, 2)


async def test_what_a_dead_engine_held_comes_back_when_its_leases_have_run_out(world: World) -> None:
    first, second = await world.start("A"), await world.start("B")
    await world.turns(12)
    assert len(first.has) == len(second.has) == 2
    world.engines.remove(first)  # killed: it says nothing, and renews nothing
    await world.turns(8)
    assert len(second.has) == 2, "its leases are still good"
    await world.turns(10)
    assert sorted(second.has) == PARTS


async def test_a_part_that_could_not_be_given_back_is_not_kept_by_renewing_it(world: World) -> None:
    first = await world.start("A")
    await world.turns(3)
    world.store.deaf_to_drops = 2
    second = await world.start("B")
    await world.turns(30)
    assert world.store.deaf_to_drops == 0
    assert (len(first.has), len(second.has)) == (2, 2)


async def test_an_engine_that_was_stopped_for_long_finds_its_parts_lost(world: World) -> None:
    """SIGSTOP: its own clock went on, nobody renewed; whatever it has in hand must not go on."""
    first, second = await world.start("A"), await world.start("B")
    await world.turns(12)
    held = list(first.has.values())
    await world.turns(30, second)
    assert sorted(second.has) == PARTS
    await first.clock.advance(30.0)
    await first.turn()
    assert all(one.lost.is_set() for one in held)
    assert world.nobody_shares()


async def test_without_the_journal_parts_are_kept_until_their_leases_run_out_and_no_longer(world: World) -> None:
    first = await world.start("A")
    keeping = asyncio.create_task(first.leases.run())

    async def pass_by(seconds: int) -> None:
        for _ in range(seconds):
            await world.clock.advance(1.0)
            await first.clock.advance(1.0)
            for _ in range(20):
                await asyncio.sleep(0)

    await pass_by(4)
    assert sorted(first.has) == PARTS
    held = list(first.has.values())
    world.store.away = True
    await pass_by(9)
    assert not any(one.lost.is_set() for one in held)
    await pass_by(10)
    assert all(one.lost.is_set() for one in held)
    world.store.away = False
    await pass_by(20)
    assert sorted(first.has) == PARTS, "and goes on without a restart"
    keeping.cancel()


async def test_an_answer_that_nobody_expected_does_not_end_the_keeping_of_leases(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, asked = await world.start("A"), list[str]()
    keeping = asyncio.create_task(first.leases.run())

    async def pass_by(seconds: int) -> None:
        for _ in range(seconds):
            await asyncio.sleep(0)
            await first.clock.advance(1.0)

    async def odd(holder: str, _seconds: float) -> Sequence[str]:
        asked.append(holder)
        raise RuntimeError("what no driver should say")

    with monkeypatch.context() as change:
        change.setattr(world.store, "renew_leases", odd)
        await pass_by(3)
    assert asked
    assert not first.has
    await pass_by(3)
    assert sorted(first.has) == PARTS
    keeping.cancel()


async def test_a_wall_clock_that_jumps_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await world.start("A")
    await world.turns(3)
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr(ManualClock, "now", lambda _self: pytest.fail("leases look at no wall clock"))
    await world.turns(3)
    assert sorted(first.has) == PARTS


async def test_an_engine_with_another_configuration_is_refused_while_others_work() -> None:
    clock = ManualClock()
    store = Store(clock)
    first, other = (
        SharedLeases(cast(Journal, store), clock, MemoryLog(), name, version=version, lease_seconds=15)
        for name, version in (("a", "1111"), ("b", "2222"))
    )
    await first.join()
    joining = asyncio.create_task(other.join())
    while not joining.done():
        await clock.sleep(0)
        await first.turn()
        await clock.advance(1)
    with pytest.raises(NeedsOperator, match="1111; ours is 2222"):
        joining.result()
    await first.leave()
    await other.join()


async def test_an_engine_that_died_with_another_configuration_counts_only_until_its_lease_runs_out() -> None:
    clock = ManualClock()
    store = Store(clock)
    dead, other = (
        SharedLeases(cast(Journal, store), clock, MemoryLog(), name, version=version, lease_seconds=15)
        for name, version in (("a", "1111"), ("b", "2222"))
    )
    await dead.join()
    joining = asyncio.create_task(other.join())
    await clock.sleep(0)
    for _ in range(17):
        await clock.advance(1)
    async with asyncio.timeout(10):
        await joining
