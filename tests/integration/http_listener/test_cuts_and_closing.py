"""The HTTP listener on real sockets: bodies that break off, and the end of the listener itself."""

import asyncio

import aiohttp
import pytest

from connectors.http_listener import HttpListener, HttpListenerSettings
from engine import sdk
from engine.testing.fakes import plugin_context
from tests.integration.http_listener.door import HEAD, SECONDS, a_door, post, raw, until


async def test_a_body_that_is_cut_is_not_a_message(client: aiohttp.ClientSession) -> None:
    async with a_door() as door:
        _, writer = await raw(door, HEAD + b'Content-Length: 50\r\n\r\n{"half":')
        writer.close()
        await writer.wait_closed()
        posting = asyncio.ensure_future(post(client, door.url, b'{"whole": 1}'))
        arrival = await door.next()
        assert arrival.body == b'{"whole": 1}'
        await arrival.settle(sdk.Accepted("m1"))
        assert (await posting)[0] == 202


async def test_a_sender_that_stops_inside_a_body_gives_its_place_back(client: aiohttp.ClientSession) -> None:
    async with a_door(receive_within="50ms", at_once=1) as door:
        reader, writer = await raw(door, HEAD + b'Content-Length: 50\r\n\r\n{"half":')
        posting = asyncio.ensure_future(post(client, door.url))
        async with asyncio.timeout(SECONDS):
            assert b" 408 " in await reader.readline()
        await (await door.next()).settle(sdk.Accepted("m1"))
        assert (await posting)[0] == 202
        writer.close()


async def test_a_sender_that_asks_before_it_sends_is_told_to_go_on_or_not(client: aiohttp.ClientSession) -> None:
    async with a_door(max_size="100 B") as door:
        reader, writer = await raw(door, HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        await (await door.next()).settle(sdk.Accepted("m1"))
        assert b" 202 " in await reader.readline()
        writer.close()
        reader, writer = await raw(door, HEAD + b"Expect: 100-continue\r\nContent-Length: 101\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            assert b" 413 " in await reader.readline()
        writer.close()


async def test_closing_answers_what_is_in_hand_and_sends_the_others_away(client: aiohttp.ClientSession) -> None:
    async with a_door(at_once=2) as door:
        in_hand = asyncio.ensure_future(post(client, door.url, b'"in hand"'))
        arrival = await door.next()
        reader, writer = await raw(door, HEAD + b'Content-Length: 50\r\n\r\n{"half":')  # takes the second place
        waiting = asyncio.ensure_future(post(client, door.url, b'"waiting for a place"'))
        await until(lambda: len(door.listener._patience) == 2)
        await door.listener.close()
        assert (await waiting)[0] == 503
        async with asyncio.timeout(SECONDS):
            assert b" 503 " in await reader.readline()
        with pytest.raises(ConnectionRefusedError):
            await raw(door, b"")
        assert not in_hand.done()
        await arrival.settle(sdk.Accepted("m1"))
        assert (await in_hand)[:2] == (202, {"id": "m1"})
        with pytest.raises(StopAsyncIteration):
            await door.next()
        writer.close()


async def test_what_was_received_but_not_yet_yielded_when_closing_is_to_come_again(
    client: aiohttp.ClientSession,
) -> None:
    async with a_door() as door:
        first = asyncio.ensure_future(post(client, door.url, b"1"))
        arrival = await door.next()
        second = asyncio.ensure_future(post(client, door.url, b"2"))
        await until(lambda: not door.listener._queue.empty())
        await door.listener.close()
        status, _, headers = await second
        assert (status, headers["Retry-After"]) == (503, "5")
        await arrival.settle(sdk.Accepted("m1"))
        assert (await first)[0] == 202


async def test_close_is_safe_twice_and_without_open() -> None:
    listener = HttpListener(HttpListenerSettings(port=0), plugin_context())
    await listener.close()
    await listener.close()
    with pytest.raises(StopAsyncIteration):
        await anext(listener.deliveries())


async def test_a_taken_port_is_told_with_what_to_do() -> None:
    async with a_door() as door:
        other = HttpListener(HttpListenerSettings(port=door.listener.port), plugin_context())
        with pytest.raises(sdk.Unavailable, match=rf"127.0.0.1 port {door.listener.port}.*change host or port"):
            await anext(other.deliveries())
