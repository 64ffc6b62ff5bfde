"""One connection of the listener: bytes in, answers out, in the order in which the messages came."""

import asyncio
from collections import Counter, deque
from typing import Final, cast

from clinical.hl7v2 import Hl7Error, is_batch, unpack
from clinical.hl7v2.batches import pointer_in, pointer_out
from connectors.mllp.admission import NotTaken, admit, continuation, no_frame, several, too_large, unreadable
from connectors.mllp.desk import Desk
from connectors.mllp.exchange import BatchExchange, Exchange
from connectors.mllp.familiar import Familiar
from connectors.mllp.framing import Decoder, FrameTooLarge
from connectors.mllp.peers import certificate_allowed
from connectors.mllp.sockets import keep_alive

_JUNK_BYTES: Final = 65_536
_GRACE_SECONDS: Final = 2.0
_LINGER_SECONDS: Final = 2.0
_SETTLE_SECONDS: Final = 60.0
_UNREAD_BYTES: Final = 1_048_576
_PUT_OFF_MOST: Final = 3
_LONGEST_REST_SECONDS: Final = 10.0


class Connection(asyncio.Protocol):
    """Reads while the desk has room and stops where it has none; ends by itself when its peer misbehaves.

    `ending` means: nothing more is read, what is owed is still written, then the connection closes.
    """

    def __init__(self, desk: Desk) -> None:
        self.peer = ""
        self.deferrals = 0
        """Messages in a row that could not be stored."""
        self._desk = desk
        self._decoder = Decoder(desk.settings.max_size)
        self._parts: deque[bytes] = deque()  # messages of a batch that are still to be taken
        self._batch: BatchExchange | None = None
        self._pointer = ""  # DSC-1 of the last message
        self._familiar: Familiar | None = None
        self._answers: deque[Exchange] = deque()
        self._ready: list[bytes] = []  # answers that are about to be written
        self._reading = False  # what is answered meanwhile goes out at its end
        self._transport: asyncio.Transport | None = None
        self._now = desk.clock.monotonic
        self._heard_at = self._now()
        self._until = float("inf")  # while ending: when patience ends
        self._ending = False
        self._lingering = False
        self._peer_done = False
        self._waiting = False
        self._rests_until = float("inf")  # while it waits for time to pass, not for room
        self._frames = 0
        self._noticed = (0, 0)  # junk and restarts that are logged
        self._refusals: Counter[str] = Counter()

    # --- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        address = made.get_extra_info("peername")
        self.peer = address[0] if address else ""
        made.set_write_buffer_limits(high=_UNREAD_BYTES)
        keep_alive(made)
        if self._ending:
            made.abort()
        elif not self._may_stay(made):
            self._desk.log.warning("mllp_connection_refused", code="certificate-not-allowed", peer=self.peer)
            self.abort(None)
        else:
            self._desk.welcome(self)

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._heard_at = self._now()
        if not self._waiting and self._desk.has_room() and (content := self._decoder.whole(data)) is not None:
            self._read(content)
            return
        self._decoder.feed(data)
        if not self._waiting:
            self._read()

    def eof_received(self) -> bool:
        self._peer_done = True
        if not self._ending:
            self._last_words()
        # TLS has no half-closed connections: with it this one is over, and answers that are owed are lost.
        return bool(self._answers) and self._transport is not None and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        self.abort("answers-not-read")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol's own signature
        if self._decoder.inside and not self._ending:
            self._say("cut-in-frame")
        self._ending = True
        self._answers.clear()
        self._transport = None
        self._desk.gone(self)

    # --- from the desk and its acceptor

    def unwanted(self) -> None:
        """The connection did not come about: no handshake, or no time left for one."""
        self._ending = True
        if self._transport is not None:
            self._transport.abort()
        self._desk.gone(self)

    def go_on(self) -> None:
        """There is room again."""
        self._waiting = False
        self._read()
        if not self._waiting and self._transport is not None:
            self._transport.resume_reading()

    def write_answers(self) -> None:
        """Write what is ready, up to the first answer that is not. What gets ready while a read is worked through, or
        in one turn of the loop with others still to come, goes out together."""
        if self._reading:
            return
        answers, ready = self._answers, self._ready
        others = bool(ready)
        while answers and (reply := answers[0].reply) is not None:
            answers.popleft()
            if reply.data:
                ready.append(reply.data)
            if reply.ends:
                self._end(None)
                answers.clear()
        if not answers:
            if ready:
                self._write_ready()
            if self._ending:
                self._linger()
        elif ready and not others:
            asyncio.get_running_loop().call_soon(self._write_ready)

    def _write_ready(self) -> None:
        ready, self._ready = self._ready, []
        if ready and self._transport is not None:
            self._transport.write(b"".join(ready))

    def put_off(self, seconds: float) -> None:
        """A message of this connection cannot be stored now. Most senders repeat it at once, so from the third in a
        row on nothing is read for a while: the answers would be a storm."""
        self.deferrals += 1
        if self.deferrals < _PUT_OFF_MOST or self._waiting or self._ending or self._transport is None:
            return
        self._waiting = True
        self._rests_until = self._desk.clock.monotonic() + min(seconds, _LONGEST_REST_SECONDS)
        self._transport.pause_reading()

    def replaced(self) -> None:
        """Its peer has a newer connection: read no more, answer what is owed, close."""
        self._end("replaced")

    def close(self) -> None:
        """Read no more. Closes at once if nothing is owed, else as soon as it is written; a peer that does not read
        what is owed is not waited for long."""
        if not self._answers and not self._lingering:
            self._ending = self._lingering = True
            self._until = self._desk.clock.monotonic() + _LINGER_SECONDS
            if self._transport is not None:
                self._transport.close()
        else:
            self._end(None)

    def abort(self, code: str | None) -> None:
        """Close now, whatever is owed."""
        self._ending = True
        self._answers.clear()
        if code:
            self._say(code)
        if self._transport is not None:
            self._transport.abort()

    def tick(self, now: float) -> None:
        """Look at the time: end what has been silent, or has been ending, for too long."""
        silence = now - self._heard_at
        settings = self._desk.settings
        if self._transport is None:
            return
        if self._ending:
            if now >= self._until:
                self.abort(None if self._lingering else "not-settled")
        elif self._waiting:
            self._heard_at = now  # the silence is ours
            if now >= self._rests_until:
                self._rests_until = float("inf")
                self.go_on()
        elif self._decoder.inside:
            self._tick_inside(silence)
        elif not self._frames and self._decoder.junk and silence >= _GRACE_SECONDS:
            self._refuse(no_frame(), None)
            self._end("not-mllp")
        elif settings.idle_timeout is not None and silence >= settings.idle_timeout and not self._answers:
            self._end("idle")

    # --- inside

    def _read(self, content: bytes | None = None) -> None:
        """Take messages, this one first, while there are some and there is room for them; then write the answers that
        are known already."""
        self._reading = True
        if content is None or is_batch(content):
            if content is not None:
                self._received(content)
            self._read_on()
        else:
            self._frames += 1
            self._take(content, None)
        self._reading = False
        if self._answers:
            self.write_answers()

    def _read_on(self) -> None:
        while not (self._ending or self._waiting):
            if not self._desk.has_room():
                self._wait()
                return
            if not self._read_one():
                return

    def _read_one(self) -> bool:
        """Take one message if there is one."""
        if self._batch is not None:
            self._take_part(self._batch)
            return True
        try:
            content = self._decoder.take()
        except FrameTooLarge as error:
            self._refuse(too_large(error.prefix, self._desk.settings.max_size), None)
            self._end("too-large")
            return False
        if content is not None:
            self._received(content)
            return True
        if self._decoder.junk - self._noticed[0] > _JUNK_BYTES:
            self._refuse(no_frame(), None)
            self._end("not-mllp")
        return False

    def _received(self, content: bytes) -> None:
        self._frames += 1
        if (self._decoder.junk, self._decoder.restarts) != self._noticed:
            self._notice()
        if is_batch(content):
            self._unpack(content)
        else:
            self._take(content, None)

    def _take(self, content: bytes, batch: BatchExchange | None) -> None:
        """Let one message in, or refuse it."""
        before, self._pointer = self._pointer, pointer_out(content)
        try:
            header = self._familiar.header(content) if self._familiar else None
            if header is None:
                header = admit(content, self._desk.settings)
                self._familiar = Familiar.of(content, header)
            if before and pointer_in(content) == before:
                raise continuation(header)
        except NotTaken as refusal:
            self._refuse(refusal, content, batch)
            return
        if batch is not None:
            batch.taking()
        exchange = self._desk.take_in(self, content, header, batch)
        self._answers.append(exchange)
        if not self._reading and exchange.reply is not None:
            self.write_answers()

    def _unpack(self, content: bytes) -> None:
        """A block with several messages: they are taken one by one, each when there is room for it."""
        if self._desk.settings.batches == "refuse":
            self._refuse(several(content), content)
            return
        try:
            batch = unpack(content)
        except Hl7Error as error:
            self._refuse(unreadable(content, error), content)
            return
        if not batch.complete:
            count, declared = len(batch.messages), batch.declared
            self._desk.log.warning(
                "mllp_batch_incomplete", code="batch-count", peer=self.peer, actual=count, wanted=declared
            )
        self._parts.extend(batch.messages)
        self._batch = BatchExchange(self, batch, self._desk.replies)

    def _take_part(self, batch: BatchExchange) -> None:
        self._take(self._parts.popleft(), batch)
        if not self._parts:
            self._batch = None
            self._answers.append(batch)
            batch.all_taken()

    def _refuse(self, refusal: NotTaken, content: bytes | None, batch: BatchExchange | None = None) -> None:
        self._refusals[refusal.code] += 1
        count = self._refusals[refusal.code]
        if str(count).strip("0") == "1":  # 1, 10, 100: a peer in a loop must not fill the log
            self._desk.log.warning("mllp_refused", code=refusal.code, peer=self.peer, count=count)
        if batch is not None:
            batch.taking()
        if refusal.answerable:
            self._answers.append(Exchange(self, self._desk.refuse(refusal, content, batch)))
            self.write_answers()
        if batch is not None:
            batch.settled(refusal.outcome)

    def _notice(self) -> None:
        junk, restarts = self._decoder.junk, self._decoder.restarts
        if not any(self._noticed):
            self._desk.log.warning("mllp_bytes_dropped", code="junk", peer=self.peer, bytes=junk, restarts=restarts)
        self._noticed = (junk, restarts)

    def _tick_inside(self, silence: float) -> None:
        if (
            silence >= _GRACE_SECONDS
            and self._desk.has_room()
            and (content := self._decoder.take_unended()) is not None
        ):
            self._received(content)
        elif silence >= self._desk.settings.receive_within:
            self._end("silence-in-frame")

    def _last_words(self) -> None:
        """The peer will send no more: take what is whole, tell it about what is not."""
        if self._desk.has_room() and (content := self._decoder.take_unended()) is not None:
            self._received(content)
        if self._decoder.inside:
            self._end("cut-in-frame")
        elif self._decoder.junk and not self._frames:
            self._refuse(no_frame(), None)
            self._end("not-mllp")
        else:
            self._end(None)

    def _may_stay(self, transport: asyncio.Transport) -> bool:
        """Is the peer's certificate one of those that may connect?"""
        allowed = self._desk.settings.allow_certificates
        if not allowed:
            return True
        secure = transport.get_extra_info("ssl_object")
        return secure is not None and certificate_allowed(allowed, secure.getpeercert(), secure.getpeercert(True))

    def _wait(self) -> None:
        self._waiting = True
        if self._transport is not None:
            self._transport.pause_reading()
        self._desk.wait_for_room(self)

    def _end(self, code: str | None) -> None:
        if self._ending:
            return
        self._ending = True
        self._until = self._desk.clock.monotonic() + _SETTLE_SECONDS
        if code:
            self._say(code)
        if not self._answers:
            self._linger()

    def _linger(self) -> None:
        """Say that nothing more will come, and read on for a moment without looking: a socket that is closed with
        bytes unread is reset, and a reset can take the last answer with it before the peer has read it."""
        if self._lingering or self._transport is None:
            return
        self._write_ready()
        self._lingering = True
        self._until = self._desk.clock.monotonic() + _LINGER_SECONDS
        if self._transport.can_write_eof() and not self._peer_done:
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def _say(self, code: str) -> None:
        self._desk.log.warning("mllp_connection_ended", code=code, peer=self.peer)
