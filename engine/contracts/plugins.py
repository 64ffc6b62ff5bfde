"""What a plugin must do. Each docstring is the contract that the kits in `engine.testing` check."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec
from sqlalchemy import Executable

from engine.model.clock import Clock
from engine.model.delivery import Delivery
from engine.model.errors import EngineError
from engine.model.message import Message, Shape
from engine.model.outcome import Answer, Drop, Keep, StepOutput, Verdict


class Cursors(Protocol):
    """Where a polling source keeps how far it has read. Small values, in the journal, by name within one channel."""

    async def get(self, name: str) -> str | None: ...

    async def put(self, name: str, value: str) -> None:
        """Durable when it returns."""
        ...


class Log(Protocol):
    """Structured log of one plugin. Events are fixed words; only fields of the allow-list are written (law 9)."""

    def debug(self, event: str, **fields: Any) -> None: ...
    def info(self, event: str, **fields: Any) -> None: ...
    def warning(self, event: str, **fields: Any) -> None: ...
    def error(self, event: str, **fields: Any) -> None: ...


def _nobody_hears(_trouble: str | None) -> None:
    """For plugins that nobody watches, as in tests."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What the engine hands to a source or destination when it builds it."""

    channel: str
    name: str
    clock: Clock
    cursors: Cursors
    log: Log
    random: Callable[[], float]
    shares_ports: bool = False
    """Other processes of the same engine listen on the same ports: the system spreads connections over them."""
    waits_for: Callable[[str | None], None] = _nobody_hears
    """Say in a sentence what the plugin waits for, as long as it cannot work (`islet channel list` shows it); None: it
    works again."""


class Arrival(msgspec.Struct):
    """A message at the door, before the journal has it.

    `settle` is called exactly once, by ingest, with the verdict; only `Accepted` is a promise to the sender.
    `source_key` recognises a re-send (with an equal body: a duplicate; with another body: a new message, marked).
    """

    body: bytes
    shape: Shape
    settle: Callable[[Verdict], Awaitable[None]]
    meta: Mapping[str, str] = msgspec.field(default_factory=dict)
    source_key: str | None = None
    order_key: str | None = None

    def __repr__(self) -> str:
        return f"<arrival of {len(self.body)} bytes, {self.shape}>"


class FieldReader(Protocol):
    """How conditions in YAML look into bodies of one shape (`OBX-3.1`, `records[].value`)."""

    def check(self, path: str) -> str | None:
        """None if the path is well formed, else what is wrong with it and what to write."""
        ...

    def values(self, message: Message, path: str) -> Sequence[str]:
        """Every value at the path as text, in order; none if there is nothing. Raises InvalidMessage if the body
        cannot be read at all."""
        ...


class Source(Protocol):
    """Where messages come from. Built as `factory(settings, context)`."""

    def deliveries(self) -> AsyncIterator[Arrival]:
        """Open, then yield arrivals until closed. The engine takes the next only when it has room for it (law 8).

        Raises NeedsOperator to pause the channel, ConfigError if it can never work; anything else: opened again
        with back-off.
        """
        ...

    async def close(self) -> None:
        """Take no more from outside and let go of ports and files. What was yielded can still be settled.

        Safe without `deliveries` and safe twice. `deliveries` ends soon after.
        """
        ...


@runtime_checkable
class PromptSource(Source, Protocol):
    """A source that can hand an arrival over at the moment it comes, a turn of the event loop before `deliveries`
    could yield it."""

    def hand_to(self, take: Callable[[Arrival], bool]) -> None:
        """Called once, before `deliveries`. `take` never waits. True: the arrival is taken, as if it had been yielded.
        False: there is no room now, and it is to be yielded, before any later one is handed over."""
        ...


FilterFunction = Callable[[Message, Any], Keep | Drop]
"""Pure: `(message, settings) -> Keep | Drop(reason)`."""

TransformerFunction = Callable[[Message, Any], StepOutput | Sequence[StepOutput] | None]
"""Pure and synchronous: `(message, settings) -> outputs`; nothing means filtered. Raises InvalidMessage & co."""


class Transaction(Protocol):
    """The transaction that will commit the outcome of the message in hand, together with its keys (law 6)."""

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]:
        """Run a SQLAlchemy Core statement; rows of a query, or none. Many parameter sets run as one batch."""
        ...


StatefulFunction = Callable[[Message, Any, Transaction], Awaitable[StepOutput | Sequence[StepOutput] | None]]
"""`async (message, settings, tx) -> outputs`. Effects only through `tx`: an error undoes them."""


class Destination(Protocol):
    """Where outputs go. Built as `factory(settings, context)`; the engine owns retries, breaker and order."""

    async def open(self) -> None:
        """Get ready. Must not fail because the other side is down: that is for `send` to find out."""
        ...

    async def send(self, delivery: Delivery) -> Answer:
        """Return only when the other side has it; else raise an error word. May be called again with the same
        `delivery.id`, so the effect must be recognisable by it. Calls run at once up to the channel's `at_once`."""
        ...

    async def close(self) -> None:
        """Safe without `open` and safe twice."""
        ...


class BatchDestination(Destination, Protocol):
    """A destination that can take several deliveries in one call."""

    @property
    def batch_size(self) -> int:
        """How many deliveries `send_many` is given at most."""
        ...

    async def send_many(self, deliveries: Sequence[Delivery]) -> Sequence[Answer | EngineError]:
        """One answer or error word for each, in order. Raising one stands for all of them."""
        ...
