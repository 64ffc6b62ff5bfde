"""A source at work against the simulated cloud on a real socket, with a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.dexcom.settings import DexcomSettings
from connectors.dexcom.source import DexcomSource
from engine import sdk
from engine.testing.fakes import ManualClock, MemoryCursors, MemoryLog, plugin_context
from simulators.dexcom import EGVS_PATH, DexcomCloud
from simulators.series import Point

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
TIMEOUT_SECONDS = 31.0
GUARD_SECONDS = 20  # a test that hangs fails
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def readings(first: datetime, count: int, value: int = 101) -> list[Point]:
    return [Point(first + 5 * MINUTE * number, value + number % 50) for number in range(count)]


class PausingClock(ManualClock):
    """Tells what the source sleeps for, but for the time-outs of its calls."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.pauses: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        if seconds < 0.001:  # the distance between calls where a test sets no rate limit
            return
        if seconds != TIMEOUT_SECONDS:
            self.pauses.put_nowait(round(seconds, 3))
        await super().sleep(seconds)


Verdicts = Callable[[sdk.Arrival], sdk.Verdict | None]


def accept(_: sdk.Arrival) -> sdk.Verdict:
    return sdk.Accepted(sdk.new_id())


class Running:
    """The source as ingest sees it: arrivals are taken as they come and settled by `verdicts` (None: not at all)."""

    def __init__(self, source: DexcomSource, clock: PausingClock, verdicts: Verdicts) -> None:
        self.source = source
        self.clock = clock
        self.verdicts = verdicts
        self.arrivals: list[sdk.Arrival] = []
        self._arrived = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for arrival in self.source.deliveries():
            self.arrivals.append(arrival)
            self._arrived.set()
            verdict = self.verdicts(arrival)
            if verdict is not None:
                await arrival.settle(verdict)

    async def pause(self) -> float:
        """Wait until the source sleeps, and for how long it wants to."""
        waiting = asyncio.create_task(self.clock.pauses.get())
        async with asyncio.timeout(GUARD_SECONDS):
            await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await self.task  # says why the source ended
            raise AssertionError("the source ended without sleeping")
        return waiting.result()

    async def after(self, seconds: float) -> float:
        """Let time pass; gives the next sleep."""
        await self.clock.advance(seconds)
        return await self.pause()

    async def arrived(self) -> sdk.Arrival:
        async with asyncio.timeout(GUARD_SECONDS):
            await self._arrived.wait()
        return self.arrivals[-1]

    async def ended(self) -> None:
        """Wait until the source ends; raises what it ended with."""
        async with asyncio.timeout(GUARD_SECONDS):
            await self.task

    @property
    def bodies(self) -> list[bytes]:
        return [arrival.body for arrival in self.arrivals]


class Place:
    """A cloud, the engine's side of things, and the secrets between them; sources come and go."""

    def __init__(self, cloud: DexcomCloud, clock: PausingClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud = cloud
        self.clock = clock
        self.cursors = MemoryCursors()
        self.log = MemoryLog()
        self._monkeypatch = monkeypatch
        self.secret("client-id", "islet-client")
        self.secret("client-secret", "islet-secret")
        self._names: list[str] = []

    def secret(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(f"ISLET_SECRET_{name.replace('-', '_').upper()}", value)

    def account(self, name: str, points: Sequence[Point] = (), **details: Any) -> str:
        token = self.cloud.add_account(name, points, **details)
        self.secret(f"refresh-{name}", token)
        self._names.append(name)
        return token

    def settings(self, **changes: Any) -> DexcomSettings:
        accounts = [
            {
                "name": name,
                "patient": {"system": "stm", "value": f"CANARY-PATIENT-{name}"},
                "refresh_token": {"secret": f"refresh-{name}"},
            }
            for name in self._names
        ]
        plain = {
            "base_url": self.cloud.base_url,
            "client_id": {"secret": "client-id"},
            "client_secret": {"secret": "client-secret"},
            "accounts": accounts,
            "rate_limit": "1000000 per second",
            "history": "3650d",  # all in one window, but where a test is about it
            "timeout": f"{TIMEOUT_SECONDS:g}s",
        }
        return DexcomSettings.model_validate({**plain, **changes})

    @asynccontextmanager
    async def running(self, verdicts: Verdicts = accept, **changes: Any) -> AsyncIterator[Running]:
        context = plugin_context(self.clock, self.cursors, self.log)
        running = Running(DexcomSource(self.settings(**changes), context), self.clock, verdicts)
        try:
            yield running
        finally:
            await running.source.close()
            await asyncio.wait({running.task}, timeout=GUARD_SECONDS)
            assert running.task.done(), "the source did not end after close"
            if not running.task.cancelled():
                running.task.exception()  # seen by the test already, or of no interest
            while not self.clock.pauses.empty():
                self.clock.pauses.get_nowait()

    def windows(self) -> list[tuple[str, str]]:
        """What the cloud was asked for, in order."""
        asked = [seen for seen in self.cloud.requests if seen.path == EGVS_PATH]
        return [(seen.query["startDate"], seen.query["endDate"]) for seen in asked]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for _, event, fields in self.log.events if event == name]
