"""Turns: one at a time, live first, batch now and then, and nobody is lost by a cancellation."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.model.lane import Lane
from engine.runtime.turns import LIVE_IN_A_ROW, Turns

LIVE, BATCH = Lane.LIVE, Lane.BATCH


async def queued(turns: Turns, lanes: Sequence[Lane], done: list[Lane]) -> list[asyncio.Task[None]]:
    """Tasks that stand before a turn that somebody has, in this order."""

    async def go(lane: Lane) -> None:
        async with turns.of(lane):
            done.append(lane)
            await asyncio.sleep(0)

    tasks = []
    for lane in lanes:
        tasks.append(asyncio.create_task(go(lane)))
        await asyncio.sleep(0)
    return tasks


async def run(lanes: Sequence[Lane]) -> list[Lane]:
    turns, done = Turns(), list[Lane]()
    await turns.take(LIVE)
    tasks = await queued(turns, lanes, done)
    turns.end()
    await asyncio.gather(*tasks)
    return done


async def test_what_is_live_goes_before_all_that_waits_in_the_batch_lane() -> None:
    assert await run([BATCH] * 5 + [LIVE]) == [LIVE] + [BATCH] * 5


async def test_batch_gets_every_ninth_turn_while_live_never_ends() -> None:
    done = await run([BATCH] * 3 + [LIVE] * 40)
    turns_of_batch = [number for number, lane in enumerate(done) if lane is BATCH]
    assert turns_of_batch == [LIVE_IN_A_ROW, 2 * LIVE_IN_A_ROW + 1, 3 * LIVE_IN_A_ROW + 2]


async def test_a_turn_is_had_by_one_at_a_time_and_in_order_within_a_lane() -> None:
    turns, order, inside = Turns(), list[int](), 0

    async def go(number: int) -> None:
        nonlocal inside
        async with turns.of(BATCH):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    await asyncio.gather(*map(go, range(20)))
    assert order == list(range(20))


@given(lanes=st.lists(st.sampled_from(Lane), max_size=12), cancelled=st.sets(st.integers(0, 11)), late=st.booleans())
def test_who_is_cancelled_keeps_nobody_waiting(lanes: list[Lane], cancelled: set[int], late: bool) -> None:
    async def scenario() -> None:
        turns, done = Turns(), list[Lane]()
        await turns.take(LIVE)
        tasks = await queued(turns, lanes, done)
        if late:  # when one of them has been given its turn, and does not know yet
            turns.end()
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        if not late:
            turns.end()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
            async with turns.of(BATCH):
                assert len(done) == len(tasks) - len(cancelled & set(range(len(tasks))))

    asyncio.run(scenario())
