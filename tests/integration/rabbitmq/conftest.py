"""A cable between engine and broker that can fail in the ways of networks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import pytest
from yarl import URL

from engine.brokers.rabbitmq import RabbitBroker, RabbitSettings
from engine.model.clock import SystemClock
from engine.model.retry import RetryPolicy
from engine.testing.fakes import MemoryLog

AT_ONCE = RetryPolicy(first_wait_seconds=0.05, longest_wait_seconds=0.2)


class Cable:
    """Passes bytes on. While it is `deaf` the broker is heard no more, though it hears us; `cut` ends every line."""

    def __init__(self, url: str) -> None:
        self._target = URL(url)
        self._lines: list[asyncio.StreamWriter] = []
        self._hears = asyncio.Event()
        self._hears.set()
        self._server: asyncio.Server | None = None

    async def lay(self) -> str:
        """The URL of its near end."""
        self._server = await asyncio.start_server(self._line, "127.0.0.1", 0)
        return str(self._target.with_port(self._server.sockets[0].getsockname()[1]))

    def deaf(self) -> None:
        self._hears.clear()

    def cut(self) -> None:
        lines, self._lines = self._lines, []
        for line in lines:
            line.transport.abort()
        self._hears.set()

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _line(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        assert self._target.host is not None
        far_in, far_out = await asyncio.open_connection(self._target.host, self._target.port)
        self._lines += [near_out, far_out]
        with suppress(OSError):
            await asyncio.gather(self._pass_on(near_in, far_out), self._pass_on(far_in, near_out, self._hears))

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, hears: asyncio.Event | None = None
    ) -> None:
        while some := await source.read(65536):
            if hears is not None:
                await hears.wait()
            target.write(some)
            await target.drain()
        target.close()


Open = Callable[..., Awaitable[RabbitBroker]]


@pytest.fixture
async def opened(namespace: str) -> AsyncIterator[Open]:
    """`await opened(url)`: a broker of the test's namespace, open, and closed at the end; further arguments are
    settings."""
    async with AsyncExitStack() as stack:

        async def opened(url: str, log: MemoryLog | None = None, **more: object) -> RabbitBroker:
            settings = RabbitSettings(url=url, namespace=namespace, reconnect=AT_ONCE, **more)  # type: ignore[arg-type]
            broker = RabbitBroker(settings, SystemClock(), log or MemoryLog(), lambda: 0.5)
            stack.push_async_callback(broker.close)
            await broker.open()
            return broker

        yield opened


@pytest.fixture
async def cable(shared_vhost: str) -> AsyncIterator[Cable]:
    laid = Cable(shared_vhost)
    yield laid
    await laid.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Raises TimeoutError when it does not come true."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - what comes true is at the broker
            await asyncio.sleep(0.02)
