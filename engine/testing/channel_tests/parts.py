"""The ends of a channel under test: a door that is fed by hand, and destinations whose other side follows a script.

A source or destination may help by methods of its own, so that the test is as close to the real thing as can be:

- a source's `rehearse(body, meta) -> Arrival` gives the keys that a re-send is recognised by, and raises Refused for
  what it would not take at the door; `rehearse_reply(verdict)` is what the sender is told (None: not taken);
- a destination's `rehearse(delivery, word) -> Answer` raises the error word that an answer in its protocol's words
  (`AE`, `429`) stands for, and ValueError for a word that it does not know;
- a destination that writes files has `rehearse_in(folder)`, which gives one like itself that writes there: what is not
  answered by the script is really written, and a test can look at it.

None of them touches the network.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from engine.config.names import there_are
from engine.config.plan import Bound, ChannelPlan, DestinationPlan
from engine.contracts.plugins import Arrival, PluginContext
from engine.model.delivery import Delivery
from engine.model.errors import (
    EngineError,
    NeedsReview,
    NotPermitted,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
)
from engine.model.message import Shape
from engine.model.outcome import Accepted, Answer, Deferred, Rejected, Verdict
from engine.model.settings import NoSettings, Settings
from engine.plugins.plugin import destination, source
from engine.testing.channel_tests.written import WritesInto

WORDS: Final[Mapping[str, Callable[[], EngineError] | None]] = {
    "delivered": None,
    "retry": lambda: Unavailable("the other side cannot take it now", code="scripted-retry"),
    "hold": lambda: Refused("the other side will never take it", code="scripted-hold"),
    "review": lambda: NeedsReview("the other side asks for a person", code="scripted-review"),
    "defer": lambda: NotPermitted("the other side does not permit it", code="scripted-defer"),
    "throttle": lambda: Throttled("the other side asks for patience", after_seconds=30.0, code="scripted-throttle"),
    "no_answer": lambda: Unavailable("the other side did not answer", code="no-answer"),
    "unreachable": lambda: Unreachable("the other side is not there", code="unreachable"),
}
"""Answers that every destination understands, beside those of its own protocol."""


class Door:
    """A source that yields what the test hands in."""

    def __init__(self, shape: Shape, real: Any = None) -> None:
        self._shape = shape
        self._real = real
        self._arrivals: asyncio.Queue[Arrival | None] = asyncio.Queue()

    async def hand_in(self, body: bytes, meta: Mapping[str, str]) -> str:
        """Returns what the sender is told, when the journal has it or it was turned away."""
        told: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        async def settle(verdict: Verdict) -> None:
            told.set_result(verdict)

        try:
            arrival = self._arrival(body, meta)
        except Refused:
            return self._reply(None)
        arrival.settle = settle
        self._arrivals.put_nowait(arrival)
        return self._reply(await told)

    async def deliveries(self) -> AsyncIterator[Arrival]:
        while (arrival := await self._arrivals.get()) is not None:
            yield arrival

    async def close(self) -> None:
        self._arrivals.put_nowait(None)

    def _arrival(self, body: bytes, meta: Mapping[str, str]) -> Arrival:
        if not hasattr(self._real, "rehearse"):
            return Arrival(body, self._shape, _nobody, meta)
        arrival: Arrival = self._real.rehearse(body, meta)
        arrival.meta = {**arrival.meta, **meta}
        return arrival

    def _reply(self, verdict: Verdict | None) -> str:
        if hasattr(self._real, "rehearse_reply"):
            return str(self._real.rehearse_reply(verdict))
        words = {Accepted: "accepted", Rejected: "rejected", Deferred: "deferred"}
        return "rejected" if verdict is None else words[type(verdict)]


async def _nobody(_verdict: Verdict) -> None:
    """Replaced before the engine sees the arrival."""


class Scripted:
    """A destination whose other side answers by script, and takes everything when the script is at its end.

    `writes`: where what it takes is written, if it is one that writes.
    """

    def __init__(self, real: Any, script: Sequence[str], writes: WritesInto | None = None) -> None:
        self._real = real
        self.writes = writes
        self._script = list(script)
        self._next = 0
        self.calls: list[Sequence[Delivery]] = []
        self.trouble: str | None = None

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong with the script itself."""
        if self.trouble is None and self._next < len(self._script):
            left = len(self._script) - self._next
            return [f"answers: {left} of {len(self._script)} were never asked for; take them out"]
        return [self.trouble] if self.trouble else []

    async def open(self) -> None:
        """There is nobody to connect to."""

    async def close(self) -> None:
        """See `open`."""

    async def send(self, delivery: Delivery) -> Answer:
        self.calls.append([delivery])
        if self.writes is None:
            return self._answer(delivery)
        received = self.writes.came(delivery)
        self._answer(delivery)
        return await self.writes.send(received)

    def _answer(self, delivery: Delivery) -> Answer:
        if self._next >= len(self._script):
            return Answer("delivered")
        number, word = self._next, self._script[self._next]
        self._next += 1
        known = there_are([*WORDS])
        try:
            if hasattr(self._real, "rehearse"):
                answer: Answer = self._real.rehearse(delivery, word)
                return answer
        except ValueError as error:
            known = f"{error}; for any destination {known}"
        if word.replace("-", "_") not in WORDS:
            self.trouble = f"answers[{number}]: `{word}` is no answer of this destination: {known}"
            raise Refused("the script holds an answer that is not known", code="script")
        if (error_word := WORDS[word.replace("-", "_")]) is not None:
            raise error_word()
        return Answer("delivered")


class ScriptedBatches(Scripted):
    """As Scripted, for a destination that takes several at once; each delivery gets the next answer."""

    @property
    def batch_size(self) -> int:
        return int(self._real.batch_size)

    async def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Answer | EngineError]:
        self.calls.append(list(deliveries))
        return [self._result(delivery) for delivery in deliveries]

    def _result(self, delivery: Delivery) -> Answer | EngineError:
        try:
            return self._answer(delivery)
        except EngineError as error:
            return error


def under_test(
    plan: ChannelPlan, context: PluginContext, answers: Mapping[str, Sequence[str]], folder: Path
) -> tuple[ChannelPlan, Door, Mapping[str, Scripted]]:
    """The plan with its ends replaced; filter, steps, retries, lanes and breakers stay as they are. Below `folder`
    there is room for what destinations write."""
    door = Door(plan.shape, _built(plan.source, context))
    scripted: dict[str, Scripted] = {}
    for one in plan.destinations:
        real = _built(one.bound, context)
        kind = ScriptedBatches if hasattr(real, "batch_size") else Scripted
        writes = WritesInto(real, folder / one.name, context.clock) if hasattr(real, "rehearse_in") else None
        scripted[one.name] = kind(real, answers.get(one.name, ()), writes)
    ends = tuple(_with_end(one, scripted[one.name]) for one in plan.destinations)
    hand = Bound("hand", source("hand", lambda _settings, _context: door, emits=plan.shape), NoSettings())
    return replace(plan, source=hand, destinations=ends), door, scripted


def _built(bound: Bound | None, context: PluginContext) -> Any:
    return bound.plugin.implementation(bound.settings, context) if bound else None


def _with_end(plan: DestinationPlan, end: Scripted) -> DestinationPlan:
    def build(_settings: Settings, _context: PluginContext) -> Scripted:
        return end

    return replace(plan, bound=Bound(plan.name, destination("scripted", build), NoSettings()))
