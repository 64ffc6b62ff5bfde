"""The path of `islet bench mllp` with nothing in it: a yardstick for what a machine can do.

MLLP in, one row of a table committed, ACK, one HTTP POST with aiohttp, the row marked; of the message only MSH is read;
no keys, no states to search, no lineage, no retries, no order. What waits shares a commit.

`python -m engine.cli.bench.bare PORT SINK FILE` keeps its rows in a SQLite file; `PORT SINK POSTGRES_URL AMQP_URL` in
PostgreSQL, and sends the ids of each commit through a quorum queue in one message, with confirms.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol, cast

import aio_pika
import aiohttp
import asyncpg
import orjson
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

_SENDERS = 32
_TABLE = "CREATE TABLE bare (id bigint PRIMARY KEY, control text UNIQUE, body {blob}, state text)"
_OPEN = "CREATE INDEX bare_open ON bare (id) WHERE state = 'received'"

Row = tuple[int, str, bytes]
"""Id, control id, message."""
Done = Callable[[], Awaitable[None]]
"""What to call when a row has been marked."""


class Store(Protocol):
    """Where the rows are, and the road from there."""

    async def commit(self, new: Sequence[Row], sent: Sequence[int]) -> None:
        """Durable when it returns."""
        ...

    async def hand_on(self, rows: Sequence[Row], work: "asyncio.Queue[tuple[Row, Done]]") -> None: ...


class SqliteStore:
    """One file; rows are handed on in memory."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 10000"):
            self._database.execute(f"PRAGMA {pragma}")
        for statement in (_TABLE.format(blob="blob"), _OPEN):
            self._database.execute(statement)

    async def commit(self, new: Sequence[Row], sent: Sequence[int]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO bare VALUES (?, ?, ?, 'received')", new)
        self._database.executemany("UPDATE bare SET state = 'sent' WHERE id = ?", [(id_,) for id_ in sent])
        await asyncio.to_thread(self._database.execute, "COMMIT")

    async def hand_on(self, rows: Sequence[Row], work: "asyncio.Queue[tuple[Row, Done]]") -> None:
        for row in rows:
            work.put_nowait((row, _nothing))


async def _nothing() -> None:
    """There is no lease to acknowledge."""


class SharedStore:
    """PostgreSQL, one statement for each commit; a quorum queue, one message for the rows of a commit."""

    def __init__(self, database: "asyncpg.Connection[asyncpg.Record]", channel: AbstractChannel) -> None:
        self._database = database
        self._channel = channel
        self._rows: dict[int, Row] = {}
        self._left: dict[int, int] = {}

    @classmethod
    async def open(cls, url: str, amqp: str, work: "asyncio.Queue[tuple[Row, Done]]") -> "SharedStore":
        database = await asyncpg.connect(url)
        for statement in (_TABLE.format(blob="bytea"), _OPEN):
            await database.execute(statement)
        connections = [await aio_pika.connect(amqp) for _ in range(2)]  # one to publish, one to consume
        store = cls(database, await connections[0].channel(publisher_confirms=True))
        consumer = await connections[1].channel()
        await consumer.set_qos(prefetch_count=100)
        queue = await consumer.declare_queue("bare", durable=True, arguments={"x-queue-type": "quorum"})

        async def take(message: AbstractIncomingMessage) -> None:
            ids = orjson.loads(message.body)
            store._left[ids[0]] = len(ids)
            for id_ in ids:
                work.put_nowait((store._rows.pop(id_), lambda: store._finished(ids[0], message)))

        await queue.consume(take)
        return store

    async def commit(self, new: Sequence[Row], sent: Sequence[int]) -> None:
        await self._database.fetch(
            "WITH done AS (UPDATE bare SET state = 'sent' WHERE id = ANY ($4::bigint[])) "
            "INSERT INTO bare SELECT *, 'received' FROM unnest($1::bigint[], $2::text[], $3::bytea[])",
            *([row[place] for row in new] for place in range(3)),
            list(sent),
        )

    async def hand_on(self, rows: Sequence[Row], work: "asyncio.Queue[tuple[Row, Done]]") -> None:  # noqa: ARG002
        self._rows.update((row[0], row) for row in rows)
        body = orjson.dumps([row[0] for row in rows])
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._channel.default_exchange.publish(message, "bare")

    async def _finished(self, ticket: int, message: AbstractIncomingMessage) -> None:
        self._left[ticket] -= 1
        if not self._left[ticket]:
            del self._left[ticket]
            await message.ack()


class Bare:
    """Takes messages and sends them on."""

    def __init__(self) -> None:
        self.work: asyncio.Queue[tuple[Row, Done]] = asyncio.Queue()
        self._numbers = count(1)
        self._new: list[tuple[Row, Callable[[bytes], None], bytes]] = []
        self._sent: list[tuple[int, Done]] = []
        self._wake = asyncio.Event()

    def arrived(self, message: bytes, write: Callable[[bytes], None]) -> None:
        header = message[: message.find(b"\r")].split(b"|")
        number = next(self._numbers)
        answer = b"MSH|^~\\&|BARE||%b|%b|20261121||ACK^R01|A%d|P|2.5.1\rMSA|AA|%b\r" % (
            header[2],
            header[3],
            number,
            header[9],
        )
        self._new.append(((number, header[9].decode(), message), write, b"\x0b%b\x1c\r" % answer))
        self._wake.set()

    async def commit_all(self, store: Store, group: asyncio.TaskGroup) -> None:
        """Commit after commit, each with all that waits."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(0)
            new, sent, self._new, self._sent = self._new, self._sent, [], []
            await store.commit([row for row, _, _ in new], [id_ for id_, _ in sent])
            for _, write, answer in new:
                write(answer)
            if new:
                group.create_task(store.hand_on([row for row, _, _ in new], self.work))
            for _, done in sent:
                await done()

    async def send_all(self, session: aiohttp.ClientSession, url: str) -> None:
        while True:
            (id_, _, message), done = await self.work.get()
            async with session.post(url, data=message) as answer:
                await answer.read()
            self._sent.append((id_, done))
            self._wake.set()


class _Connection(asyncio.Protocol):
    def __init__(self, bare: Bare) -> None:
        self._bare = bare
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *messages, self._buffer = (self._buffer + data).split(b"\x1c\r")
        for message in messages:
            self._bare.arrived(message[1:], self._transport.write)


async def main(port: int, sink: int, places: Sequence[str]) -> None:
    """Until it is killed."""
    bare = Bare()
    store: Store = (
        SqliteStore(Path(places[0]))
        if len(places) == 1
        else await SharedStore.open(places[0].replace("+asyncpg", ""), places[1], bare.work)
    )
    connector = aiohttp.TCPConnector(limit=_SENDERS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        await asyncio.get_running_loop().create_server(lambda: _Connection(bare), "127.0.0.1", port)
        group.create_task(bare.commit_all(store, group))
        for _ in range(_SENDERS):
            group.create_task(bare.send_all(session, f"http://127.0.0.1:{sink}/"))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
