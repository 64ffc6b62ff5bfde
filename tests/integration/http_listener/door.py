"""A listener that is open, and those who knock: what all tests of the HTTP listener need."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

from connectors.http_listener import HttpListener, HttpListenerSettings
from engine import sdk
from engine.testing.fakes import MemoryLog, plugin_context

CANARY = b'{"patient": "Zweistein, Franziska", "mrn": "4711-0815"}'
JSON = {"Content-Type": "application/json"}
HEAD = b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SECONDS = 20


class Door:
    """A listener that is open, with one place where its arrivals come out."""

    def __init__(self, listener: HttpListener, log: MemoryLog, arrivals: AsyncIterator[sdk.Arrival]) -> None:
        self.listener = listener
        self.log = log
        self.arrivals = arrivals

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}/in"

    async def next(self) -> sdk.Arrival:
        async with asyncio.timeout(SECONDS):
            return await anext(self.arrivals)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for lies in the listener, which has no event for it
            await asyncio.sleep(0)


@asynccontextmanager
async def a_door(**settings: Any) -> AsyncIterator[Door]:
    """Open a listener; its `deliveries` is run by a queue, so that tests may take an arrival or let it wait."""
    log = MemoryLog()
    written = {"port": 0, "path": "/in", **settings}
    listener = HttpListener(HttpListenerSettings.model_validate(written), plugin_context(log=log))
    deliveries = listener.deliveries()
    first = asyncio.ensure_future(anext(deliveries))

    async def arrivals() -> AsyncIterator[sdk.Arrival]:
        with suppress(StopAsyncIteration):
            yield await first
            async for arrival in deliveries:
                yield arrival

    try:
        async with asyncio.timeout(SECONDS):
            await listener.opened.wait()
        yield Door(listener, log, arrivals())
    finally:
        async with asyncio.timeout(SECONDS):
            await listener.close()
        first.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await first
        await deliveries.aclose()


async def post(client: aiohttp.ClientSession, url: str, body: bytes = b"{}", **headers: str) -> tuple[int, Any, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(url, data=body, headers={**JSON, **named}) as response:
        return response.status, await response.json(), response.headers


async def refused(client: aiohttp.ClientSession, door: Door, method: str, url: str, **request: Any) -> tuple[int, str]:
    async with client.request(method, url, **request) as response:
        code = (await response.json())["code"]
        assert ("warning", "http-refused", {"code": code, "status": response.status}) in door.log.events
        return response.status, code


async def raw(door: Door, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
    writer.write(request)
    await writer.drain()
    return reader, writer
