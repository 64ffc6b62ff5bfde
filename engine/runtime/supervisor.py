"""The supervisor: starts the channels, follows what operators ask for, stops everything in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

from sqlalchemy import func, select

from engine.config.plan import ChannelPlan, Configuration
from engine.journal import tables
from engine.model.errors import Unavailable
from engine.runtime.channel import Channel, ChannelState
from engine.runtime.parts import queues_of
from engine.runtime.sweeper import sweep
from engine.runtime.tools import Tools

T = TypeVar("T")

_LOOK_SECONDS = 0.5
_SWEEP_EVERY = 60  # looks


class Supervisor:
    """One engine in one process. `start`, then `run` until `stop` is called from a signal handler or a test."""

    def __init__(self, configuration: Configuration, tools: Tools) -> None:
        self.channels: Mapping[str, Channel] = {
            name: Channel(plan, tools) for name, plan in configuration.channels.items()
        }
        self.tools = tools
        self.started = False
        self.trouble: Unavailable | None = None
        """Why the last look at the journal failed."""
        self._stop = asyncio.Event()
        self._operation: str | None = None
        self._told: dict[str, str | None] = {}
        self._leases: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open journal and broker, find what a crash left, start the channels: destinations first, doors last.

        Waits for as long as the broker is away. Raises NeedsOperator if a person has to mend something first,
        Unavailable if the journal is away.
        """
        tools = self.tools
        await tools.journal.open()
        await self._patiently(tools.leases.join)
        self._leases = asyncio.create_task(tools.leases.run(), name="leases")
        await self._open_broker()
        plans = [channel.plan for channel in self.channels.values()]
        for plan in plans:
            parts = queues_of(plan, tools.partitions)
            tools.outbox.serve(parts)
            for part in parts:
                await tools.broker.declare(part.queue)
        recovered = await self._patiently(lambda: sweep(plans, tools, every_queue=True))
        if recovered:
            tools.log.info("recovered", count=recovered)
        self._operation = await self._patiently(self._newest_operation)
        wanted = await self._patiently(tools.journal.queries.channel_commands)
        for name, channel in self.channels.items():
            if wanted.get(name) != ChannelState.STOPPED:
                channel.work()
        for name, channel in self.channels.items():
            if wanted.get(name, ChannelState.RUNNING) == ChannelState.RUNNING:
                channel.take()
            await self._patiently(partial(self._report, channel))
        self.started = True
        tools.log.info("engine_started", count=len(self.channels))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Until a shared journal answers. One of our own that cannot be used is the operator's to see at once."""
        while True:
            try:
                answer = await ask()
            except Unavailable as error:
                if not self.tools.leases.shared:
                    raise
                self.trouble = error
                self.tools.log.warning("journal_unavailable", code=error.code)
                await self.tools.clock.sleep(_LOOK_SECONDS)
            else:
                self.trouble = None
                return answer

    async def _open_broker(self) -> None:
        await self.tools.broker.open()
        while self.tools.broker.trouble:
            await self.tools.clock.sleep(_LOOK_SECONDS)

    async def run(self) -> None:
        """Until `stop`: look after channels and commands twice a second."""
        looks = 0
        while not self._stop.is_set():
            try:
                await self._look()
                self.trouble = None
            except Unavailable as error:
                self.trouble = error
                self.tools.log.warning("journal_unavailable", code=error.code)
            looks += 1
            if looks % _SWEEP_EVERY == 0:
                await self._sweep()
            sleeping = asyncio.create_task(self.tools.clock.sleep(_LOOK_SECONDS))
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            stopping.cancel()

    def stop(self) -> None:
        self._stop.set()

    async def close(self, grace_seconds: float = 20.0) -> None:
        """Doors first, then the rest; what is in hand is finished within `grace_seconds`."""
        self.tools.log.info("engine_stopping")
        await asyncio.gather(*(channel.pause() for channel in self.channels.values()))
        await asyncio.gather(*(channel.stop(grace_seconds) for channel in self.channels.values()))
        try:
            for channel in self.channels.values():
                await self._report(channel)
        except Unavailable as error:  # once for all of them
            self.tools.log.warning("journal_unavailable", code=error.code)
        if self._leases is not None:
            self._leases.cancel()
            await asyncio.gather(self._leases, return_exceptions=True)
            with suppress(Unavailable):  # then they run out
                await self.tools.leases.leave()
        await self.tools.broker.close()
        await self.tools.journal.close()
        self.tools.log.info("engine_stopped")

    async def _look(self) -> None:
        wanted = await self.tools.journal.queries.channel_commands()
        for name, channel in self.channels.items():
            if channel.operator_needed:
                # As a command, so that a restart does not try again what a person must mend first.
                await self.tools.journal.writer.command_channel(name, ChannelState.STOPPED)
                await channel.stop()
                channel.asked()
                await self._report(channel)
            elif name in wanted and wanted[name] != channel.state:
                await self._follow(channel, ChannelState(wanted[name]))
            elif channel.waits_for != self._told.get(name):
                await self._report(channel)
        await self.tools.outbox.catch_up()
        await self._after_operations()

    async def _sweep(self, *, every_queue: bool = False) -> bool:
        """False if journal or broker are away."""
        try:
            await sweep(self._at_work(), self.tools, every_queue=every_queue)
        except Unavailable as error:
            self.tools.log.warning("sweep_failed", code=error.code)
            return False
        return True

    async def _after_operations(self) -> None:
        """Somebody has put messages back on the road: engines that share a journal look for them themselves."""
        if not self.tools.leases.shared or (newest := await self._newest_operation()) == self._operation:
            return
        if await self._sweep(every_queue=True):
            self._operation = newest

    async def _newest_operation(self) -> str | None:
        newest = (await self.tools.journal.queries.all(select(func.max(tables.operation.c.id))))[0][0]
        return None if newest is None else str(newest)

    def _at_work(self) -> list[ChannelPlan]:
        return [channel.plan for channel in self.channels.values() if channel.state is not ChannelState.STOPPED]

    async def _follow(self, channel: Channel, wanted: ChannelState) -> None:
        if wanted is ChannelState.STOPPED:
            await channel.stop()
        else:
            channel.work()
            if wanted is ChannelState.PAUSED:
                await channel.pause()
            else:
                channel.take()
        self.tools.log.info("channel_follows", channel=channel.plan.name, wanted=wanted, actual=channel.state)
        await self._report(channel)

    async def _report(self, channel: Channel) -> None:
        name, waits_for = channel.plan.name, channel.waits_for
        await self.tools.journal.writer.report_channel(name, channel.state, channel.trouble or waits_for)
        self._told[name] = waits_for
