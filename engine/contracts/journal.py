"""The journal: the truth about every message. Writing and reading are apart; the console only reads."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Protocol

from msgspec import field
from msgspec.structs import replace

from engine.contracts.plugins import Transaction
from engine.model.delivery import Delivery
from engine.model.errors import EngineError
from engine.model.lane import Lane
from engine.model.message import Message
from engine.model.outcome import Answer, Tally
from engine.model.share import WHOLE, Share
from engine.model.states import DeliveryState, MessageState
from engine.model.value import Value


class Receipt(Value, frozen=True, gc=False):
    """What became of an accepted message. `duplicate_of`: the same source key and body were there before; `key_reused`:
    the same key was, with another body."""

    id: str
    duplicate_of: str | None = None
    key_reused: bool = False


class Failure(Value, frozen=True, gc=False):
    """Why a copy did not go on; `text` is ours, `detail` the peer's (journal only)."""

    hidden: ClassVar = frozenset({"detail"})

    code: str
    text: str
    path: str | None = None
    detail: str | None = None
    fingerprint: str | None = None

    @classmethod
    def of(cls, error: EngineError, fingerprint: str | None = None) -> "Failure":
        return cls(error.code, error.text, error.path, error.detail, fingerprint)


class Child(Value, frozen=True, gc=False):
    """A new message to be stored with an outcome: RECEIVED in the channel it is routed to, or set aside."""

    message: Message
    state: MessageState = MessageState.RECEIVED
    failure: Failure | None = None


class ProcessOutcome(Value, frozen=True, gc=False):
    """Everything that one pass of `process` decided about one message; committed whole or not at all."""

    message_id: str
    state: MessageState
    children: Sequence[Child] = ()
    deliveries: Sequence[Delivery] = ()
    failure: Failure | None = None
    reason: str | None = None
    attempts: int = 1
    tally: Tally = field(default_factory=dict)


class DeliveryOutcome(Value, frozen=True, gc=False):
    """What one attempt to deliver came to."""

    delivery_id: str
    state: DeliveryState
    attempt: int
    answer: Answer | None = None
    failure: Failure | None = None
    due_at: datetime | None = None


class PendingDelivery(Value, frozen=True, gc=False):
    """A delivery in flight; `delivery.attempt` is the next one."""

    delivery: Delivery
    due_at: datetime | None = None

    def after(self, outcome: DeliveryOutcome) -> "PendingDelivery":
        """The same delivery after an attempt that is to be followed by another."""
        return PendingDelivery(replace(self.delivery, attempt=outcome.attempt + 1), outcome.due_at)


class OutcomeTransaction(Transaction, Protocol):
    """A transaction of the journal in which stateful steps run and outcomes are committed."""

    async def lock(self, message_ids: Sequence[str]) -> Collection[str]:
        """Those of the messages that are still in flight. Nobody else can finish them before this transaction ends."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What runs inside is undone if it raises; the rest of the transaction stands."""
        ...

    async def commit_outcomes(self, outcomes: Sequence[ProcessOutcome]) -> Sequence[str]:
        """As `Writer.commit_outcomes`, inside this transaction."""
        ...


