"""A channel at work: its intake, its process stage and one dispatch stage for each destination."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum

from engine.config.plan import ChannelPlan
from engine.contracts.plugins import PluginContext, Source
from engine.model.errors import ConfigError, EngineError, NeedsOperator
from engine.model.retry import RetryPolicy
from engine.runtime.cursors import JournalCursors
from engine.runtime.dispatch import Dispatch
from engine.runtime.ingest import Ingest
from engine.runtime.process import Process
from engine.runtime.tools import Tools

_REOPEN = RetryPolicy(first_wait_seconds=1.0, longest_wait_seconds=60.0)


class ChannelState(StrEnum):
    """RUNNING takes and works; PAUSED takes nothing new, and finishes what it has; STOPPED does neither."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Channel:
    """Starts, pauses and stops one channel. Not for use from two tasks at once."""

    def __init__(self, plan: ChannelPlan, tools: Tools) -> None:
        self.plan = plan
        self.state = ChannelState.STOPPED
        self.trouble: str | None = None
        self.source: Source | None = None
        self._tools = tools
        self._intake: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._dispatches: dict[str, Dispatch] = {}
        self._works: list[asyncio.Task[None]] = []
        self._asked_for: asyncio.Event = asyncio.Event()

    @property
    def operator_needed(self) -> bool:
        """A part of the channel asked for a person; the supervisor pauses the channel."""
        return self._asked_for.is_set()

    def asked(self) -> None:
        """The request for a person is written down; `trouble` still says why."""
        self._asked_for.clear()

    def work(self) -> None:
        """Start process and dispatch: the part that finishes what is there."""
        if self._works:
            return
        self._asked_for.clear()
        self.trouble = None
        self._works = [
            asyncio.create_task(self._guard(self._run_process), name=f"{self.plan.name}.process"),
            *(
                asyncio.create_task(self._guard(lambda at=i: self._run_dispatch(at)), name=f"{self.plan.name}.dispatch")  # type: ignore[misc]
                for i in range(len(self.plan.destinations))
            ),
        ]
        self.state = ChannelState.PAUSED

    def take(self) -> None:
        """Open the source; `work` first."""
        if self._intake is None and self.plan.source is not None:
            self._intake = asyncio.create_task(self._guard(self._run_ingest), name=f"{self.plan.name}.ingest")
        self.state = ChannelState.RUNNING

    async def pause(self) -> None:
        """Close the source. What it gave is committed and settled."""
        if self._intake is not None:
            intake, self._intake = self._intake, None
            if self.source is not None:
                await self.source.close()
            else:
                intake.cancel()
            await asyncio.gather(intake, return_exceptions=True)
        if self._works:
            self.state = ChannelState.PAUSED

    async def stop(self, grace_seconds: float = 20.0) -> None:
        """Pause, finish what is in hand, give the rest back. What takes longer than
        `grace_seconds` is given back as well."""
        await self.pause()
        works, self._works = self._works, []
        if not works:
            return
        for dispatch in self._dispatches.values():
            dispatch.stop()
        process_task = works[0]
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                if self._process is not None:
                    await self._process.idle()
                process_task.cancel()
                await asyncio.gather(*works, return_exceptions=True)
        for task in works:
            task.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        self._process, self._dispatches = None, {}
        self.state = ChannelState.STOPPED

    async def _guard(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part again, with back-off, until it ends by itself or a person is needed."""
        failures = 0
        while True:
            try:
                return await run()
            except (NeedsOperator, ConfigError) as error:
                self.trouble = error.text if not isinstance(error, ConfigError) else str(error)
                self._asked_for.set()
                self._tools.log.error("operator_needed", channel=self.plan.name, code=error.code)
                return None
            except BaseExceptionGroup as group:
                if group.subgroup(asyncio.CancelledError):
                    raise
                error_type = type(group.exceptions[0]).__name__
            except EngineError as error:
                error_type = error.code
                self.trouble = error.text
            except Exception as error:  # noqa: BLE001 - no part may die in silence
                error_type = type(error).__name__
            failures += 1
            wait = _REOPEN.back_off(failures, self._tools.random())
            self._tools.log.error(
                "part_failed", channel=self.plan.name, error_type=error_type, attempt=failures, seconds=round(wait, 1)
            )
            await self._tools.clock.sleep(wait)

    async def _run_ingest(self) -> None:
        assert self.plan.source is not None
        self.source = self.plan.source.plugin.implementation(
            self.plan.source.settings, self._context(self.plan.source.name)
        )
        try:
            await Ingest(self.plan, self.source, self._tools).run()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            source, self.source = self.source, None
            if source is not None:
                await source.close()

    async def _run_process(self) -> None:
        self._process = Process(self.plan, self._tools)
        await self._process.run()

    async def _run_dispatch(self, at: int) -> None:
        plan = self.plan.destinations[at]
        destination = plan.bound.plugin.implementation(plan.bound.settings, self._context(plan.name))
        dispatch = self._dispatches[plan.name] = Dispatch(self.plan.name, plan, destination, self._tools)
        await dispatch.run()

    def _context(self, name: str) -> PluginContext:
        return PluginContext(
            channel=self.plan.name,
            name=name,
            clock=self._tools.clock,
            cursors=JournalCursors(self._tools.journal, self.plan.name),
            log=self._tools.log,
            random=self._tools.random,
        )
