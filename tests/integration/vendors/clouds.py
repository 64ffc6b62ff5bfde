"""Sources that ask a cloud, at work against a simulated one on a real socket, with a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connectors.cloud.polling import PollingSource
from engine import sdk
from engine.testing.fakes import MemoryCursors, MemoryLog, plugin_context
from tests.integration.dexcom.harness import GUARD_SECONDS, TIMEOUT_SECONDS, PausingClock, Running, accept

PATIENT = {"system": "stm", "value": "CANARY-PATIENT"}
FAST = {"rate_limit": "1000000 per second", "timeout": f"{TIMEOUT_SECONDS:g}s", "every": "5m", "history": "3650d"}

Make = Callable[[dict[str, Any], sdk.PluginContext], PollingSource]


class Place:
    """Clock, cursors, log and secrets of sources that come and go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = PausingClock()
        self.cursors = MemoryCursors()
        self.log = MemoryLog()
        self._monkeypatch = monkeypatch

    def secret(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(f"ISLET_SECRET_{name.upper().replace('-', '_')}", value)

    @asynccontextmanager
    async def running(self, make: Make, settings: dict[str, Any]) -> AsyncIterator[Any]:
        source = make({**FAST, **settings}, plugin_context(self.clock, self.cursors, self.log))
        running = Running(source, self.clock, accept)  # type: ignore[arg-type]
        try:
            yield running
        finally:
            await source.close()
            await ended(running)
            while not self.clock.pauses.empty():
                self.clock.pauses.get_nowait()

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for _, event, fields in self.log.events if event == name]


async def ended(running: Running) -> None:
    await asyncio.wait({running.task}, timeout=GUARD_SECONDS)
    assert running.task.done(), "the source did not end after close"
    if not running.task.cancelled():
        running.task.exception()  # seen by the test already, or of no interest
