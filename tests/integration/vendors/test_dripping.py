"""A cloud that answers a byte a second: the whole call has one time, however often something comes."""

import asyncio
from typing import NamedTuple

import aiohttp
import pytest

from connectors.cloud.calls import Caller
from engine import sdk
from engine.testing.fakes import ManualClock
from tests.integration.dexcom.harness import GUARD_SECONDS

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"


class Limits(NamedTuple):
    address: str
    rate_limit: float = 1000.0
    timeout: float = 30.0
    largest: int = 1_000_000


@pytest.mark.parametrize("at_once", [len(ANSWER), 10, 0], ids=["body", "head", "all"])
async def test_a_byte_a_second_ends_at_the_timeout(at_once: int) -> None:
    clock, given, asked = ManualClock(), list[int](), asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer = ANSWER + b"x" * 500
        writer.write(answer[:at_once])
        asked.set()
        for byte in answer[at_once:]:
            await clock.sleep(1)
            if reader.at_eof() or writer.is_closing():
                break  # it hung up
            writer.write(bytes([byte]))
            given.append(byte)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None)
    async with server, aiohttp.ClientSession(timeout=timeout) as session:
        caller = Caller(Limits(address), clock, session, "Cloud", "ask")
        call = asyncio.create_task(caller.get("/", {}))
        async with asyncio.timeout(GUARD_SECONDS):
            await asked.wait()
            await clock.advance(29)
            assert not call.done()
            await clock.advance(2)
            with pytest.raises(sdk.Unavailable) as failed:
                await call
    assert failed.value.code == "timeout"
    assert len(given) >= 29
