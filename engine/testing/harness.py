"""A whole engine inside a test: a real SQLite file, the embedded broker, and time in the test's hands."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import func, select

from engine.brokers.embedded import EmbeddedBroker
from engine.config.plan import ChannelPlan, Configuration
from engine.contracts.journal import Journal, Partitions, Queries, Writer
from engine.contracts.plugins import Log
from engine.journal import tables
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.clock import Clock
from engine.runtime.audit import Books, books
from engine.runtime.channel import Channel
from engine.runtime.supervisor import Supervisor
from engine.runtime.tools import Tools
from engine.testing.fakes import ManualClock, MemoryLog

PATIENCE_SECONDS = 120.0
"""How long a test waits in vain before it fails; nothing waits that long when all is well."""

Condition = Callable[[], bool | Awaitable[bool]]


class RunningEngine:
    """A started engine and what a test wants to know of it."""

    def __init__(self, supervisor: Supervisor, clock: Clock) -> None:
        self.supervisor = supervisor
        self.tools = supervisor.tools
        self.clock = clock

    @property
    def log(self) -> MemoryLog:
        """The events so far, when no other log was given."""
        assert isinstance(self.tools.log, MemoryLog)
        return self.tools.log

    def channel(self, name: str = "test") -> Channel:
        return self.supervisor.channels[name]

    async def advance(self, seconds: float) -> None:
        """Move the manual clock."""
        assert isinstance(self.clock, ManualClock)
        await self.clock.advance(seconds)

    async def until(self, condition: Condition, *, advance_seconds: float = 0.0) -> None:
        """Wait until the condition holds; with `advance_seconds` time moves on by so much before each look.

        Raises TimeoutError after PATIENCE_SECONDS of the machine's own time.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await _holds(condition):
                if advance_seconds:
                    await self.advance(advance_seconds)
                await self.settle_down()

    async def settle_down(self) -> None:
        """Let everything that can go on do so: some turns of the loop and of the journal's threads."""
        for _ in range(3):
            await self.tools.journal.queries.all(select(1))

    async def states(self, channel: str | None = None) -> Mapping[str, int]:
        """Messages by state, as the journal has them."""
        return await self._counts(tables.message, channel)

    async def delivery_states(self, channel: str | None = None) -> Mapping[str, int]:
        """Deliveries by state, as the journal has them."""
        return await self._counts(tables.delivery, channel)

    async def _counts(self, table: Any, channel: str | None) -> Mapping[str, int]:
        query = select(table.c.state, func.count()).group_by(table.c.state)
        if channel is not None:
            query = query.where(table.c.channel == channel)
        return {row[0]: row[1] for row in await self.tools.journal.queries.all(query)}

    async def deliveries(self) -> Sequence[Mapping[str, Any]]:
        """All deliveries with all their columns, in the order they were made."""
        rows = await self.tools.journal.queries.all(select(tables.delivery).order_by(tables.delivery.c.id))
        return [dict(row._mapping) for row in rows]

    async def messages(self) -> Sequence[Mapping[str, Any]]:
        """All messages with all their columns, in the order they came."""
        rows = await self.tools.journal.queries.all(select(tables.message).order_by(tables.message.c.id))
        return [dict(row._mapping) for row in rows]

    async def idle(self) -> bool:
        """Is nothing in flight?"""
        return (await self.books()).copies["in flight"] == 0

    async def books(self) -> Books:
        return await books(self.tools.journal.queries)

    async def wish(self, wanted: str, channel: str = "test") -> None:
        """Give a channel an operator's command and wait until the engine has followed."""
        await self.tools.journal.writer.command_channel(channel, wanted)
        await self.until(lambda: self.channel(channel).state == wanted, advance_seconds=0.5)


async def _holds(condition: Condition) -> bool:
    result = condition()
    return await result if inspect.isawaitable(result) else result


@asynccontextmanager
async def an_engine(
    channels: Sequence[ChannelPlan],
    store: Path,
    *,
    clock: Clock | None = None,
    log: Log | None = None,
    wrap: Callable[[Journal], Journal] = lambda journal: journal,
    grace_seconds: float = 10.0,
) -> AsyncIterator[RunningEngine]:
    """An engine that runs these channels on the store at this path (made if need be) until the block ends.

    `wrap` puts something between runtime and journal, such as `GatedJournal`. `grace_seconds=0` ends it without
    finishing what is in hand: all of it is cancelled.
    """
    await asyncio.to_thread(upgrade_sqlite, store)
    clock = clock or ManualClock()
    inner = SqliteJournal(store)
    journal = wrap(inner)
    broker = EmbeddedBroker(inner.writer, inner.queries, clock)
    tools = Tools(journal, broker, clock, log or MemoryLog(), lambda: 0.5)
    plans = {plan.name: plan for plan in channels}
    supervisor = Supervisor(Configuration(store.parent, plans, {}, {}), tools)
    await supervisor.start()
    running = asyncio.create_task(supervisor.run())
    try:
        yield RunningEngine(supervisor, clock)
    finally:
        if isinstance(journal, GatedJournal):
            journal.open_gates()
        supervisor.stop()
        await running
        await supervisor.close(grace_seconds)


class Gate:
    """A place where calls wait until it is opened. `reached` says that one does."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def pass_(self) -> None:
        self.reached.set()
        await self._open.wait()


class GatedJournal:
    """A journal whose methods can be made to wait, or to fail.

    `before["accept"]` is awaited before `accept` is handed on, `after["pending"]` before the answer of `pending` is;
    raise in it to make the call fail.
    """

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.after: dict[str, Callable[[], Awaitable[None]]] = {}
        self.calls: list[str] = []
        self._gates: list[Gate] = []
        self.queries = cast(Queries, _Gated(inner.queries, self))
        self.writer = cast(Writer, _Gated(inner.writer, self))

    def gate(self, method: str, *, after: bool = False) -> Gate:
        """A gate before or after a method. It is opened when the engine ends, so that a failed test does not hang."""
        gate = Gate()
        self._gates.append(gate)
        (self.after if after else self.before)[method] = gate.pass_
        return gate

    def open_gates(self) -> None:
        for gate in self._gates:
            gate.open()

    @property
    def partitions(self) -> Partitions | None:
        return self._inner.partitions

    async def open(self) -> None:
        await self._inner.open()

    def forget(self) -> None:
        self._inner.forget()

    async def close(self) -> None:
        await self._inner.close()


class _Gated:
    def __init__(self, inner: Any, owner: GatedJournal) -> None:
        self._inner = inner
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def gated(*args: Any, **kwargs: Any) -> Any:
            self._owner.calls.append(name)
            if name in self._owner.before:
                await self._owner.before[name]()
            result = await method(*args, **kwargs)
            if name in self._owner.after:
                await self._owner.after[name]()
            return result

        return gated
