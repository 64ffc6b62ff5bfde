"""A channel at work: its intake, its process stage and one dispatch stage for each destination."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial

from engine.config.plan import ChannelPlan
from engine.contracts.plugins import PluginContext, Source
from engine.model.errors import ConfigError, EngineError, NeedsOperator
from engine.model.retry import RetryPolicy
from engine.runtime.cursors import JournalCursors
from engine.runtime.dispatch import Dispatch
from engine.runtime.ingest import Ingest
from engine.runtime.leases import Held
from engine.runtime.parts import Part, Role, ended_by_itself, work_of
from engine.runtime.process import Process
from engine.runtime.tools import Tools

_LET_GO_SECONDS = 10.0
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
        self.waits_for: str | None = None
        """What the source cannot work without, as long as that is not there."""
        self.source: Source | None = None
        self._tools = tools
        self._intake: asyncio.Task[None] | None = None
        self._works: dict[str, asyncio.Task[None]] = {}
        self._at_work: dict[str, Process | Dispatch] = {}
        self._asked_for: asyncio.Event = asyncio.Event()

    @property
    def operator_needed(self) -> bool:
        """A part of the channel asked for a person; the supervisor pauses the channel."""
        return self._asked_for.is_set()

    def asked(self) -> None:
        """The request for a person is written down; `trouble` still says why."""
        self._asked_for.clear()

    def _waits_for(self, trouble: str | None) -> None:
        self.waits_for = trouble

    def work(self) -> None:
        """Start process and dispatch: the part that finishes what is there."""
        if self._works:
            return
        self._asked_for.clear()
        self.trouble = None
        for part in work_of(self.plan, self._tools.partitions):
            if part.role in self._tools.roles:
                work = self._guard(partial(self._under_lease, part, partial(self._run_part, part)))
                self._works[part.name] = asyncio.create_task(work, name=part.name)
        self.state = ChannelState.PAUSED

    def take(self) -> None:
        """Open the source; `work` first."""
        if self._intake is None and self.plan.source is not None and Role.INGEST in self._tools.roles:
            run = self._run_ingest
            if not self.plan.source.plugin.side_by_side:
                run = partial(self._under_lease, Part(Role.INGEST, self.plan.name), self._run_ingest)
            self._intake = asyncio.create_task(self._guard(run), name=f"ingest/{self.plan.name}")
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
        works, self._works = self._works, {}
        if works:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await asyncio.gather(*(self._finish(name, task) for name, task in works.items()))
            for task in works.values():
                task.cancel()
            await asyncio.gather(*works.values(), return_exceptions=True)
        self.state = ChannelState.STOPPED

    async def _finish(self, name: str, task: asyncio.Task[None]) -> None:
        """Let one part finish what it has in hand, and end."""
        at_work = self._at_work.get(name)
        if isinstance(at_work, Dispatch):
            at_work.stop()
        else:
            if at_work is not None:
                await at_work.idle()
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

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

    async def _run_ingest(self, held: Held | None = None) -> None:
        assert self.plan.source is not None
        self.source = self.plan.source.plugin.implementation(
            self.plan.source.settings, self._context(self.plan.source.name, held)
        )
        try:
            await Ingest(self.plan, self.source, self._tools).run()
            if self._intake is not None:  # nobody has closed it
                raise ended_by_itself("the source")
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            source, self.source = self.source, None
            if source is not None:
                await source.close()

    async def _under_lease(self, part: Part, run: Callable[[Held], Awaitable[None]]) -> None:
        """Run a part while it is ours; again and again, until it ends by itself or is wanted no more. One that has seen
        before us that it is not ours, and so began nothing new, has not ended."""
        while self._is_wanted(part):
            async with self._tools.leases.hold(part.name) as held:
                running = asyncio.ensure_future(run(held))
                asked, lost = (asyncio.create_task(event.wait()) for event in (held.asked_back, held.lost))
                try:
                    await asyncio.wait({running, asked, lost}, return_when=asyncio.FIRST_COMPLETED)
                    if not running.done():
                        await self._let_go(part, running, held)
                    if running.done() and not running.cancelled() and not held.asked_back.is_set():
                        running.result()
                        if held.valid():
                            return
                finally:
                    for task in (asked, lost, running):
                        task.cancel()
                    await asyncio.gather(asked, lost, running, return_exceptions=True)

    def _is_wanted(self, part: Part) -> bool:
        return self._intake is not None if part.role is Role.INGEST else part.name in self._works

    async def _let_go(self, part: Part, running: "asyncio.Future[None]", held: Held) -> None:
        """Finish what is in hand if there is time for it: the part goes to another engine."""
        at_work = self._at_work.get(part.name)
        if held.lost.is_set() or at_work is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LET_GO_SECONDS):
                if isinstance(at_work, Dispatch):
                    at_work.stop()
                    await asyncio.wait({running})
                else:
                    await at_work.idle()

    async def _run_part(self, part: Part, held: Held) -> None:
        worker: Process | Dispatch
        if part.destination is None:
            worker = Process(self.plan, self._tools, part.share, held.valid)
        else:
            bound = part.destination.bound
            destination = bound.plugin.implementation(bound.settings, self._context(bound.name))
            worker = Dispatch(self.plan.name, part.destination, destination, self._tools, part.share, held.valid)
        self._at_work[part.name] = worker
        try:
            await worker.run()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            del self._at_work[part.name]

    def _context(self, name: str, held: Held | None = None) -> PluginContext:
        return PluginContext(
            channel=self.plan.name,
            name=name,
            clock=self._tools.clock,
            cursors=JournalCursors(self._tools.journal, self.plan.name, held.fence if held else None),
            log=self._tools.log,
            random=self._tools.random,
            shares_ports=self._tools.shares_ports,
            waits_for=self._waits_for,
        )
