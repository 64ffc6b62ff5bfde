"""`mllp_listener`: HL7 v2 messages that others send us. AA is written only when the journal has the message."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from clinical.hl7v2 import Header, is_batch
from connectors.mllp.acceptor import Acceptor
from connectors.mllp.admission import NotTaken, Refusals, admit, several, too_large
from connectors.mllp.arrivals import MessageExchange, Stamps, arrival
from connectors.mllp.connection import Connection
from connectors.mllp.exchange import BatchExchange, Exchange, Reply
from connectors.mllp.peers import AllowedAddresses
from connectors.mllp.replies import Replies
from connectors.mllp.settings import ListenerSettings
from engine import sdk

_TICK_SECONDS: Final = 1.0
_HELD_BYTES: Final = 64_000_000


class MllpListener:
    """Takes HL7 v2 over MLLP, plain or with TLS, and acknowledges in original mode, or as each message asks.

    Answers leave each connection in the order of its messages. At most `at_once` messages (and 64 MB of them) are
    between their arrival and their answer; beyond that nothing is read, and senders wait.
    """

    def __init__(self, settings: ListenerSettings, context: sdk.PluginContext) -> None:
        self.settings = settings
        self.clock = context.clock
        self.log = context.log
        self._shares_ports = context.shares_ports
        self.by_sender = settings.in_order_by == "sender"
        self.port = settings.port
        """The port that is listened on; known once `listening` is set, where the settings say 0."""
        self.listening = asyncio.Event()
        self._acceptor: Acceptor | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()
        self._waiting: deque[Connection] = deque()
        self._letting_on = False
        self._take: Callable[[sdk.Arrival], bool] = _not_now
        self._arrived: deque[MessageExchange] = deque()
        self._woken: asyncio.Future[None] | None = None
        self._unsettled = 0
        self._unsettled_bytes = 0
        self._closed = False
        self.replies = Replies(settings, Stamps(context.clock).next)
        self._refusals = Refusals(settings.give_up_after)
        self._allowed = AllowedAddresses(settings.allow)

    # --- the engine's side

    def hand_to(self, take: Callable[[sdk.Arrival], bool]) -> None:
        """See `PromptSource`."""
        self._take = take

    async def deliveries(self) -> AsyncIterator[sdk.Arrival]:
        """See `Source`. Raises NeedsOperator if certificates or port cannot be used, Unavailable if it is taken."""
        if self._closed:
            return
        await self._open()
        try:
            while not self._closed:
                while self._arrived:
                    yield self._arrived.popleft().arrival()
                if not self._closed:
                    self._woken = asyncio.get_running_loop().create_future()
                    await self._woken
        finally:
            await self._shut()

    def _wake(self) -> None:
        """Let `deliveries` go on: there is a message, or no more will come."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def close(self) -> None:
        """See `Source`. Messages that were not yielded get no answer: their connections close, their senders send
        them again."""
        self._closed = True
        self._wake()
        await self._shut()

    # --- channel tests

    def rehearse(self, body: bytes, meta: Mapping[str, str]) -> sdk.Arrival:
        """What this message would be at the door, for channel tests. Raises Refused if it would not be taken."""
        try:
            if len(body) > self.settings.max_size:
                raise too_large(body, self.settings.max_size)
            if is_batch(body):
                raise several(body)  # each of its messages would be an arrival of its own
            header = admit(body, self.settings)
        except NotTaken as error:
            raise sdk.Refused(error.text, code=error.code) from error
        return arrival(body, header, meta.get("peer", "127.0.0.1"), _settle_nobody, self.by_sender)

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

    def take_in(self, connection: Connection, content: bytes, header: Header, batch: BatchExchange | None) -> Exchange:
        self._unsettled += 1
        self._unsettled_bytes += len(content)
        message = MessageExchange(self, connection, content, header, batch)
        if self._arrived or not self._take(message.arrival()):
            self._arrived.append(message)
            self._wake()
        return message

    def refuse(self, refusal: NotTaken, content: bytes | None, batch: BatchExchange | None) -> Reply:
        return self.replies.refused(self._refusals.judged(refusal, content), batch)

    def welcome(self, connection: Connection) -> None:
        if self.settings.newest_wins:
            for other in tuple(self._connections):
                if other is not connection and other.peer == connection.peer:
                    other.replaced()

    def gone(self, connection: Connection) -> None:
        self._connections.discard(connection)

    # --- the messages' side (Counter)

    def settled(self, size: int) -> None:
        """A message of so many bytes has its verdict: there is room for another one."""
        self._unsettled -= 1
        self._unsettled_bytes -= size
        while self._waiting and self.has_room() and not self._letting_on:
            self._letting_on = True  # who goes on may settle too
            self._waiting.popleft().go_on()
            self._letting_on = False

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

    def _invite(self, peer: str) -> Connection | str:
        """A connection for the next peer, or the code of why there is none for it."""
        if peer not in self._allowed:
            return "address-not-allowed"
        if len(self._connections) >= self.settings.max_connections:
            return "too-many-connections"
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


def _not_now(_arrival: sdk.Arrival) -> bool:
    """Of an engine that only asks."""
    return False


async def _settle_nobody(_verdict: sdk.Verdict) -> None:
    """Of a rehearsal: there is no sender who waits."""


plugin = sdk.source("mllp_listener", MllpListener, settings=ListenerSettings, emits=sdk.Shape.HL7V2, side_by_side=True)
