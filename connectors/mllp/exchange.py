"""The places of answers on a connection: one for each message, and one for a batch behind those of its messages."""

from typing import Final, Protocol

import msgspec

from clinical.hl7v2 import Batch, Header, Outcome

_ORDER: Final = "AER"  # from good to bad


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What is written for one message: bytes (none: no answer is wanted), and whether the connection ends there."""

    data: bytes
    ends: bool = False


HANG_UP: Final = Reply(b"", ends=True)
SILENCE: Final = Reply(b"")


class Line(Protocol):
    """The connection, as its exchanges see it."""

    def write_answers(self) -> None:
        """Write what is ready, up to the first answer that is not."""
        ...


class Exchange:
    """The place of one message's answer among the answers of its connection."""

    __slots__ = ("line", "reply")

    def __init__(self, line: Line, reply: Reply | None = None) -> None:
        self.line = line
        self.reply = reply
        """None: not known yet."""

    def answer(self, reply: Reply) -> None:
        """Say what is to be written; it goes out when all answers before it have."""
        self.reply = reply
        self.line.write_answers()


class BatchReplies(Protocol):
    """Who writes the answer to a whole batch."""

    def batch(self, exchange: "BatchExchange") -> Reply:
        """The last answer of a batch, all its messages being settled."""
        ...


class BatchExchange(Exchange):
    """The place of a batch's own answer. It is known when every message has been taken and settled."""

    __slots__ = ("_all_taken", "_open", "_replies", "batch", "failed", "worst")

    def __init__(self, line: Line, batch: Batch, replies: BatchReplies) -> None:
        super().__init__(line)
        self.batch = batch
        self.worst: Outcome = "A"
        self.failed = 0
        self._replies = replies
        self._open = 0
        self._all_taken = False

    @property
    def header(self) -> Header:
        return self.batch.header

    def taking(self) -> None:
        """One more of its messages is under way."""
        self._open += 1

    def settled(self, outcome: Outcome) -> None:
        """One of them has its outcome."""
        self._open -= 1
        if outcome != "A":
            self.failed += 1
        if _ORDER.index(outcome) > _ORDER.index(self.worst):
            self.worst = outcome
        self._perhaps_answer()

    def all_taken(self) -> None:
        """No more of its messages will come."""
        self._all_taken = True
        self._perhaps_answer()

    def _perhaps_answer(self) -> None:
        if self._all_taken and not self._open:
            self.answer(self._replies.batch(self))
