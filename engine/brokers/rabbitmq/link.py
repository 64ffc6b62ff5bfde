"""One connection to the broker, kept up until it is closed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection

from engine.brokers.rabbitmq.settings import RabbitSettings
from engine.brokers.rabbitmq.words import for_a_person, trouble, words
from engine.contracts.plugins import Log
from engine.model.clock import Clock
from engine.model.errors import ConfigError, Unavailable

_CLOSE_SECONDS = 4.0  # the library waits two seconds for the broker's goodbye


async def _nothing_to_prepare(_connection: AbstractConnection) -> None:
    """For a link that is of use as soon as it is there."""


class Link:
    """Connects, prepares the connection, waits until it is lost, and begins again with back-off."""

    def __init__(
        self,
        purpose: str,
        settings: RabbitSettings,
        clock: Clock,
        log: Log,
        chance: Callable[[], float],
        prepare: Callable[[AbstractConnection], Awaitable[None]] = _nothing_to_prepare,
    ) -> None:
        self._purpose = purpose
        self._settings = settings
        self._clock = clock
        self._log = log
        self._chance = chance
        self._prepare = prepare
        self._connection: AbstractConnection | None = None
        self._up = asyncio.Event()
        self._answered = asyncio.Event()
        self._trouble: Unavailable | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False
        self.beginning = asyncio.Lock()
        """For whoever does something that can cost everybody the connection."""

    @property
    def up(self) -> bool:
        return self._connection is not None

    @property
    def trouble(self) -> Unavailable | None:
        """Why the last attempt to connect failed. None while connected, and while a first attempt is under way."""
        return self._trouble

    def start(self) -> None:
        if self._keeper is None:
            self._trouble = None
            self._answered.clear()
            self._closing = False
            self._keeper = asyncio.create_task(self._keep_up(), name=f"rabbitmq-{self._purpose}")

    async def connection(self) -> AbstractConnection:
        """The connection, as soon as there is one."""
        while self._connection is None:
            await self._up.wait()
        return self._connection

    async def first_answer(self) -> None:
        """Return when connected. Raises NeedsOperator when the broker answered in a way that only a person can mend."""
        await self._answered.wait()
        if self._trouble is not None and (needs := for_a_person(self._trouble)):
            raise needs

    async def close(self) -> None:
        """Safe twice."""
        if self._keeper is not None:
            self._closing = True  # the client library can take a cancellation for a lost connection
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    async def _keep_up(self) -> None:
        settings, failures = self._settings, 0
        while not self._closing:
            try:
                async with self._connected() as lost:
                    failures = 0
                    await lost.wait()
                self._log.warning("broker_lost", peer=settings.peer, reason=self._purpose)
            except Unavailable as error:
                failures += 1
                self._trouble = error
                if for_a_person(error):
                    self._answered.set()
                self._log.warning(
                    "broker_away", peer=settings.peer, reason=self._purpose, code=error.code, attempt=failures
                )
            if not self._closing:
                await self._clock.sleep(settings.reconnect.back_off(max(failures, 1), self._chance()))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncio.Event]:
        """Connected and prepared inside; gives what is set when the connection is lost. Raises Unavailable."""
        connection = await self._connect()
        lost = asyncio.Event()

        def on_close(*_: Any) -> None:
            lost.set()

        connection.close_callbacks.add(on_close)
        try:
            await self._prepare(connection)
            self._connection, self._trouble = connection, None
            self._up.set()
            self._answered.set()
            self._log.info("broker_connected", peer=self._settings.peer, reason=self._purpose)
            yield lost
        finally:
            self._connection = None
            self._up.clear()
            with suppress(Unavailable, TimeoutError):  # it was closed already, or does not hear us
                async with asyncio.timeout(_CLOSE_SECONDS):
                    with words():
                        await connection.close()

    async def _connect(self) -> AbstractConnection:
        settings = self._settings
        try:
            context = await asyncio.to_thread(settings.tls_context)  # each time: certificates are renewed
            async with asyncio.timeout(settings.connect_timeout_seconds):
                with words():
                    return await aio_pika.connect(settings.address(self._purpose), ssl_context=context)
        except TimeoutError:
            raise trouble("broker-away") from None
        except ConfigError:
            raise trouble("broker-tls") from None
