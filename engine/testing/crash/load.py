"""Senders that repeat a message until it is acknowledged, and a receiver that remembers every effect."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count

from aiohttp import web

_ANSWER_SECONDS = 20.0
_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Named:
    """One message: the `place`-th (from 1) of a patient."""

    patient: int
    place: int

    @property
    def control_id(self) -> str:
        return f"P{self.patient}N{self.place}"

    @classmethod
    def of(cls, control_id: str) -> "Named":
        patient, _, place = control_id[1:].partition("N")
        return cls(int(patient), int(place))

    def oru(self) -> bytes:
        """A distinct result."""
        return (
            f"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120101500+0000||ORU^R01|{self.control_id}|P|2.5.1\r"
            f"PID|1||P{self.patient}^^^STM^MR\rOBR|1||F{self.control_id}|2339-0^Glucose^LN\r"
            f"OBX|1|NM|2339-0^Glucose^LN||{80 + self.place % 200}|mg/dL|||||F|||20261120101000+0000\r"
        ).encode()


class Progress:
    """How many are acknowledged, to be waited for."""

    def __init__(self) -> None:
        self.acked = 0
        self._changed = asyncio.Condition()

    async def one_more(self) -> None:
        async with self._changed:
            self.acked += 1
            self._changed.notify_all()

    async def reach(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.acked >= count)


class Sender:
    """One sending system on one connection; the messages of a patient come from one sender, in order."""

    def __init__(self, port: int, progress: Progress) -> None:
        self._port = port
        self._progress = progress
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, patients: Sequence[int], go_on: Callable[[], bool]) -> list[Named]:
        """The patients' messages in turn, each until it is acknowledged AA, while `go_on`; what was sent."""
        sent: list[Named] = []
        for place in count(1):
            for patient in patients:
                if not go_on():
                    self._hang_up()
                    return sent
                message = Named(patient, place)
                while not await self._try(message):
                    self._hang_up()
                    await asyncio.sleep(_AGAIN_SECONDS)
                sent.append(message)
                await self._progress.one_more()
        raise AssertionError("counting does not end")

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _try(self, message: Named) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if self._writer is None:
                    self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._writer.write(b"\x0b" + message.oru() + b"\x1c\x0d")
                reply = await self._reader.readuntil(b"\x1c\x0d")
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return False
        return f"MSA|AA|{message.control_id}".encode() in reply


class Receiver:
    """An HTTP server that remembers under which idempotency keys each message came, and in which order.

    Now and then it takes a message and then says 500, or hangs up, as a server does that dies while it answers.
    """

    def __init__(self, chance: random.Random, failing: float = 0.02) -> None:
        self.keys: dict[Named, set[str]] = defaultdict(set)
        self.out_of_order: list[Named] = []
        self.requests = 0
        self.url = ""
        self._newest: dict[int, int] = defaultdict(int)
        self._chance = chance
        self._failing = failing

    async def _take(self, request: web.Request) -> web.Response:
        self.requests += 1
        message = Named.of((await request.read()).split(b"|", 10)[9].decode())
        first = message not in self.keys
        self.keys[message].add(request.headers["Idempotency-Key"])
        if first:
            if message.place < self._newest[message.patient]:
                self.out_of_order.append(message)
            self._newest[message.patient] = max(message.place, self._newest[message.patient])
        drawn = self._chance.random()
        if drawn < self._failing / 2 and request.transport is not None:
            request.transport.close()
        return web.Response(status=500 if drawn < self._failing else 201)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site.port}/"
        try:
            yield self
        finally:
            with suppress(OSError):
                await runner.cleanup()
