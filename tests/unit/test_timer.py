"""`timer`: when a message is due, once, also over a restart and where the clocks change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import cast

import pytest
from pydantic import ValidationError

from connectors.timer import Timer, TimerSettings, last_due, next_due, timer
from engine import sdk
from engine.testing.fakes import ManualClock, MemoryCursors, plugin_context

DUBLIN = {"at": "01:30", "timezone": "Europe/Dublin"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "now", "last", "following"),
    [
        ({"every": "5m"}, "2026-11-20T10:15:00", "2026-11-20T10:15:00", "2026-11-20T10:20:00"),
        ({"every": "5m"}, "2026-11-20T10:19:59", "2026-11-20T10:15:00", "2026-11-20T10:20:00"),
        (DUBLIN, "2026-11-20T01:29:59", "2026-11-19T01:30:00", "2026-11-20T01:30:00"),
        (DUBLIN, "2026-11-20T01:30:00", "2026-11-20T01:30:00", "2026-11-21T01:30:00"),
        # put forward from 01:00 UTC: there is no 01:30, so it is 02:30 by the new time
        (DUBLIN, "2026-03-29T12:00:00", "2026-03-29T01:30:00", "2026-03-30T00:30:00"),
        # put back at 01:00 UTC: 01:30 comes twice, and the first counts
        (DUBLIN, "2026-10-25T12:00:00", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
        (
            {"at": "02:00", "timezone": "Asia/Tokyo"},
            "2026-11-20T16:59:00",
            "2026-11-19T17:00:00",
            "2026-11-20T17:00:00",
        ),
    ],
)
def test_moments(settings: dict[str, str], now: str, last: str, following: str) -> None:
    known = TimerSettings.model_validate(settings)
    assert (last_due(known, at(now)), next_due(known, at(now))) == (at(last), at(following))


@pytest.mark.parametrize(
    "settings", [{}, {"every": "5m", "at": "02:30"}, {"at": "25:00"}, {"at": "2:30"}, {"every": "0s"}]
)
def test_what_makes_no_sense_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TimerSettings.model_validate(settings)


async def up_to_the_wait() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def one(deliveries: AsyncIterator[sdk.Arrival], clock: ManualClock, seconds: float) -> str:
    """The due time of the next arrival, which the journal takes, once the clock has moved on."""
    coming = asyncio.ensure_future(anext(deliveries))
    await up_to_the_wait()
    await clock.advance(seconds)
    arrival = await coming
    await arrival.settle(sdk.Accepted("m"))
    return arrival.meta["due"]


async def test_one_message_each_time_and_what_was_missed_comes_once_after_a_restart() -> None:
    clock, cursors = ManualClock(), MemoryCursors()
    settings = TimerSettings.model_validate({"every": "5m"})

    first = Timer(settings, plugin_context(clock, cursors))
    async with aclosing(first.deliveries()) as deliveries:  # type: ignore[type-var]
        assert await one(deliveries, clock, 300) == "2026-11-20T10:20:00Z"
        assert await one(deliveries, clock, 300) == "2026-11-20T10:25:00Z"
    await clock.advance(1800)
    second = cast(sdk.Source, timer(settings, plugin_context(clock, cursors)))
    async with aclosing(second.deliveries()) as deliveries:  # type: ignore[type-var]
        assert await one(deliveries, clock, 0) == "2026-11-20T10:55:00Z"
        assert await one(deliveries, clock, 300) == "2026-11-20T11:00:00Z"
        await second.close()
        assert [arrival async for arrival in deliveries] == []


async def test_what_the_journal_does_not_take_is_told_again_a_minute_later() -> None:
    clock = ManualClock()
    source = Timer(TimerSettings.model_validate({"every": "5m"}), plugin_context(clock))
    async with aclosing(source.deliveries()) as deliveries:  # type: ignore[type-var]
        coming = asyncio.ensure_future(anext(deliveries))
        await up_to_the_wait()
        await clock.advance(300)
        refused = await coming
        await refused.settle(sdk.Deferred(5.0, "the journal is full"))
        coming = asyncio.ensure_future(anext(deliveries))
        await up_to_the_wait()
        assert not coming.done()
        await clock.advance(60)
        again = await coming
        assert (again.meta["due"], again.source_key) == (refused.meta["due"], refused.source_key)
