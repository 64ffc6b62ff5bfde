"""`mllp_listener`: HL7 v2 messages that others send us. AA is written only when the journal has the message."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from clinical.hl7v2 import Header
from clinical.hl7v2.patient_key import patient_key
from connectors.mllp.acceptor import Acceptor
from connectors.mllp.admission import NotTaken, admit, answer, too_large
from connectors.mllp.connection import Connection, Exchange
from connectors.mllp.framing import enclose
from connectors.mllp.settings import ListenerSettings
from engine import sdk

_TICK_SECONDS: Final = 1.0
_HELD_BYTES: Final = 64_000_000
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class MllpListener:
    """Takes HL7 v2 over MLLP, plain or with TLS, and acknowledges in original mode.

    Answers leave each connection in the order of its messages. At most `at_once` messages (and 64 MB of them) are
    between their arrival and their answer; beyond that nothing is read, and senders wait.
    """

    def __init__(self, settings: ListenerSettings, context: sdk.PluginContext) -> None:
        self.settings = settings
        self.clock = context.clock
        self.log = context.log
        self._shares_ports = context.shares_ports
        self.port = settings.port
        """The port that is listened on; known once `listening` is set, where the settings say 0."""
        self.listening = asyncio.Event()
        self._acceptor: Acceptor | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()
        self._waiting: deque[Connection] = deque()
        self._arrived: deque[_Message] = deque()
        self._something = asyncio.Event()
        self._unsettled = 0
        self._unsettled_bytes = 0
        self._closed = False
        self._stamps = _Stamps(context.clock)

    # --- the engine's side

    async def deliveries(self) -> AsyncIterator[sdk.Arrival]:
        """See `Source`. Raises NeedsOperator if certificates or port cannot be used, Unavailable if it is taken."""
        if self._closed:
            return
        await self._open()
        try:
            while not self._closed:
                while self._arrived:
                    yield self._arrived.popleft().arrival()
                self._something.clear()
                if not self._closed:
                    await self._something.wait()
        finally:
            await self._shut()

    async def close(self) -> None:
        """See `Source`. Messages that were not yielded get no answer: their connections close, their senders send
        them again."""
        self._closed = True
        self._something.set()
        await self._shut()

    # --- channel tests

    def rehearse(self, body: bytes, meta: Mapping[str, str]) -> sdk.Arrival:
        """What this message would be at the door, for channel tests. Raises Refused if it would not be taken."""
        try:
            if len(body) > self.settings.max_size:
                raise too_large(body, self.settings.max_size)
            header = admit(body, self.settings.accepts)
        except NotTaken as error:
            raise sdk.Refused(error.text, code=error.code) from error
        by_sender = self.settings.in_order_by == "sender"
        return _arrival(body, header, meta.get("peer", "127.0.0.1"), _settle_nobody, by_sender=by_sender)

    def rehearse_reply(self, verdict: sdk.Verdict | None) -> str:
        """The code that a sender would see; None stands for what was not taken at the door."""
        if isinstance(verdict, sdk.Accepted):
            return "AA"
        if isinstance(verdict, sdk.Deferred):
            return self.settings.when_unavailable
        return "AE" if verdict else "AR"

    # --- the connections' side (Desk)

    def has_room(self) -> bool:
        return (
            self._unsettled < self.settings.at_once
            and self._unsettled_bytes < _HELD_BYTES
            and self._acceptor is not None
        )

    def wait_for_room(self, connection: Connection) -> None:
        self._waiting.append(connection)

    def take_in(self, connection: Connection, content: bytes, header: Header) -> Exchange:
        self._unsettled += 1
        self._unsettled_bytes += len(content)
        message = _Message(self, connection, content, header)
        self._arrived.append(message)
        self._something.set()
        return message

    def compose(self, to: NotTaken) -> bytes:
        return self.block(to.header, "AR", to.text, to.error_code, to.location)

    def gone(self, connection: Connection) -> None:
        self._connections.discard(connection)

    # --- answers

    def block(
        self, to: Header, code: str, text: str | None = None, error_code: str | None = None, location: str | None = None
    ) -> bytes:
        """An acknowledgement as an MLLP block, with a time and a control id of our own."""
        return enclose(answer(to, code, *self._stamps.next(), text, error_code, location))

    def settled(self, size: int) -> None:
        """A message of so many bytes has its verdict: there is room for another one."""
        self._unsettled -= 1
        self._unsettled_bytes -= size
        while self._waiting and self.has_room():
            self._waiting.popleft().go_on()

    # --- opening and closing

    async def _open(self) -> None:
        settings = self.settings
        tls = settings.tls.context() if settings.tls else None
        acceptor = Acceptor(self._invite, tls, settings.receive_within, self.clock, self.log)
        self.port = await acceptor.open(settings.host, settings.port, shared=self._shares_ports)
        self._acceptor = acceptor
        self._ticker = asyncio.create_task(self._tick())
        self.listening.set()
        self.log.info("mllp_listening", port=self.port)

    def _invite(self) -> Connection | None:
        """A connection for the next peer, unless there are enough."""
        if len(self._connections) >= self.settings.max_connections:
            return None
        connection = Connection(self)
        self._connections.add(connection)
        return connection

    async def _shut(self) -> None:
        if self._acceptor is None:
            return
        acceptor, self._acceptor = self._acceptor, None
        self.listening.clear()
        while self._arrived:
            self._arrived.popleft().drop()
        self._waiting.clear()
        for connection in tuple(self._connections):
            connection.close()
        await acceptor.close()

    async def _tick(self) -> None:
        """Lets connections look at the time, until the last one is gone."""
        while self._acceptor is not None or self._connections:
            await self.clock.sleep(_TICK_SECONDS)
            now = self.clock.monotonic()
            for connection in tuple(self._connections):
                connection.tick(now)


class _Message(Exchange):
    """One message between its block and its answer."""

    __slots__ = ("_content", "_header", "_listener", "_settled")

    def __init__(self, listener: MllpListener, connection: Connection, content: bytes, header: Header) -> None:
        super().__init__(connection)
        self._listener = listener
        self._content = content
        self._header = header
        self._settled = False

    def arrival(self) -> sdk.Arrival:
        """What the engine gets."""
        by_sender = self._listener.settings.in_order_by == "sender"
        return _arrival(self._content, self._header, self.connection.peer, self.settle, by_sender=by_sender)

    async def settle(self, verdict: sdk.Verdict) -> None:
        """See `Arrival`. The answer is written when all answers before it on the connection are."""
        self._finish(self._reply(verdict))

    def drop(self) -> None:
        """There will be no verdict, and no answer."""
        self._finish(b"")

    def _reply(self, verdict: sdk.Verdict) -> bytes:
        if isinstance(verdict, sdk.Accepted):
            return self._listener.block(self._header, "AA")
        if isinstance(verdict, sdk.Rejected):
            return self._listener.block(self._header, "AE", verdict.text)
        code = self._listener.settings.when_unavailable
        if code == "close":
            return b""
        return self._listener.block(self._header, code, "the message is not stored; send it again later")

    def _finish(self, reply: bytes) -> None:
        if self._settled:
            raise RuntimeError("an arrival is settled once only")
        self._settled = True
        self.answer(reply)
        self._listener.settled(len(self._content))


def _arrival(
    content: bytes, header: Header, peer: str, settle: Callable[[sdk.Verdict], Awaitable[None]], *, by_sender: bool
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


async def _settle_nobody(_verdict: sdk.Verdict) -> None:
    """Of a rehearsal: there is no sender who waits."""


class _Stamps:
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


plugin = sdk.source("mllp_listener", MllpListener, settings=ListenerSettings, emits=sdk.Shape.HL7V2, side_by_side=True)
