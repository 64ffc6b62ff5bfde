"""One connection to a receiver: one message under way at a time, and no answer taken for another message's."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from clinical.hl7v2 import AckReply, Hl7Error, parse_ack
from connectors.mllp.framing import Decoder, FrameTooLarge
from connectors.mllp.sockets import keep_alive
from engine import sdk

_ANSWER_BYTES: Final = 1_000_000
_COMMIT: Final = b"\x06"
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


class Client(asyncio.Protocol):
    """Whatever ends an exchange without its own answer also ends the connection, before anything else is sent:
    so an answer that comes too late meets a closed door."""

    def __init__(self, clock: sdk.Clock, log: sdk.Log, wait_seconds: float, sent: SentIds) -> None:
        self._clock = clock
        self._log = log
        self._wait = wait_seconds
        self._sent = sent
        self._decoder = Decoder(_ANSWER_BYTES)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[AckReply] | None = None
        self._awaited = ""
        self._deadline = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._lost_by: Exception | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection is over."""

    @property
    def usable(self) -> bool:
        """May a message be sent?"""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, block: bytes, control_id: str) -> AckReply:
        """Send one MLLP block and wait for the answer with this control id in MSA-2.

        Raises NoAnswer, WrongAnswer or Rubbish; then, as when it is cancelled, the connection is closed already.
        """
        assert self._answer is None, "one message at a time"
        if self._transport is None or self._transport.is_closing():
            await self.lost  # what ended the connection may be on its way to us
            text = "the receiver closed the connection before the message could be sent"
            raise NoAnswer("connection-lost", text, self._lost_by)
        self._answer = asyncio.get_running_loop().create_future()
        self._awaited = control_id
        self._deadline = self._clock.monotonic() + self._wait
        self._sent.add(control_id)
        self._transport.write(block)
        try:
            return await self._answer
        except BaseException:
            self.abort()
            raise
        finally:
            self._answer = None

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
            while (content := self._decoder.take()) is not None:
                if content != _COMMIT:
                    self._received(content)
        except FrameTooLarge as error:
            self._fail(Rubbish(f"the answer is longer than {_ANSWER_BYTES} bytes", _beginning(error.prefix)))

    def eof_received(self) -> None:
        if content := self._decoder.take_unended():
            self._received(content)
        self.abort()  # no answer can come any more

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._lost_by = None, exc
        if self._watch is not None:
            self._watch.cancel()
        self._fail(NoAnswer("connection-lost", "the receiver closed the connection before it answered", exc))
        if not self.lost.done():
            self.lost.set_result(None)

    # --- inside

    def _received(self, content: bytes) -> None:
        try:
            reply = parse_ack(content)
        except Hl7Error as error:
            self._fail(Rubbish(f"the answer cannot be read: {error.text}", _beginning(content)))
            return
        if self._answer is not None and not self._answer.done() and reply.control_id == self._awaited:
            self._answer.set_result(reply)
        elif reply.control_id in self._sent:
            self._log.warning("mllp_answer_ignored", code="late-answer")
        else:
            self._fail(WrongAnswer())

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.abort()

    async def _watch_time(self) -> None:
        """One task for all messages of the connection: it sleeps no longer than the shortest wait there can be."""
        while True:
            now = self._clock.monotonic()
            waiting = self._answer is not None and not self._answer.done()
            if waiting and now >= self._deadline:
                self._fail(NoAnswer("ack-timeout", f"no answer came within {self._wait:g} s"))
                return
            await self._clock.sleep(self._deadline - now if waiting else self._wait)


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