class Writer(Protocol):
    """The one way to change the journal. Calls that arrive within a moment share one commit.

    Every method raises Unavailable when the store cannot commit (disk full, locked, gone): then nothing was written.
    """

    async def accept(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Store messages as RECEIVED, durably, in order. A source key seen before with the same body becomes a
        DUPLICATE row; with another body it is stored and marked `control-id-reused` in its meta."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[OutcomeTransaction]:
        """One transaction of its own; committed at the end, rolled back on an exception."""
        ...

    async def commit_outcomes(self, outcomes: Sequence[ProcessOutcome]) -> Sequence[str]:
        """Store outcomes with their children and deliveries. Only messages still in flight change: the ids of
        those that did are returned, so a second worker's outcome for the same message is left out whole."""
        ...

    async def commit_deliveries(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Store attempts. Only deliveries still in flight change."""
        ...

    async def put_cursor(self, channel: str, name: str, value: str, fence: tuple[str, int] | None = None) -> None:
        """`fence`: name and token of the lease under which it is read. Raises Refused (`lease-lost`) if somebody else
        has had the lease since."""
        ...

    async def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Take what nobody holds, or hold on to one's own; until `seconds` from now by the store's clock. The token
        grows with each new holder. None: somebody else has it."""
        ...

    async def renew_leases(self, holder: str, seconds: float) -> Sequence[str]:
        """All of a holder's leases that have not run out go on; their names."""
        ...

    async def drop_lease(self, name: str, holder: str) -> None:
        """Give it back; nothing happens if it is somebody else's."""
        ...

    async def report_channel(self, channel: str, actual: str, text: str | None = None) -> None:
        """Say what a channel is doing: running, paused, stopped, failed."""
        ...

    async def command_channel(self, channel: str, wanted: str) -> None:
        """Ask for running, paused or stopped; the engine that runs the channel follows."""
        ...

    async def release(self, message_ids: Sequence[str], delivery_ids: Sequence[str]) -> None:
        """Put held, deferred or reviewed copies back on the road, in place, with fresh attempts."""
        ...

    async def add_operation(self, row: Sequence[Any]) -> None:
        """Write down what a person did: id, at (µs), who, verb, reason, touched (JSON)."""
        ...


class NewestSent(NamedTuple):
    """What has been sent of one key in one lane: the greatest id of a delivery, and of a message one was made of."""

    order_key: str
    lane: Lane
    delivery_id: str
    message_id: str


class Queries(Protocol):
    """Reading the journal."""

    async def pending(self, ids: Sequence[str]) -> Sequence[Message]:
        """Those of these messages that are in flight, in the order they were received."""
        ...

    async def pending_deliveries(self, ids: Sequence[str]) -> Sequence[PendingDelivery]:
        """Those of these deliveries that are in flight, in the order they were made."""
        ...

    async def portions(self, ids: Sequence[str], most_bytes: int) -> Sequence[Sequence[str]]:
        """These messages, cut where more would hold over `most_bytes` of bodies; one that is larger stands alone. What
        `pending` of a portion then reads fits into memory, whatever a channel's messages weigh."""
        ...

    async def delivery_portions(self, ids: Sequence[str], most_bytes: int) -> Sequence[Sequence[str]]:
        """As `portions`, of deliveries."""
        ...

    async def lane(
        self, channel: str, destination: str, order_key: str, limit: int, lane: Lane = Lane.LIVE
    ) -> Sequence[PendingDelivery]:
        """The deliveries in flight of one key to one destination in one lane, oldest first."""
        ...

    async def newest_sent(
        self, channel: str, destination: str, order_keys: Sequence[str], after: str
    ) -> Sequence[NewestSent]:
        """Of what this destination has for these keys, and was made after the id `after`: the newest of each lane."""
        ...

    async def in_flight(
        self, channel: str, after: str, limit: int, share: Share = WHOLE, lane: Lane = Lane.LIVE
    ) -> Sequence[str]:
        """Ids of the channel's messages in flight and greater than `after`, in order; of one share of its work, and
        one lane."""
        ...

    async def deliveries_in_flight(
        self, channel: str, destination: str, after: str, limit: int, share: Share = WHOLE, lane: Lane = Lane.LIVE
    ) -> Sequence[str]: ...

    async def lease_holders(self, prefix: str) -> Sequence[str]:
        """Who holds the leases whose names begin so."""
        ...

    async def cursor(self, channel: str, name: str) -> str | None: ...

    async def channel_commands(self) -> Mapping[str, str]:
        """Channel → what an operator wants of it, where one has said so."""
        ...

    async def all(self, statement: Any) -> Sequence[Any]:
        """Rows of a SQLAlchemy select of the caller's own: for audits and people."""
        ...

    async def row(self, table: str, id_: str) -> Mapping[str, Any] | None:
        """One message or delivery with all its columns, for people."""
        ...


class Stretch(Value, frozen=True, gc=False, order=True):
    """The ids from `start` up to, not including, `end`."""

    start: str
    end: str


class Dropped(Value, frozen=True, gc=False):
    """What pruning took away for good. `moved`: rows that stayed, and lie elsewhere now."""

    messages: int
    deliveries: int
    moved: int = 0


class Partitions(Protocol):
    """Where messages, deliveries and attempts lie in partitions by time, so that old ones go at once."""

    async def make_ahead(self, now: datetime, weeks: int = 4) -> Sequence[str]:
        """Partitions for this week and some more, so far as they are missing; their names. Raises Unavailable."""
        ...

    async def stretches(self) -> Sequence[Stretch]:
        """Those that are there, oldest first."""
        ...

    async def drop(self, stretch: Stretch, channels: Collection[str]) -> Dropped | None:
        """Drop one whole, counting what goes in `pruned`. The time of everything in it must be up.

        Families of which something waits, is in flight, has its body, lies outside of the stretch or is none of these
        channels' stay. None: too many do, or it is not there any more; nothing was done. Raises Unavailable.
        """
        ...


class Journal(Protocol):
    """Opens and closes both sides."""

    @property
    def partitions(self) -> Partitions | None:
        """None where there are none."""
        ...

    @property
    def writer(self) -> Writer: ...

    @property
    def queries(self) -> Queries: ...

    async def open(self) -> None: ...

    def forget(self) -> None:
        """Other engines may have worked on what is remembered of copies in flight: read it again."""
        ...

    async def close(self) -> None: ...
