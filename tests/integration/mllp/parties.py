"""Both ends of MLLP for tests: a listener with a stand-in for the engine, raw peers, and a sender with its clock."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self

import pytest

from clinical.hl7v2 import AckReply, parse_ack
from connectors.mllp.listener import MllpListener
from connectors.mllp.sender import MllpSender
from connectors.mllp.settings import ListenerSettings, SenderSettings
from engine import sdk
from engine.testing.builders import a_delivery
from engine.testing.fakes import ManualClock, MemoryLog, plugin_context

CANARY = "CANARY-4711"


def oru(control_id: str = "M1", kind: str = "ORU^R01", sender: str = "GLUCO|STM", extra: str = "") -> bytes:
    """A glucose result; the patient's identifier is the canary."""
    return (
        f"MSH|^~\\&|{sender}|ISLET|LAB|20261120101500+0000||{kind}|{control_id}|P|2.5.1\r"
        f"PID|1||{CANARY}^^^STM^MR\rOBR|1||F1|2339-0^Glucose^LN\r"
        f"OBX|1|NM|2339-0^Glucose^LN||112|mg/dL|||||F|||20261120101000+0000\r{extra}"
    ).encode()


def block(content: bytes) -> bytes:
    """The MLLP block, written out by hand."""
    return b"\x0b" + content + b"\x1c\x0d"


async def let_run() -> None:
    """Give everything that can go on the chance to do so, several times over."""
    for _ in range(100):
        await asyncio.sleep(0)


class Peer:
    """A raw connection. Reads answers block by block, written out by hand again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def raw_answer(self) -> bytes:
        """Everything up to and with the next 1C 0D."""
        return await self.reader.readuntil(b"\x1c\x0d")

    async def answer(self) -> AckReply:
        raw = await self.raw_answer()
        assert raw[:1] == b"\x0b"
        return parse_ack(raw[1:-2])

    async def ask(self, content: bytes) -> AckReply:
        """Send one message and wait for its answer."""
        await self.send(block(content))
        return await self.answer()

    async def rest(self) -> bytes:
        """What still comes before the other side closes, or resets, the connection."""
        received = b""
        with suppress(ConnectionError, ssl.SSLError):
            while data := await self.reader.read(65536):
                received += data
        return received

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


def accept(number: int) -> sdk.Verdict:
    return sdk.Accepted(f"id-{number}")


@dataclass
class Taken:
    """An arrival that the stand-in holds, with its number from 0."""

    number: int
    arrival: sdk.Arrival


class Door:
    """A running listener. With `verdict` each arrival is settled at once by it; without, the test settles. `prompt`:
    it is settled in the very call in which the listener hands it over."""

    def __init__(
        self, verdict: Callable[[int], sdk.Verdict] | None = accept, *, prompt: bool = False, **settings: Any
    ) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog()
        context = plugin_context(clock=self.clock, log=self.log)
        self.listener = MllpListener(ListenerSettings(port=0, **settings), context)
        self.taken: list[Taken] = []
        self.ended = False
        self._verdict = verdict
        self._changed = asyncio.Condition()
        self._peers = AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        if prompt:
            self.listener.hand_to(self._take)

    def _take(self, arrival: sdk.Arrival) -> bool:
        assert self._verdict is not None
        self.taken.append(Taken(len(self.taken), arrival))
        arrival.settle(self._verdict(len(self.taken) - 1))
        return True

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await self.listener.listening.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._peers.aclose()
        await self.listener.close()
        assert self._task is not None
        await self._task
        await self.clock.advance(100)  # whoever lingers is hung up on
        await let_run()

    async def _run(self) -> None:
        async for arrival in self.listener.deliveries():
            async with self._changed:
                self.taken.append(Taken(len(self.taken), arrival))
                self._changed.notify_all()
            if self._verdict is not None:
                await arrival.settle(self._verdict(len(self.taken) - 1))
        self.ended = True

    async def arrivals(self, count: int) -> list[sdk.Arrival]:
        """All arrivals so far, when there are `count` of them or more."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)
        return [taken.arrival for taken in self.taken]

    async def peer(self, **options: Any) -> Peer:
        """A new connection to the listener; closed at the end."""
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.listener.port, **options))
        self._peers.push_async_callback(peer.close)
        return peer

    def codes(self) -> list[str]:
        """The codes of all warnings."""
        return [fields["code"] for level, _, fields in self.log.events if level == "warning"]

    async def logged(self, code: str) -> None:
        """Return when a warning with this code is there."""
        while code not in self.codes():
            await let_run()

    def says_nothing_of_patients(self) -> bool:
        return CANARY not in repr(self.log.events)


class Post:
    """A sender with its clock and log."""

    def __init__(self, port: int, **settings: Any) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.sender = MllpSender(
            SenderSettings.model_validate({"host": "127.0.0.1", "port": port, **settings}),
            plugin_context(clock=self.clock, log=self.log),
        )

    async def __aenter__(self) -> "Post":
        await self.sender.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sender.close()
        await let_run()

    async def send(self, control_id: str = "M1", body: bytes | None = None) -> sdk.Answer:
        return await self.sender.send(a_delivery(oru(control_id) if body is None else body, sdk.Shape.HL7V2))


async def failing(work: Awaitable[object], word: type[sdk.EngineError], code: str) -> sdk.EngineError:
    """The error that `work` ends with, checked for its word, its code and what it must not say."""
    with pytest.raises(sdk.EngineError) as caught:
        await work
    assert type(caught.value) is word
    assert caught.value.code == code
    assert CANARY not in f"{caught.value} {caught.value!r}"
    return caught.value
