"""One connection to a receiver: a window of messages under way, and no answer taken for another message's."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast

from clinical.hl7v2 import AckReply, Hl7Error, parse_ack
from connectors.mllp.framing import Decoder, FrameTooLarge
from connectors.mllp.sockets import keep_alive
from engine import sdk

_ANSWER_BYTES: Final = 1_000_000
_COMMIT: Final = b"\x06"
_NO_COMMIT: Final = b"\x15"
_DETAIL_BYTES: Final = 500


class NoAnswer(Exception):
    """Nobody knows if the receiver has the message. `code` says how the wait ended, `error` what ended it."""

    def __init__(self, code: str, text: str, error: BaseException | None = None) -> None:
        self.code = code
        self.text = text
        self.error = error
        super().__init__(text)


class WrongAnswer(Exception):
    """An answer came that is for none of our messages."""


class Rubbish(Exception):
    """Something came that is no answer. `detail` holds how it begins: not to be logged."""

    def __init__(self, text: str, detail: str) -> None:
        self.text = text
        self.detail = detail
        super().__init__(text)


class NotCommitted(Exception):
    """The receiver's transport says (MLLP release 2) that the message is not in safe storage."""


class SentIds:
    """Control ids that went out lately, over all connections of one sender: what a late answer may be for."""

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._ids: dict[str, None] = {}

    def add(self, control_id: str) -> None:
        self._ids.pop(control_id, None)
        self._ids[control_id] = None
        if len(self._ids) > self._size:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, control_id: str) -> bool:
        return control_id in self._ids


class Habits(Protocol):
    """What is agreed with a receiver, `SenderSettings`' own."""

    @property
    def wait_for_ack(self) -> float:
        """Seconds."""
        ...

    @property
    def delivered_by(self) -> str:
        """`answer`, or `commit`: the byte 06 of MLLP release 2."""
        ...

    @property
    def empty_msa_2(self) -> bool:
        """Does an answer with an empty MSA-2 count for the one message under way?"""
        ...


@dataclass(frozen=True, slots=True)
class _Wait:
    answer: "asyncio.Future[AckReply]"
    deadline: float


