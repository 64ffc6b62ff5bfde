"""An engine of several workers on private PostgreSQL and RabbitMQ servers, and ways to harm all of them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aio_pika
import asyncpg

from engine.journal.postgres import PostgresJournal
from engine.model.errors import Unavailable
from engine.runtime.audit import Books, books
from engine.testing.services import PrivatePostgres, PrivateRabbitMq
from engine.testing.services.processes import free_port

_INTAKE = """\
channel: intake
description: Takes results in
source: {{type: mllp_listener, port: {port}, accepts: [ORU^R01]}}
transform:
  - {{type: set_fields, set: {{MSH-5: REGISTRY}}}}
"""
_OUT = """\
channel: out
description: Sends them on
source: {{type: channel, shape: hl7v2}}
transform:
  - {{type: set_fields, set: {{MSH-6: STM}}}}
destinations:
  - name: receiver
    type: http_sender
    url: {url}
    timeout: 10s
    at_once: 16
    retry: {{attempts: 1000, first_wait: 50ms, longest_wait: 500ms}}
    circuit_breaker: {{failures: 50, try_again_in: 200ms}}
"""
_LOOK_SECONDS = 0.1
_START_SECONDS = 90.0
_STOP_SECONDS = 60.0


class Cluster:
    """`islet run --workers N`, with the servers it needs."""

    def __init__(self, folder: Path, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMq, workers: int) -> None:
        self.postgres = postgres
        self.rabbitmq = rabbitmq
        self.port = free_port()
        self._folder = folder
        self._journal = postgres.new_database()
        self._broker = rabbitmq.new_vhost()
        self._workers = workers
        self._environment = {**os.environ, "ISLET_JOURNAL": self._journal, "ISLET_BROKER": self._broker}
        self._process: subprocess.Popen[bytes] | None = None

    @asynccontextmanager
    async def running(self, receiver_url: str) -> AsyncIterator[None]:
        """Up inside, with its port open; stopped in order at the end."""
        (self._folder / "channels").mkdir(parents=True)
        (self._folder / "channels" / "intake.yaml").write_text(_INTAKE.format(port=self.port))
        (self._folder / "channels" / "out.yaml").write_text(_OUT.format(url=receiver_url))
        (self._folder / "routes.yaml").write_text("routes: {intake: [out]}\n")
        command = [sys.executable, "-m", "engine", "run", "--project", str(self._folder), "--grace", "5"]
        options = ["--workers", str(self._workers)] if self._workers > 1 else []
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([*command, *options], env=self._environment, stderr=log, stdout=log)  # noqa: S603, ASYNC220
        try:
            await self._listening()
            yield
        finally:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self._process.wait, _STOP_SECONDS)

    async def _listening(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while True:
                assert self._process is not None
                if self._process.poll() is not None:
                    raise RuntimeError(f"the engine did not start: {self.last_words()}")
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    @property
    def log(self) -> Path:
        return self._folder / "engine.log"

    def workers(self) -> list[int]:
        """Process ids of the workers that are there now."""
        assert self._process is not None
        if self._workers == 1:
            return [self._process.pid]
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(number) for number in children.split()]

    def signal_worker(self, number: int, how: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(number, how)

    async def cut_database_connections(self) -> None:
        """As a firewall does that forgets."""
        with suppress(OSError, asyncpg.PostgresError):
            connection = await asyncpg.connect(self._journal, timeout=5)
            try:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'islet'"
                )
            finally:
                await connection.close()

    async def cut_broker_connections(self) -> None:
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            await asyncio.to_thread(self.rabbitmq.control, "close_all_connections", "test")

    async def delete_queues(self) -> int:
        """Every queue with all its tickets; how many there were."""
        vhost = self._broker.rpartition("/")[2]
        listed = await asyncio.to_thread(
            self.rabbitmq.control, "list_queues", "-p", vhost, "name", "--no-table-headers"
        )
        names = listed.splitlines()
        connection = await aio_pika.connect(self._broker, timeout=10)
        async with connection, connection.channel() as channel:
            for name in names:
                await channel.queue_delete(name)
        return len(names)

    async def rebuild_queues(self) -> None:
        """`islet queue rebuild`, beside the engines. Raises RuntimeError with what it says is wrong."""
        command = [sys.executable, "-m", "engine", "queue", "rebuild", "--project", str(self._folder)]
        process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        told, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(told.decode(errors="replace")[-2000:])

    async def drained(self, limit_seconds: float) -> Books:
        """The books, once nothing is in flight any more, or as they are after `limit_seconds`."""
        end = asyncio.get_running_loop().time() + limit_seconds
        journal = PostgresJournal(self._journal)
        try:
            await journal.open()
            while True:
                with suppress(Unavailable):
                    counted = await books(journal.queries)
                    if not counted.copies["in flight"] or asyncio.get_running_loop().time() > end:
                        return counted
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await journal.close()
