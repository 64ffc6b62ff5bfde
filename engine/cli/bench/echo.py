"""MLLP alone: the listener without a journal beside a bare asyncio.Protocol that answers the same, in turns.

Server and load generator are processes of their own. What counts is the server's CPU time for a message: speeds are
bounded by the load generator and by what else the machine does.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine import sdk
from engine.cli.bench.mllp_load import message
from engine.model.clock import SystemClock
from engine.testing.fakes import plugin_context

KINDS = ("bare", "listener")


class Bare(asyncio.Protocol):
    """What any MLLP server must do at least: find the blocks, read MSH, answer AA."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(b"\x1c\r")) >= 0:
            msh = bytes(buffer[1 : buffer.find(b"\r")]).decode().split("|")
            del buffer[: end + 2]
            reply = (
                f"MSH|^~\\&|{msh[4]}|{msh[5]}|{msh[2]}|{msh[3]}|{msh[6]}||ACK^R01^ACK|1|{msh[10]}|{msh[11]}\r"
                f"MSA|AA|{msh[9]}\r"
            )
            self._transport.write(b"\x0b" + reply.encode() + b"\x1c\r")


@asynccontextmanager
async def _bare() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _listener() -> AsyncIterator[int]:
    listener = MllpListener(ListenerSettings(port=0, accepts=("ORU^R01",)), plugin_context(clock=SystemClock()))
    stored = sdk.Accepted("x")

    async def engine() -> None:
        async for arrival in listener.deliveries():
            await arrival.settle(stored)

    running = asyncio.create_task(engine())
    await listener.listening.wait()
    yield listener.port
    await listener.close()
    await running


async def serve(kind: str) -> None:
    """Print the port; when standard input ends, print the CPU seconds used since."""
    async with _bare() if kind == "bare" else _listener() as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        used = time.process_time()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        sys.stdout.write(f"{time.process_time() - used}\n")


class Sender(asyncio.Protocol):
    """Keeps `window` messages under way until the time is over."""

    def __init__(self, window: int, until: float) -> None:
        self.acked = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = 0
        self._window = window
        self._until = until
        self._block = message("E", 1, 1)
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send(self._window)

    def data_received(self, data: bytes) -> None:
        answered = data.count(b"\x1c")
        self.acked += answered
        self._open -= answered
        if time.perf_counter() < self._until:
            self._send(answered)
        elif not self._open and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _send(self, count: int) -> None:
        assert self._transport is not None
        self._open += count
        self._transport.write(self._block * count)


async def load(port: int, connections: int, window: int, seconds: float) -> None:
    """Send for so long; print one line of JSON: acked and seconds."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    senders = [Sender(window, start + seconds) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(sender.done for sender in senders))
    acked = sum(sender.acked for sender in senders)
    sys.stdout.write(json.dumps({"acked": acked, "seconds": time.perf_counter() - start}) + "\n")


def measure(kind: str, connections: int, window: int, seconds: float) -> dict[str, float]:
    """ACKs a second and the server's CPU microseconds for each."""
    module = [sys.executable, "-m", "engine.cli.bench.echo"]
    with subprocess.Popen([*module, "serve", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        sent = [*module, "load", port, str(connections), str(window), str(seconds)]
        figures = json.loads(subprocess.run(sent, stdout=subprocess.PIPE, text=True, check=True).stdout)
        server.stdin.close()
        used = float(server.stdout.readline())
    return {"per_second": figures["acked"] / figures["seconds"], "cpu_micros": used / figures["acked"] * 1e6}


def show(seconds: float, rounds: int = 3) -> None:
    """Measure in turns and print the best of each."""
    print("connections  window  bare ACKs/s  CPU µs   listener ACKs/s  CPU µs   ratio of CPU")
    for connections, window in ((1, 1), (8, 1), (1, 32), (8, 32)):
        runs = [{kind: measure(kind, connections, window, seconds) for kind in KINDS} for _ in range(rounds)]
        best = {kind: min((run[kind] for run in runs), key=_cpu) for kind in KINDS}
        bare, ours = best["bare"], best["listener"]
        ratio = ours["cpu_micros"] / bare["cpu_micros"]
        print(
            f"{connections:>11}  {window:>6}  {bare['per_second']:>11,.0f}  {bare['cpu_micros']:>6.1f}   "
            f"{ours['per_second']:>15,.0f}  {ours['cpu_micros']:>6.1f}   {ratio:>12.2f}",
            flush=True,
        )


def _cpu(figures: dict[str, float]) -> float:
    return figures["cpu_micros"]


def main(arguments: Sequence[str]) -> None:
    if arguments[0] == "serve":
        asyncio.run(serve(arguments[1]))
    else:
        port, connections, window = map(int, arguments[1:4])
        asyncio.run(load(port, connections, window, float(arguments[4])))


if __name__ == "__main__":
    main(sys.argv[1:])