class Client(asyncio.Protocol):
    """Whatever ends an exchange without its own answer also ends the connection, before anything else is sent:
    so an answer that comes too late meets a closed door. The other messages under way then have no answer either."""

    def __init__(self, clock: sdk.Clock, log: sdk.Log, habits: Habits, sent: SentIds) -> None:
        self._clock = clock
        self._log = log
        self._habits = habits
        self._wait = habits.wait_for_ack
        self._sent = sent
        self._decoder = Decoder(_ANSWER_BYTES)
        self._transport: asyncio.Transport | None = None
        self._waits: dict[str, _Wait] = {}  # by control id, oldest first
        self._watch: asyncio.Task[None] | None = None
        self._lost_by: Exception | None = None
        self.answers = 0
        """How many messages were answered on this connection."""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection is over."""

    @property
    def usable(self) -> bool:
        """May a message be sent?"""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, block: bytes, control_id: str) -> AckReply:
        """Send one MLLP block and wait for the answer with this control id in MSA-2.

        Raises NoAnswer, WrongAnswer, NotCommitted or Rubbish; then, as when it is cancelled, the connection is closed
        already (after NotCommitted it stays). Two messages with one control id are under way one after the other.
        """
        while other := self._waits.get(control_id):
            await asyncio.wait({other.answer})
        if self._transport is None or self._transport.is_closing():
            await self.lost  # what ended the connection may be on its way to us
            text = "the receiver closed the connection before the message could be sent"
            raise NoAnswer("connection-lost", text, self._lost_by)
        wait = _Wait(asyncio.get_running_loop().create_future(), self._clock.monotonic() + self._wait)
        self._waits[control_id] = wait
        self._sent.add(control_id)
        self._transport.write(block)
        try:
            return await wait.answer
        except NotCommitted:
            raise
        except BaseException:
            self.abort()
            raise
        finally:
            if self._waits.get(control_id) is wait:
                del self._waits[control_id]

    def abort(self) -> None:
        """Close now. Safe twice."""
        if self._transport is not None:
            self._transport.abort()

    # --- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        keep_alive(transport)
        self._watch = asyncio.get_running_loop().create_task(self._watch_time())

    def data_received(self, data: bytes) -> None:
        self._decoder.feed(data)
        try:
            while (content := self._next_block()) is not None:
                self._block(content)
        except FrameTooLarge as error:
            self._fail(Rubbish(f"the answer is longer than {_ANSWER_BYTES} bytes", _beginning(error.prefix)))

    def eof_received(self) -> None:
        self.abort()  # no answer can come any more

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._lost_by = None, exc
        if self._watch is not None:
            self._watch.cancel()
        self._fail(NoAnswer("connection-lost", "the receiver closed the connection before it answered", exc))
        if not self.lost.done():
            self.lost.set_result(None)

    # --- inside

    def _next_block(self) -> bytes | None:
        """Some end an answer with a bare 1C; an 0D that comes behind it after all is nothing between two blocks."""
        content = self._decoder.take()
        return self._decoder.take_unended() if content is None else content

    def _block(self, content: bytes) -> None:
        if content in (_COMMIT, _NO_COMMIT):
            self._committed(taken=content == _COMMIT)
        else:
            self._received(content)

    def _received(self, content: bytes) -> None:
        try:
            reply = parse_ack(content)
        except Hl7Error as error:
            self._fail(Rubbish(f"the answer cannot be read: {error.text}", _beginning(content)))
            return
        wait = self._waits.pop(self._meant_by(reply), None)
        if wait is not None and not wait.answer.done():
            self.answers += 1
            wait.answer.set_result(reply)
        elif reply.control_id in self._sent:
            code = "answer-after-commit" if self._habits.delivered_by == "commit" else "late-answer"
            if code == "late-answer" or reply.code not in ("AA", "CA"):
                self._log.warning("mllp_answer_ignored", code=code)
        else:
            self._fail(WrongAnswer())

    def _meant_by(self, reply: AckReply) -> str:
        """The control id of the message that it answers."""
        if not reply.control_id and self._habits.empty_msa_2 and len(self._waits) == 1:
            return next(iter(self._waits))
        return reply.control_id

    def _committed(self, *, taken: bool) -> None:
        """06 or 15, which name no message: the one under way is meant."""
        if taken and self._habits.delivered_by != "commit":
            return  # its answer comes yet
        control_id = next(iter(self._waits), None)
        if control_id is None:
            return
        answer = self._waits.pop(control_id).answer
        if answer.done():
            return
        self.answers += 1
        if taken:
            answer.set_result(AckReply("CA", control_id))
        else:
            answer.set_exception(NotCommitted())

    def _fail(self, error: Exception) -> None:
        """The oldest message under way ends with this error, the others with the connection."""
        self.abort()
        waits = [wait for wait in self._waits.values() if not wait.answer.done()]
        self._waits.clear()
        text = "the connection was closed because another message got no answer of its own"
        for place, wait in enumerate(waits):
            wait.answer.set_exception(NoAnswer("connection-lost", text, self._lost_by) if place else error)

    async def _watch_time(self) -> None:
        """One task for all messages of the connection: it sleeps no longer than the shortest wait there can be."""
        while True:
            now = self._clock.monotonic()
            first = next(iter(self._waits.values()), None)
            if first is not None and now >= first.deadline:
                self._fail(NoAnswer("ack-timeout", f"no answer came within {self._wait:g} s"))
                return
            await self._clock.sleep(self._wait if first is None else first.deadline - now)


async def connect(
    make: Callable[[], Client], host: str, port: int, tls: ssl.SSLContext | None, server_name: str | None
) -> Client:
    """A connected client, the TLS handshake done."""
    loop = asyncio.get_running_loop()
    name = (server_name or host) if tls is not None else None
    _, client = await loop.create_connection(make, host, port, ssl=tls, server_hostname=name)
    assert isinstance(client, Client)
    return client


def _beginning(content: bytes) -> str:
    return content[:_DETAIL_BYTES].decode("latin-1")
