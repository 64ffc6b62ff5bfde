"""What goes back to a sender: which acknowledgement, if any, and the commit bytes of MLLP release 2 where wanted."""

from collections.abc import Callable
from typing import Final, NamedTuple

from clinical.hl7v2 import Header, Outcome, answer_code, asks_for_both, plain_answer
from connectors.mllp.admission import NotTaken, answer
from connectors.mllp.exchange import HANG_UP, SILENCE, BatchExchange, Reply
from connectors.mllp.framing import enclose
from connectors.mllp.settings import ListenerSettings

_END_BYTE: Final = b"\x1c"
COMMITTED: Final = enclose(b"\x06")
NOT_COMMITTED: Final = enclose(b"\x15")


class Reason(NamedTuple):
    """What ERR says: a text for a person, a code of table 0357 and a path."""

    text: str | None = None
    error_code: str | None = None
    location: str | None = None


_NONE: Final = Reason()
_LATER: Final = Reason("the message is not stored; send it again later")


class Replies:
    """Composes answers by the settings of one listener. `stamp` gives the control id and time of the next one."""

    def __init__(self, settings: ListenerSettings, stamp: Callable[[], tuple[str, str]]) -> None:
        self._enhanced = settings.acknowledge != "original"
        self._both = settings.acknowledge == "both"
        self._commit_bytes = settings.commit_bytes
        self._plain = not (self._enhanced or self._commit_bytes)
        self._batches = settings.batches
        self._unavailable = settings.when_unavailable
        self._stamp = stamp

    def stored(self, to: Header, batch: BatchExchange | None = None) -> Reply:
        """The journal has the message. A hot path."""
        if self._plain and batch is None:
            control_id, time = self._stamp()
            if to.control_id and (parts := plain_answer(to, "AA")):
                before, between, behind = parts
                text = f"\x0b{before}{time}{between}{control_id}{behind}{to.control_id}\r\x1c\r"
                data = text.encode(to.codec, "replace")
                if data.find(_END_BYTE) == len(data) - 2:
                    return Reply(data)
            return Reply(answer(to, "AA", control_id, time))
        return self._reply(to, "A", _NONE, batch)

    def rejected(self, to: Header, text: str, batch: BatchExchange | None = None) -> Reply:
        """It will never be taken as it is."""
        return self._reply(to, "E", Reason(text), batch)

    def later(self, to: Header, batch: BatchExchange | None = None) -> Reply:
        """It cannot be stored now. Where no answer is wanted the connection ends: silence would look like success."""
        if self._unavailable == "close":
            return HANG_UP
        reply = self._reply(to, self.unavailable, _LATER, batch)
        as_a_whole = batch is not None and (self._batches == "one" or self._commit_bytes)
        return reply if reply.data or as_a_whole else HANG_UP

    @property
    def unavailable(self) -> Outcome:
        """The outcome of a message that cannot be stored now."""
        return "E" if self._unavailable == "AE" else "R"

    def refused(self, refusal: NotTaken, batch: BatchExchange | None = None) -> Reply:
        """It was not let in."""
        reason = Reason(refusal.text, refusal.error_code, refusal.location)
        return self._reply(refusal.header, refusal.outcome, reason, batch)

    def batch(self, exchange: BatchExchange) -> Reply:
        """See `BatchReplies`."""
        if self._batches != "one":
            return Reply(self._commit(exchange.worst))
        outcome, reason = exchange.worst, _NONE
        count = len(exchange.batch.messages)
        if exchange.failed:
            reason = Reason(f"{exchange.failed} of {count} messages were not taken; send the batch again")
        elif not exchange.batch.complete:
            outcome = "E"
            reason = Reason(f"{count} messages came and are stored, but BTS-1 says {exchange.batch.declared}")
        reply = self._whole(exchange.header, outcome, reason)
        return reply if reply.data or not exchange.failed else HANG_UP

    def _reply(self, to: Header, outcome: Outcome, reason: Reason, batch: BatchExchange | None) -> Reply:
        if batch is None:
            return self._whole(to, outcome, reason)
        if self._batches in ("one", "none") or (self._batches == "errors" and outcome == "A"):
            return SILENCE
        return Reply(self._acknowledgement(to, outcome, reason))

    def _whole(self, to: Header, outcome: Outcome, reason: Reason) -> Reply:
        """The answer to a whole block."""
        return Reply(self._commit(outcome) + self._acknowledgement(to, outcome, reason))

    def _commit(self, outcome: Outcome) -> bytes:
        if not self._commit_bytes:
            return b""
        return COMMITTED if outcome == "A" else NOT_COMMITTED

    def _acknowledgement(self, to: Header, outcome: Outcome, reason: Reason) -> bytes:
        code = answer_code(to, outcome, enhanced=self._enhanced)
        if code is None:
            return b""
        first = answer(to, code, *self._stamp(), *reason)
        if self._both and outcome == "A" and asks_for_both(to):
            return first + answer(to, "AA", *self._stamp(), quiet=True)
        return first
