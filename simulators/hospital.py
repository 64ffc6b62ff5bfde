"""A hospital's interface engine: it sends HL7 v2 over MLLP and waits for each answer, and it receives by script."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self

from clinical.hl7v2 import AckReply, Header, ack, header, parse_ack
from connectors.mllp.framing import Decoder, enclose

_LARGEST: Final = 64_000_000
_READ_BYTES: Final = 65_536
_ANSWERED_AT: Final = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


class HungUp(Exception):
    """The other side closed the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message with the answer to it; `attempts` counts the first one too."""

    control_id: str
    reply: AckReply
    attempts: int


class HospitalSender:
    """Sends messages one at a time over one connection, as most hospitals do: the next goes when the last is answered.

    What is not acknowledged with AA or CA, or not answered at all, is sent again as the same bytes, up to `attempts`
    times; a closed connection is opened again.
    """

    def __init__(
        self, host: str, port: int, *, attempts: int = 1, tls: SSLContext | None = None, name: str | None = None
    ) -> None:
        self.replies: list[AckReply] = []
        """Every answer, in order."""
        self._address = (host, port)
        self._attempts = attempts
        self._tls = tls
        self._name = (name or host) if tls else None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._decoder = Decoder(_LARGEST)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send_all(self, messages: Iterable[bytes]) -> list[Sent]:
        """Send each message and wait for its answer."""
        return [await self.send(message) for message in messages]

    async def send(self, message: bytes) -> Sent:
        """Send one message until it is taken or `attempts` are used up; then the last answer counts.

        Raises HungUp (or OSError where nobody listens) if the last attempt was not answered.
        """
        control_id = header(message).control_id
        for attempt in range(1, self._attempts + 1):
            try:
                reply = parse_ack(await self.exchange(message))
            except (HungUp, OSError):
                await self.close()
                if attempt == self._attempts:
                    raise
                continue
            self.replies.append(reply)
            if reply.code in ("AA", "CA") or attempt == self._attempts:
                return Sent(control_id, reply, attempt)
        raise AssertionError("attempts must be at least 1")

    async def exchange(self, message: bytes) -> bytes:
        """Send one message once; the raw answer. Raises HungUp or OSError."""
        if self._streams is None:
            self._decoder = Decoder(_LARGEST)
            self._streams = await asyncio.open_connection(*self._address, ssl=self._tls, server_hostname=self._name)
        reader, writer = self._streams
        writer.write(enclose(message))
        await writer.drain()
        while (answer := self._decoder.take()) is None:
            data = await reader.read(_READ_BYTES)
            if not data:
                raise HungUp("the connection was closed before an answer came")
            self._decoder.feed(data)
        return answer

    async def close(self) -> None:
        """Hang up. The next message opens a new connection."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Habit(Enum):
    """What a receiver does instead of answering properly."""

    SILENCE = "takes the message and says nothing"
    HANG_UP = "takes the message and closes the connection"
    HALF_AN_ANSWER = "sends the first half of an AA and closes the connection"
    WRONG_ID = "answers AA to another control id"
    RUBBISH = "answers with a block that is no HL7"
    IN_PIECES = "answers AA one byte at a time"
    TWICE = "answers AA two times"


@dataclass(frozen=True, slots=True)
class Say:
    """An answer in original mode; `error_code` from HL7 table 0357 and `text` go into ERR."""

    code: str = "AA"
    text: str | None = None
    error_code: str | None = None


AA: Final = Say()


@dataclass
class HospitalReceiver:
    """An MLLP server that answers by `script`, one entry for each message; after its end it answers AA.

    `async with HospitalReceiver() as hospital:` listens on a free port of 127.0.0.1. `received` holds every message in
    the order in which it came, re-sent ones too.
    """

    script: Sequence[Say | Habit] = ()
    port: int = 0
    tls: SSLContext | None = None
    received: list[bytes] = field(default_factory=list, repr=False)
    connections: int = 0
    """How many were opened in all."""

    def __post_init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    @property
    def control_ids(self) -> list[str]:
        """MSH-10 of every message received, re-sent ones too."""
        return [header(message).control_id for message in self.received]

    @property
    def distinct(self) -> int:
        """How many different control ids were received."""
        return len(set(self.control_ids))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and hang up on everybody. Messages received are kept; `start` goes on from there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()
        if self._handlers:
            await asyncio.wait(self._handlers)

    async def wait_for(self, count: int) -> None:
        """Return when `count` messages have been received."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._handlers.add(task)
        self._open.add(writer)
        try:
            with suppress(OSError):
                await self._converse(reader, writer)
        finally:
            self._handlers.discard(task)
            self._open.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = Decoder(_LARGEST)
        while data := await reader.read(_READ_BYTES):
            decoder.feed(data)
            while (message := decoder.take()) is not None:
                entry = self.script[len(self.received)] if len(self.received) < len(self.script) else AA
                async with self._changed:
                    self.received.append(message)
                    self._changed.notify_all()
                if not await _answer(writer, header(message), entry, len(self.received)):
                    return


async def _answer(writer: asyncio.StreamWriter, to: Header, entry: Say | Habit, number: int) -> bool:
    """Do what the script says; false if the connection is to be closed then."""
    yes = enclose(ack(to, "AA", f"H{number}", _ANSWERED_AT))
    go_on = True
    match entry:
        case Say(code, text, error_code):
            writer.write(enclose(ack(to, code, f"H{number}", _ANSWERED_AT, text, error_code)))
        case Habit.SILENCE:
            pass
        case Habit.HANG_UP:
            go_on = False
        case Habit.HALF_AN_ANSWER:
            writer.write(yes[: len(yes) // 2])
            go_on = False
        case Habit.WRONG_ID:
            writer.write(yes.replace(f"|{to.control_id}\r".encode(), b"|SOMEBODY-ELSE\r"))
        case Habit.RUBBISH:
            writer.write(enclose(b"NO HL7 AT ALL"))
        case Habit.IN_PIECES:
            for byte in yes:
                writer.write(bytes([byte]))
                await writer.drain()
        case Habit.TWICE:
            writer.write(yes + yes)
    await writer.drain()
    return go_on
