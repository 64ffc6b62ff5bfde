"""`timer`: a message when its time has come, once, however many engines run the channel."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, model_validator

from engine import sdk

_LAST = "last"
_AGAIN_SECONDS = 60.0
_SHORTEST_SECONDS = 1.0


def _clock_time(text: str) -> str:
    try:
        if len(text) == 5:
            time.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise ValueError("is not a time of day; write hours and minutes, such as 02:30")


class TimerSettings(sdk.Settings):
    """`every` so often, counted from midnight UTC of 1970, or each day `at` a time by the clocks of `timezone`."""

    every: sdk.Duration | None = None
    at: Annotated[str, AfterValidator(_clock_time)] | None = None
    timezone: sdk.Zone = "UTC"

    @model_validator(mode="after")
    def _one_of_them(self) -> "TimerSettings":
        if (self.every is None) == (self.at is None):
            raise ValueError("needs either `every`, such as 5m, or `at`, such as 02:30")
        if self.every is not None and not _SHORTEST_SECONDS <= self.every <= 86_400:
            raise ValueError("`every` must be between 1s and 24h")
        return self


def last_due(settings: TimerSettings, now: datetime) -> datetime:
    """The latest moment not after `now` at which a message was due. Where the clocks are put forward over `at`, it is
    as much later; where they are put back, it is the first of the two."""
    if settings.every is not None:
        seconds = now.timestamp() // settings.every * settings.every
        return datetime.fromtimestamp(seconds, UTC)
    zone = ZoneInfo(settings.timezone)
    day = now.astimezone(zone).date() + timedelta(days=1)
    while (found := _at(settings, day, zone)) > now:
        day -= timedelta(days=1)
    return found


def next_due(settings: TimerSettings, now: datetime) -> datetime:
    """The first moment after `now` at which a message is due."""
    if settings.every is not None:
        return last_due(settings, now) + timedelta(seconds=settings.every)
    zone = ZoneInfo(settings.timezone)
    day = now.astimezone(zone).date() - timedelta(days=1)
    while (found := _at(settings, day, zone)) <= now:
        day += timedelta(days=1)
    return found


def _at(settings: TimerSettings, day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(settings.at or "00:00"), zone).astimezone(UTC)


class Timer:
    """`sdk.Source`. The cursor says which moment the journal has; what was due while no engine ran comes once, late."""

    def __init__(self, settings: TimerSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._context = context
        self._closing = asyncio.Event()

    async def deliveries(self) -> AsyncIterator[sdk.Arrival]:
        """See `sdk.Source`."""
        while not self._closing.is_set():
            due = await self._due()
            if due is None:
                await self._rest((next_due(self._settings, self._now()) - self._now()).total_seconds())
                continue
            settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            yield self._arrival(due, settled)
            if not await self._unless_closing(settled):
                await self._rest(_AGAIN_SECONDS)

    async def close(self) -> None:
        """See `sdk.Source`."""
        self._closing.set()

    def _now(self) -> datetime:
        return self._context.clock.now()

    async def _due(self) -> datetime | None:
        """The moment to tell of now. At its very first start a timer waits for its next time."""
        due = last_due(self._settings, self._now())
        last = await self._context.cursors.get(_LAST)
        if last is None:
            await self._context.cursors.put(_LAST, due.isoformat())
            return None
        return due if due > datetime.fromisoformat(last) else None

    def _arrival(self, due: datetime, settled: "asyncio.Future[bool]") -> sdk.Arrival:
        async def settle(verdict: sdk.Verdict) -> None:
            stored = isinstance(verdict, sdk.Accepted)
            if stored:
                await self._context.cursors.put(_LAST, due.isoformat())
            if not settled.done():
                settled.set_result(stored)

        text = due.isoformat().replace("+00:00", "Z")
        body = json.dumps({"due": text}).encode()
        return sdk.Arrival(body, sdk.Shape.JSON, settle, {"due": text}, f"timer:{self._context.channel}:{text}")

    async def _rest(self, seconds: float) -> None:
        await self._unless_closing(self._context.clock.sleep(seconds))

    async def _unless_closing(self, work: "Coroutine[Any, Any, None] | asyncio.Future[bool]") -> bool | None:
        """What it comes to; None once the source is being closed."""
        doing = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({doing, closing}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            for task in (doing, closing):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


timer = sdk.source("timer", Timer, settings=TimerSettings, emits=sdk.Shape.JSON)
"""What a channel's YAML calls `timer`."""
