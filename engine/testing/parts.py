"""Parts for tests of the data path: a source fed by hand, a destination that answers by script, small channels."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from engine.config.plan import Bound, ChannelPlan, DestinationPlan
from engine.contracts.plugins import Arrival, PluginContext
from engine.model.delivery import Delivery
from engine.model.errors import EngineError
from engine.model.lane import Lane
from engine.model.message import Message, Shape
from engine.model.outcome import KEEP, Answer, Drop, Keep, Verdict
from engine.model.retry import RetryPolicy
from engine.model.settings import NoSettings, Settings
from engine.plugins.plugin import Plugin, destination, source


class HandSource:
    """Yields what `give` hands in; `give` returns the verdict."""

    def __init__(self) -> None:
        self._arrivals: asyncio.Queue[Arrival | None] = asyncio.Queue()
        self._open = False
        self.taken = 0

    async def give(
        self,
        body: bytes,
        *,
        source_key: str | None = None,
        order_key: str | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> Verdict:
        return await self.offer(body, source_key=source_key, order_key=order_key, meta=meta)

    def offer(
        self,
        body: bytes,
        *,
        source_key: str | None = None,
        order_key: str | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> "asyncio.Future[Verdict]":
        """Hand in without waiting; the future is the verdict."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        async def settle(given: Verdict) -> None:
            verdict.set_result(given)

        self._arrivals.put_nowait(Arrival(body, Shape.BYTES, settle, meta or {}, source_key, order_key))
        return verdict

    async def deliveries(self) -> AsyncIterator[Arrival]:
        self._open = True
        while (arrival := await self._arrivals.get()) is not None:
            self.taken += 1
            yield arrival

    async def close(self) -> None:
        if self._open:  # a second end would meet whoever opens the source again
            self._open = False
            self._arrivals.put_nowait(None)


class ScriptedDestination:
    """Answers each call with the next of `script` (an Answer, an error word, or a function of the delivery), then AA.

    `sent` lists the bodies that were answered, `calls` every attempt.
    """

    def __init__(self, script: Sequence[Answer | EngineError | Callable[[Delivery], Answer]] = ()) -> None:
        self._script = list(script)
        self.calls: list[Delivery] = []
        self.sent: list[bytes] = []
        self.changed = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def open(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to let go."""

    async def send(self, delivery: Delivery) -> Answer:
        self.calls.append(delivery)
        self.changed.set()
        if self.gate is not None:
            await self.gate.wait()
        result = self._script.pop(0) if self._script else Answer("AA")
        if isinstance(result, EngineError):
            raise result
        answer = result(delivery) if callable(result) else result
        self.sent.append(delivery.body)
        self.changed.set()
        return answer

    async def until(self, condition: Callable[["ScriptedDestination"], bool]) -> None:
        """Wait until the condition holds; for tests."""
        while not condition(self):
            self.changed.clear()
            await self.changed.wait()


def keep_all(_message: Message) -> Keep | Drop:
    return KEEP


def a_destination(
    part: Any,
    name: str = "out",
    *,
    retry: RetryPolicy | None = None,
    at_once: int = 4,
    in_order: bool = True,
    breaker_failures: int = 1000,
) -> DestinationPlan:
    """A destination plan around a ready instance."""
    plugin = destination("scripted", lambda _settings, _context: part)
    return DestinationPlan(
        Bound(name, plugin, NoSettings()),
        retry=retry or RetryPolicy(attempts=3, first_wait_seconds=1.0, jitter=0.0),
        at_once=at_once,
        in_order=in_order,
        breaker_failures=breaker_failures,
    )


def a_channel(
    name: str = "test",
    *,
    source_part: Any = None,
    steps: Sequence[tuple[Plugin[Any], Settings]] = (),
    destinations: Sequence[DestinationPlan] = (),
    feeds: Sequence[str] = (),
    keep: Callable[[Message], Keep | Drop] = keep_all,
    shape: Shape = Shape.BYTES,
    when_it_fails: str = "hold",
    holds_up_to: int = 1000,
    order_wait_seconds: float = 0.0,
    lane: Lane = Lane.LIVE,
) -> ChannelPlan:
    """A channel plan around ready instances."""

    def build(_settings: Settings, _context: PluginContext) -> Any:
        return source_part

    door = Bound("hand", source("hand", build, emits=shape), NoSettings()) if source_part is not None else None
    return ChannelPlan(
        name=name,
        description="",
        shape=shape,
        source=door,
        keep=keep,
        steps=tuple(Bound(plugin.name, plugin, settings) for plugin, settings in steps),
        destinations=tuple(destinations),
        feeds=tuple(feeds),
        when_it_fails=when_it_fails,
        holds_up_to=holds_up_to,
        order_wait_seconds=order_wait_seconds,
        lane=lane,
    )
