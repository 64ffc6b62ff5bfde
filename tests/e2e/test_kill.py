"""The engine is killed at random moments, again and again; then the books are counted.

Moments are drawn by counts of messages, never by time; the seed is printed, ISLET_KILL_SEED repeats a run's draws.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from clinical.hl7v2 import parse_ack
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.runtime.audit import Books, books
from engine.testing.crash import EngineProcess

SCRIPT = Path(__file__).with_name("engine_process.py")
KILLS = 22
CONNECTIONS = 6
PATIENCE_SECONDS = 120.0


class Counts:
    """Counters that can be waited for."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    async def add(self, word: str) -> None:
        async with self._changed:
            self.of[word] += 1
            self._changed.notify_all()

    async def reach(self, word: str, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.of[word] >= count)


class Sink:
    """An HTTP server that remembers under which idempotency keys each control id came, and how it answered.

    Now and then it takes a message and then says 500, as a server does that dies while it answers.
    """

    def __init__(self, counts: Counts, chance: random.Random, failing: float = 0.05) -> None:
        self.keys: dict[str, set[str]] = defaultdict(set)
        self.unmarked: list[str] = []
        self.url = ""
        self.gate: asyncio.Event | None = None
        self._counts = counts
        self._chance = chance
        self._failing = failing

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        control_id = body.split(b"|", 10)[9].decode()
        self.keys[control_id].add(request.headers["Idempotency-Key"])
        if not body.endswith(b"ZPR|processed\r"):
            self.unmarked.append(control_id)
        await self._counts.add("effect")
        if self.gate is not None:
            await self.gate.wait()
        return web.Response(status=500 if self._chance.random() < self._failing else 201)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Sink"]:
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            yield self
        finally:
            await runner.cleanup()


def oru(control_id: str) -> bytes:
    """A distinct result of one of fifty patients."""
    patient = int(control_id[1:]) % 50
    return (
        f"MSH|^~\\&|GLUCO|STM|ISLET|LAB|20261120101500+0000||ORU^R01|{control_id}|P|2.5.1\r"
        f"PID|1||P{patient}^^^STM^MR\rOBR|1||F{control_id}|2339-0^Glucose^LN\r"
        f"OBX|1|NM|2339-0^Glucose^LN||{100 + patient}|mg/dL|||||F|||20261120101000+0000\r"
    ).encode()


class Sender:
    """One sending system: sends each message until it is acknowledged, over as many connections as that takes."""

    def __init__(self, engine: EngineProcess, counts: Counts) -> None:
        self._engine = engine
        self._counts = counts
        self._writer: asyncio.StreamWriter | None = None
        self.acked: list[str] = []

    async def send_all(self, control_ids: list[str]) -> None:
        for control_id in control_ids:
            while not await self._try(control_id):
                self.hang_up()
            self.acked.append(control_id)
            await self._counts.add("acked")
        self.hang_up()

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _try(self, control_id: str) -> bool:
        await self._engine.up.wait()
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._engine.port)
            self._writer.write(b"\x0b" + oru(control_id) + b"\x1c\x0d")
            await self._counts.add("sent")
            raw = await self._reader.readuntil(b"\x1c\x0d")
        except (OSError, asyncio.IncompleteReadError):
            return False
        reply = parse_ack(raw[1:-2])
        return reply.code == "AA" and reply.control_id == control_id


async def count_books(store: Path) -> Books:
    journal = SqliteJournal(store)
    await journal.open()
    try:
        return await books(journal.queries)
    finally:
        await journal.close()


async def drained(store: Path) -> Books:
    """The books, once nothing is in flight any more."""
    while (result := await count_books(store)).copies["in flight"]:
        pass
    return result


@asynccontextmanager
async def an_engine_process(tmp_path: Path, sink: Sink) -> AsyncIterator[EngineProcess]:
    store = tmp_path / "islet.db"
    upgrade_sqlite(store)
    engine = EngineProcess(SCRIPT, [str(store), sink.url], tmp_path / "engine.log")
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


async def killer(engine: EngineProcess, counts: Counts, chance: random.Random) -> None:
    """Kills the engine after a random number of messages sent, acknowledged or delivered since its start."""
    for _ in range(KILLS):
        word = chance.choice(["sent", "acked", "effect"])
        await counts.reach(word, counts.of[word] + chance.randint(1, 40))
        await engine.kill()
        await engine.start()


@pytest.mark.slow
async def test_killed_at_random_moments_nothing_acked_is_missing_and_nothing_has_two_effects(tmp_path: Path) -> None:
    """Broken on purpose once: settling before the commit in ingest leaves acknowledged messages without effect."""
    seed = int(os.environ.get("ISLET_KILL_SEED", random.SystemRandom().randrange(10**6)))
    print(f"ISLET_KILL_SEED={seed}")  # noqa: T201 - shown by pytest when the test fails
    chance, counts = random.Random(seed), Counts()
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        Sink(counts, random.Random(seed + 1)).running() as sink,
        an_engine_process(tmp_path, sink) as engine,
    ):
        senders = [Sender(engine, counts) for _ in range(CONNECTIONS)]
        numbers = iter(range(10**9))
        killing = asyncio.create_task(killer(engine, counts, chance))

        async def keep_sending(sender: Sender) -> None:
            while not killing.done():
                await sender.send_all([f"M{next(numbers)}"])

        await asyncio.gather(killing, *(keep_sending(sender) for sender in senders))
        await drained(tmp_path / "islet.db")
        assert await engine.terminate() == 0, (tmp_path / "engine.log").read_text()[-2000:]
    acked = {control_id for sender in senders for control_id in sender.acked}
    result = await count_books(tmp_path / "islet.db")
    assert engine.starts == KILLS + 1
    assert len(acked) >= KILLS
    assert result.balance, result
    assert set(sink.keys) == acked, "every acknowledged message has its effect, and nothing else has"
    assert {control_id: keys for control_id, keys in sink.keys.items() if len(keys) != 1} == {}
    assert sink.unmarked == []
    assert result.copies["delivered"] == len(acked)
    assert result.copies["delivered"] + result.copies["duplicate"] == result.received


@pytest.mark.slow
async def test_sigterm_finishes_what_is_leased_takes_no_more_and_exits_with_0(tmp_path: Path) -> None:
    counts = Counts()
    async with asyncio.timeout(PATIENCE_SECONDS), Sink(counts, random.Random(1), failing=0.0).running() as sink:
        sink.gate = asyncio.Event()
        async with an_engine_process(tmp_path, sink) as engine:
            sender = Sender(engine, counts)
            await sender.send_all(["M1"])
            await counts.reach("effect", 1)
            ending = asyncio.create_task(engine.terminate())
            await _door_is_shut(engine.port)
            assert not ending.done()
            sink.gate.set()
            assert await ending == 0, (tmp_path / "engine.log").read_text()[-2000:]
    result = await count_books(tmp_path / "islet.db")
    assert result.balance
    assert result.copies["delivered"] == 1
    assert result.copies["in flight"] == 0


async def _door_is_shut(port: int) -> None:
    """Returns once nobody listens on the port any more."""
    with suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
