"""Stand-ins for tests of plugins: a clock that stands still, cursors in memory, a log that remembers."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from engine.contracts.plugins import PluginContext


class ManualClock:
    """Time moves only by `advance`, which wakes the sleepers whose time has come, in order."""

    def __init__(self, at: datetime = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)) -> None:
        self._start = at
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._number), woken))
        await woken

    @property
    def sleeping(self) -> int:
        """How many wait for time to pass."""
        return sum(not sleeper[2].done() for sleeper in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, letting each sleeper run when its moment comes."""
        until = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, at)
            if not woken.done():
                woken.set_result(None)
            for _ in range(20):  # let what was woken run up to its next wait
                await asyncio.sleep(0)
        self._elapsed = until


class MemoryCursors:
    """Cursors of a source under test."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self.values.get(name)

    async def put(self, name: str, value: str) -> None:
        self.values[name] = value


class MemoryLog:
    """Remembers events as `(level, event, fields)`."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.events.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.events.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.events.append(("error", event, fields))


def plugin_context(clock: Any = None, cursors: Any = None, log: Any = None, channel: str = "test") -> PluginContext:
    """A context for building a source or destination in a test; chance is fixed at 0.5."""
    return PluginContext(
        channel=channel,
        name="under-test",
        clock=clock or ManualClock(),
        cursors=cursors or MemoryCursors(),
        log=log or MemoryLog(),
        random=lambda: 0.5,
    )
