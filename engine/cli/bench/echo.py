"""MLLP alone, beside a bare asyncio.Protocol that answers the same, in turns.

`protocol` is the listener's connections with nobody behind them: blocks, header, what is let in, answers. `listener`
is the whole source, whose messages go to an engine that settles each at once: there is no journal. Server and load
generator are processes of their own. What counts is the server's CPU time for a message: speeds are bounded by the load
generator and by what else the machine does.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from clinical.hl7v2 import Header
from connectors.mllp.connection import Connection
from connectors.mllp.exchange import BatchExchange, Exchange
from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine import sdk
from engine.cli.bench.mllp_load import message
from engine.model.clock import SystemClock
from engine.testing.fakes import plugin_context

KINDS = ("bare", "protocol", "listener")

_SETTINGS = ListenerSettings(port=0, accepts=("ORU^R01",))


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


class Echo(MllpListener):
    """Answers on the spot what comes in."""

    def take_in(self, connection: Connection, _: bytes, header: Header, batch: BatchExchange | None) -> Exchange:
        return Exchange(connection, self.replies.stored(header, batch))

    def has_room(self) -> bool:
        return True


@asynccontextmanager
async def _protocol() -> AsyncIterator[int]:
    echo = Echo(_SETTINGS, plugin_context(clock=SystemClock()))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(echo), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _listener() -> AsyncIterator[int]:
    listener = MllpListener(_SETTINGS, plugin_context(clock=SystemClock()))
    stored = sdk.Accepted("x")

    async def engine() -> None:
        async for arrival in listener.deliveries():
            await arrival.settle(stored)

    running = asyncio.create_task(engine())
    await listener.listening.wait()
    yield listener.port
    await listener.close()
    await running


_SERVERS = {"bare": _bare, "protocol": _protocol, "listener": _listener}


async def serve(kind: str) -> None:
    """Print the port; when standard input ends, print the CPU seconds used since."""
    async with _SERVERS[kind]() as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        used = time.process_time()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        sys.stdout.write(f"{time.process_time() - used}\n")


def load(port: int, connections: int, window: int, seconds: float) -> None:
    """Send for so long, `window` messages on each connection and then none before all are answered: so that the server
    finds as much to do at each turn however fast it is. Prints one line of JSON: acked and seconds."""
    blocks = message("E", 1, 1) * window
    peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for peer in peers:
            peer.sendall(blocks)
        for peer in peers:
            answered = 0
            while answered < window:
                data = peer.recv(65_536)
                if not data:
                    raise ConnectionError("the server closed the connection")
                answered += data.count(b"\x1c")
        rounds += 1
    figures = {"acked": rounds * connections * window, "seconds": time.perf_counter() - start}
    for peer in peers:
        peer.close()
    sys.stdout.write(json.dumps(figures) + "\n")


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
    print("connections  window  server      ACKs/s   CPU µs   CPU, bare = 1")
    for connections, window in ((1, 1), (8, 1), (1, 32), (8, 32)):
        runs = [{kind: measure(kind, connections, window, seconds) for kind in KINDS} for _ in range(rounds)]
        best = {kind: min((run[kind] for run in runs), key=_cpu) for kind in KINDS}
        for kind, figures in best.items():
            ratio = figures["cpu_micros"] / best["bare"]["cpu_micros"]
            print(
                f"{connections:>11}  {window:>6}  {kind:<8}  {figures['per_second']:>8,.0f}  "
                f"{figures['cpu_micros']:>7.1f}   {ratio:>8.2f}",
                flush=True,
            )


def _cpu(figures: dict[str, float]) -> float:
    return figures["cpu_micros"]


def main(arguments: Sequence[str]) -> None:
    if arguments[0] == "serve":
        asyncio.run(serve(arguments[1]))
    else:
        port, connections, window = map(int, arguments[1:4])
        load(port, connections, window, float(arguments[4]))


if __name__ == "__main__":
    main(sys.argv[1:])
