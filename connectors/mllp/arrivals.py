"""One message between its block and its answer."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from clinical.hl7v2 import Header, Outcome
from connectors.mllp.exchange import HANG_UP, BatchExchange, Exchange, Reply
from connectors.mllp.replies import Replies
from engine import sdk

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Origin(Protocol):
    """The connection that a message came over."""

    peer: str

    def write_answers(self) -> None: ...


class Counter(Protocol):
    """Who counts the messages that have no answer yet."""

    replies: Replies

    def settled(self, size: int) -> None:
        """A message of so many bytes has its verdict: there is room for another one."""
        ...


class MessageExchange(Exchange):
    """A message that was let in, until its verdict is known."""

    __slots__ = ("_batch", "_content", "_counter", "_header", "_origin", "_settled")

    def __init__(
        self, counter: Counter, origin: Origin, content: bytes, header: Header, batch: BatchExchange | None
    ) -> None:
        super().__init__(origin)
        self._origin = origin
        self._counter = counter
        self._content = content
        self._header = header
        self._batch = batch
        self._settled = False

    def arrival(self) -> sdk.Arrival:
        """What the engine gets."""
        return arrival(self._content, self._header, self._origin.peer, self.settle)

    async def settle(self, verdict: sdk.Verdict) -> None:
        """See `Arrival`. The answer is written when all answers before it on the connection are."""
        replies, header, batch = self._counter.replies, self._header, self._batch
        if isinstance(verdict, sdk.Accepted):
            self._finish("A", replies.stored(header, batch))
        elif isinstance(verdict, sdk.Rejected):
            self._finish("E", replies.rejected(header, verdict.text, batch))
        else:
            self._finish(replies.unavailable, replies.later(header, batch))

    def drop(self) -> None:
        """There will be no verdict, and no answer."""
        self._finish("R", HANG_UP)

    def _finish(self, outcome: Outcome, reply: Reply) -> None:
        if self._settled:
            raise RuntimeError("an arrival is settled once only")
        self._settled = True
        self.answer(reply)
        if self._batch is not None:
            self._batch.settled(outcome)
        self._counter.settled(len(self._content))


def arrival(content: bytes, header: Header, peer: str, settle: Callable[[sdk.Verdict], Awaitable[None]]) -> sdk.Arrival:
    """`source_key` is sender and control id (MSH-10); where there is none, an equal body is what makes a re-send."""
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
    order_key = sender if len(sender) > 1 else peer
    return sdk.Arrival(content, sdk.Shape.HL7V2, settle, meta, f"{sender}|{key}", order_key)


class Stamps:
    """Time (MSH-7) and control id (MSH-10) of our own answers.

    Control ids are unique over restarts and no longer than the 20 characters that old versions allow.
    """

    def __init__(self, clock: sdk.Clock) -> None:
        self._clock = clock
        self._prefix = _base36(sdk.to_micros(clock.now()))
        self._number = 0
        self._made_at = float("-inf")
        self._time = ""

    def next(self) -> tuple[str, str]:
        """Control id and time of the next answer; the time, in whole seconds, is half a second old at most."""
        self._number += 1
        now = self._clock.monotonic()
        if now - self._made_at >= 0.5:
            self._made_at, self._time = now, self._clock.now().strftime("%Y%m%d%H%M%S%z")
        return f"{self._prefix}{self._number}", self._time


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
