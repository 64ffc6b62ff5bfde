"""One message between its block and its answer."""

import hashlib
from collections.abc import Awaitable, Callable, Generator
from typing import Final, Protocol

from clinical.hl7v2 import Header, Outcome
from clinical.hl7v2.patient_key import patient_key
from connectors.mllp.exchange import HANG_UP, BatchExchange, Exchange, Reply
from connectors.mllp.replies import Replies
from engine import sdk

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Origin(Protocol):
    """The connection that a message came over."""

    peer: str

    def write_answers(self) -> None: ...

    deferrals: int
    """Messages in a row that could not be stored."""

    def put_off(self, seconds: float) -> None:
        """A message cannot be stored now; its sender should wait so long."""
        ...


class Counter(Protocol):
    """Who counts the messages that have no answer yet."""

    replies: Replies
    by_sender: bool
    """All of a sender stays in order, not the messages of each patient."""

    def settled(self, size: int) -> None:
        """A message of so many bytes has its verdict: there is room for another one."""
        ...


class _Done:
    """What there is to wait for when all is done."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_DONE: Final = _Done()


class MessageExchange(Exchange):
    """A message that was let in, until its verdict is known."""

    __slots__ = ("_batch", "_content", "_counter", "_header", "_origin")

    def __init__(
        self, counter: Counter, origin: Origin, content: bytes, header: Header, batch: BatchExchange | None
    ) -> None:
        self.line = origin
        self.reply = None
        self._origin = origin
        self._counter = counter
        self._content = content
        self._header = header
        self._batch = batch

    def arrival(self) -> sdk.Arrival:
        """What the engine gets."""
        return arrival(self._content, self._header, self._origin.peer, self.settle, self._counter.by_sender)

    def settle(self, verdict: sdk.Verdict) -> Awaitable[None]:
        """See `Arrival`. Done when it returns: the answer is written when all answers before it on the connection
        are."""
        replies, header, batch = self._counter.replies, self._header, self._batch
        if isinstance(verdict, sdk.Accepted):
            self._origin.deferrals = 0
            self._finish("A", replies.stored(header, batch))
        elif isinstance(verdict, sdk.Rejected):
            self._finish("E", replies.rejected(header, verdict.text, batch))
        else:
            self._origin.put_off(verdict.after_seconds)
            self._finish(replies.unavailable, replies.later(header, batch))
        return _DONE

    def drop(self) -> None:
        """There will be no verdict, and no answer."""
        self._finish("R", HANG_UP)

    def _finish(self, outcome: Outcome, reply: Reply) -> None:
        if self.reply is not None:
            raise RuntimeError("an arrival is settled once only")
        self.reply = reply
        self._origin.write_answers()
        if self._batch is not None:
            self._batch.settled(outcome)
        self._counter.settled(len(self._content))


def arrival(
    content: bytes, header: Header, peer: str, settle: Callable[[sdk.Verdict], Awaitable[None]], by_sender: bool
) -> sdk.Arrival:
    """`source_key` is sender and control id (MSH-10); where there is none, an equal body is what makes a re-send.

    `order_key` is the sender's patient, or the sender as a whole: `by_sender`, and where no patient is named.
    """
    sender = f"{header.sending_application}|{header.sending_facility}"
    control_id = header.control_id
    meta = {
        "control_id": control_id,
        "message_type": header.message_type,
        "sender": sender,
        "version": header.version,
        "peer": peer,
    }
    key = control_id or hashlib.sha256(content).hexdigest()
    whose = sender if len(sender) > 1 else peer
    patient = None if by_sender else patient_key(content, header)
    order_key = f"{whose}|{patient}" if patient else whose
    return sdk.Arrival(content, sdk.Shape.HL7V2, settle, meta, f"{sender}|{key}", order_key)


class Stamps:
    """Time (MSH-7) and control id (MSH-10) of our own answers.

    Control ids are unique over restarts and no longer than the 20 characters that old versions allow.
    """

    def __init__(self, clock: sdk.Clock) -> None:
        self._clock = clock
        self._now = clock.monotonic
        self._prefix = _base36(sdk.to_micros(clock.now()))
        self._number = 0
        self._made_at = float("-inf")
        self._time = ""

    def next(self) -> tuple[str, str]:
        """Control id and time of the next answer; the time, in whole seconds, is half a second old at most."""
        self._number += 1
        if (now := self._now()) - self._made_at >= 0.5:
            self._made_at, self._time = now, self._clock.now().strftime("%Y%m%d%H%M%S%z")
        return f"{self._prefix}{self._number}", self._time


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
