"""The HTTP client's connections: kept alive, given up, and never a stranger's answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from yarl import URL

from connectors import http_client
from connectors.http_client import ConnectionLostError, HttpClient, NotHttpError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Talks to each connection by a function of the test's own."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.connections = 0
        self.ended = asyncio.Event()
        self.client: HttpClient

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()  # the client let go
        finally:
            writer.close()


@asynccontextmanager
async def talking(talk: Talk, **settings: Any) -> AsyncIterator[Server]:
    server = Server(talk)
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server.client = HttpClient(URL(f"http://127.0.0.1:{port}/in"), **settings)
    async with listening:
        yield server
        server.client.close()


async def request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


def answering(*answers: bytes) -> Talk:
    """The same answers on every connection, one for each request."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request(reader)
            writer.write(answer)
        await reader.readexactly(1)  # until the client ends it

    return talk


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201, b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no", None, None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", 200, b""),
    ],
)
async def test_an_answer_is_taken_whole_however_it_is_framed(
    said: bytes, status: int | None, body: bytes | None
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for place in range(len(said)):  # a byte at a time
            writer.write(said[place : place + 1])
            await writer.drain()
        if status is not None:
            await reader.readexactly(1)

    async with talking(talk) as server:
        call = server.client.call("POST", "", b"x")
        if status is None:
            with pytest.raises(NotHttpError):
                await call
        else:
            answer = await call
            assert (answer.status, answer.beginning) == (status, body)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nwhole")

    async with talking(talk) as server:
        for _ in range(2):
            assert (await server.client.call("POST", "", b"x")).beginning == b"whole"
        assert server.connections == 2


async def test_a_connection_is_used_again_unless_the_server_says_close() -> None:
    async with talking(answering(OK, OK, OK)) as server:
        for _ in range(3):
            await server.client.call("POST", "", b"x")
        assert server.connections == 1
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with talking(answering(closing)) as server:
        for _ in range(2):
            await server.client.call("POST", "", b"x")
        assert server.connections == 2


async def test_bytes_that_nobody_asked_for_end_the_connection_and_answer_no_later_call() -> None:
    stray = OK + b"HTTP/1.1 500 Not Yours\r\nContent-Length: 0\r\n\r\n"
    async with talking(answering(stray)) as server:
        for _ in range(3):
            assert (await server.client.call("POST", "", b"x")).status == 200
        assert server.connections == 3


async def test_a_call_that_is_given_up_leaves_its_late_answer_to_nobody() -> None:
    first = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await request(reader)
        if body == b"slow":
            first.set()
            await reader.readexactly(1)
        writer.write(OK)
        await reader.readexactly(1)

    async with talking(talk) as server:
        slow = asyncio.create_task(server.client.call("POST", "", b"slow"))
        await first.wait()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert (await server.client.call("POST", "", b"next")).status == 200
        assert server.connections == 2


async def test_a_connection_that_the_server_ended_meanwhile_is_not_used() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await writer.drain()
        ended.set()

    ended = asyncio.Event()
    async with talking(once) as server:
        await server.client.call("POST", "", b"x")
        await ended.wait()
        while server.client._idle and server.client._idle[0].reusable:  # until word of it is here
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        assert (await server.client.call("POST", "", b"x")).status == 200
        assert server.connections == 2


async def test_a_connection_that_has_been_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_IDLE_SECONDS", -1.0)
    async with talking(answering(OK, OK)) as server:
        for _ in range(2):
            await server.client.call("POST", "", b"x")
        assert server.connections == 2


async def test_a_server_that_hangs_up_without_a_word_is_told_apart_from_one_that_stammers() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await request(reader)

    async with talking(silent) as server:
        with pytest.raises(ConnectionLostError):
            await server.client.call("POST", "", b"x")

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")

    async with talking(half) as server:
        with pytest.raises(NotHttpError):
            await server.client.call("POST", "", b"x")


async def test_a_large_body_arrives_whole_and_calls_side_by_side_have_connections_of_their_own() -> None:
    got: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await request(reader))
        writer.write(OK)
        await reader.readexactly(1)

    bodies = [bytes([65 + number]) * 300_000 for number in range(4)]
    async with talking(talk) as server:
        answers = await asyncio.gather(*(server.client.call("POST", "", body) for body in bodies))
        assert [answer.status for answer in answers] == [200] * 4
        assert sorted(got) == bodies
        assert server.connections == 4
