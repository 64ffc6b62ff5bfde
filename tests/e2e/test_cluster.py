"""Engines that share a journal: killed, stopped, cut off and started again, and what they do beside each other."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from engine.testing.crash import CrashRun
from engine.testing.crash.cluster import Cluster
from engine.testing.crash.load import Named
from engine.testing.services import PrivatePostgres, PrivateRabbitMq
from engine.testing.services.processes import free_port

SEED = int(os.environ.get("ISLET_CRASH_SEED", random.randrange(1_000_000)))


@pytest.fixture
def cluster(tmp_path: Path, postgres_server: PrivatePostgres, rabbitmq_server: PrivateRabbitMq) -> Cluster:
    """Of two workers; every fault is undone, so the servers are up again afterwards."""
    return Cluster(tmp_path / "engine", postgres_server, rabbitmq_server, workers=2)


async def test_nothing_is_lost_or_doubled_and_order_holds_whatever_is_killed_stopped_or_cut(cluster: Cluster) -> None:
    run = CrashRun(messages=1500, seed=SEED, faults=10, longest_pause_seconds=2.0, patients=60, senders=8)
    verdict = await run.on(cluster)
    assert not verdict.wrong, f"ISLET_CRASH_SEED={SEED}: {verdict.wrong}\n{cluster.last_words()}"
    assert verdict.acked >= 1500
    assert sum(verdict.faults.values()) == 10


class Engine:
    """One `islet run` beside others, with its health port."""

    def __init__(self, folder: Path, journal: str, broker: str) -> None:
        self.port, self.health_port = free_port(), free_port()
        (folder / "channels").mkdir(parents=True)
        (folder / "out").mkdir()
        (folder / "channels" / "intake.yaml").write_text(
            f"channel: intake\ndescription: Takes results in\n"
            f"source: {{type: mllp_listener, port: {self.port}, accepts: [ORU^R01], when_unavailable: AE}}\n"
            f"destinations: [{{name: files, type: file_writer, folder: {folder}/out}}]\n"
        )
        (folder / "routes.yaml").write_text("routes: {}\n")
        self._command = [sys.executable, "-m", "engine", "run", "--project", str(folder)]
        self._command += ["--health-port", str(self.health_port), "--grace", "2"]
        self._environment = {**os.environ, "ISLET_JOURNAL": journal, "ISLET_BROKER": broker}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            yield
        finally:
            assert process.returncode is None, "it ended by itself"
            process.terminate()
            async with asyncio.timeout(60):
                await process.wait()

    async def until_ready(self, wanted: Mapping[str, object]) -> None:
        """Until `/health/ready` says so."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"http://127.0.0.1:{self.health_port}/health/ready") as answer:
                        told = await answer.json()
                        codes = {name: error["code"] for name, error in told["waits_for"].items()}
                        if {"status": answer.status, **codes} == wanted:
                            return

    async def ack_of(self, message: Named) -> bytes:
        """The acknowledgement code that this message gets."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"\x0b" + message.oru() + b"\x1c\x0d")
            async with asyncio.timeout(60):
                reply = await reader.readuntil(b"\x1c\x0d")
            return reply.split(b"MSA|")[1][:2]
        finally:
            writer.close()


async def test_an_engine_waits_for_its_broker_says_so_and_opens_its_doors_when_it_comes(
    tmp_path: Path, postgres_url: str, rabbitmq_server: PrivateRabbitMq
) -> None:
    engine = Engine(tmp_path, postgres_url, rabbitmq_server.new_vhost())
    await asyncio.to_thread(rabbitmq_server.kill)
    try:
        async with engine.running():
            await engine.until_ready({"status": 503, "broker": "broker-away"})
            with pytest.raises(OSError, match="Connect call failed"):
                await engine.ack_of(Named(1, 1))
            await asyncio.to_thread(rabbitmq_server.start)
            await engine.until_ready({"status": 200})
            assert await engine.ack_of(Named(1, 1)) == b"AA"
    finally:
        if not rabbitmq_server.running:
            rabbitmq_server.start()


async def test_without_broker_messages_are_taken_and_without_database_they_are_not(
    tmp_path: Path, postgres_server: PrivatePostgres, rabbitmq_server: PrivateRabbitMq
) -> None:
    engine = Engine(tmp_path, postgres_server.new_database(), rabbitmq_server.new_vhost())
    try:
        async with engine.running():
            await engine.until_ready({"status": 200})
            await asyncio.to_thread(rabbitmq_server.kill)
            await engine.until_ready({"status": 200, "broker": "broker-away"})
            assert await engine.ack_of(Named(1, 1)) == b"AA", "the journal has it"
            await asyncio.to_thread(rabbitmq_server.start)
            await engine.until_ready({"status": 200})
            await asyncio.to_thread(postgres_server.kill)
            await engine.until_ready({"status": 503, "journal": "journal-unavailable"})
            assert await engine.ack_of(Named(1, 2)) == b"AE", "nobody has it: the sender keeps it"
            await asyncio.to_thread(postgres_server.start)
            await engine.until_ready({"status": 200})
            assert await engine.ack_of(Named(1, 2)) == b"AA"
    finally:
        for server in (postgres_server, rabbitmq_server):
            if not server.running:
                server.start()


async def test_a_broker_short_of_memory_holds_up_the_work_and_no_sender(
    tmp_path: Path, postgres_server: PrivatePostgres, rabbitmq_server: PrivateRabbitMq
) -> None:
    engine = Engine(tmp_path, postgres_server.new_database(), rabbitmq_server.new_vhost())
    try:
        async with engine.running():
            await engine.until_ready({"status": 200})
            await asyncio.to_thread(rabbitmq_server.control, "set_vm_memory_high_watermark", "0")
            assert [await engine.ack_of(Named(1, place)) for place in range(1, 20)] == [b"AA"] * 19
            await engine.until_ready({"status": 200, "broker": "broker-blocked"})
            await asyncio.to_thread(rabbitmq_server.control, "set_vm_memory_high_watermark", "0.4")
            await engine.until_ready({"status": 200})
            async with asyncio.timeout(60):
                while len(list((tmp_path / "out").glob("*.hl7"))) < 19:  # noqa: ASYNC110 - another process writes them
                    await asyncio.sleep(0.1)
    finally:
        rabbitmq_server.control("set_vm_memory_high_watermark", "0.4")
