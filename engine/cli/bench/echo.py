"""MLLP alone, beside a bare asyncio.Protocol that answers the same, in turns.

`protocol` is the listener's connections with nobody behind them: blocks, header, what is let in, answers. `listener`
is the whole source, whose messages go to an engine that settles each at once: there is no journal. Each server
is a process of its own. What counts is its CPU time for a message: speeds are bounded by the load generator and by what
else the machine does.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final, NamedTuple, cast

from clinical.hl7v2 import Header
from connectors.mllp.connection import Connection
from connectors.mllp.exchange import BatchExchange, Exchange
from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine import sdk
from engine.cli.bench.mllp_load import message
from engine.model.clock import SystemClock
from engine.testing.fakes import plugin_context

KINDS: Final = ("bare", "protocol", "listener")
_TURNS: Final = 20
_WHAT: Final = """\
bare      finds 1C 0D, splits MSH at |, answers AA from its fields: no limits, no escapes, no other line ends
protocol  the listener's connections: all of docs/mllp.md, but nobody behind them
listener  the whole source, with its keys and meta; who is behind it says Accepted at once (no journal)
All get the same frames of one reading, and answer each with MSH and MSA."""

_SETTINGS = ListenerSettings(port=0, accepts=("ORU^R01",))


class Figures(NamedTuple):
    """Of one server: CPU microseconds for a message, and ACKs a second."""

    cpu_micros: float
    per_second: float


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

    def take(arrival: sdk.Arrival) -> bool:
        arrival.settle(stored)
        return True

    async def engine() -> None:
        async for arrival in listener.deliveries():
            await arrival.settle(stored)

    listener.hand_to(take)
    running = asyncio.create_task(engine())
    await listener.listening.wait()
    yield listener.port
    await listener.close()
    await running


_SERVERS = {"bare": _bare, "protocol": _protocol, "listener": _listener}


async def serve(kind: str) -> None:
    """Print the port; then, for each line of standard input, the CPU seconds used so far."""
    async with _SERVERS[kind]() as port:
        print(port, flush=True)
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            print(time.process_time(), flush=True)


class Server:
    """A server in a process of its own, and connections to it."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "engine.cli.bench.echo", kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._port = int(self._line())

    def close(self) -> None:
        self._process.communicate()

    def connect(self, count: int) -> list[socket.socket]:
        return [socket.create_connection(("127.0.0.1", self._port)) for _ in range(count)]

    def cpu_seconds(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def load(peers: Sequence[socket.socket], window: int, seconds: float) -> tuple[int, float]:
    """Send for so long, `window` messages on each connection and then none before all are answered: so that the server
    finds as much to do at each turn however fast it is. How many, and how long it took."""
    blocks = message("E", 1, 1) * window
    start, rounds, passed = time.perf_counter(), 0, 0.0
    while passed < seconds:
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
        passed = time.perf_counter() - start
    return rounds * len(peers) * window, passed


def measure(servers: Mapping[str, Server], connections: int, window: int, seconds: float) -> dict[str, Figures]:
    """Each server in turns, `_TURNS` times: its best turn, as a shared machine only ever makes it slower."""
    peers = {kind: server.connect(connections) for kind, server in servers.items()}
    best: dict[str, Figures] = {}
    for _ in range(_TURNS):
        for kind, server in servers.items():
            used = server.cpu_seconds()
            acked, passed = load(peers[kind], window, seconds / _TURNS)
            figures = Figures((server.cpu_seconds() - used) / acked * 1e6, acked / passed)
            best[kind] = min(best.get(kind, figures), figures)
    for peer in chain.from_iterable(peers.values()):
        peer.close()
    return best


def show(seconds: float) -> None:
    """Measure and print."""
    print(_WHAT)
    print("connections  window  server      ACKs/s   CPU µs   CPU, bare = 1")
    servers = {kind: Server(kind) for kind in KINDS}
    for connections, window in ((1, 1), (8, 1), (1, 32), (8, 32)):
        best = measure(servers, connections, window, seconds)
        for kind, figures in best.items():
            ratio = figures.cpu_micros / best["bare"].cpu_micros
            print(
                f"{connections:>11}  {window:>6}  {kind:<8}  {figures.per_second:>8,.0f}  "
                f"{figures.cpu_micros:>7.1f}   {ratio:>8.2f}",
                flush=True,
            )
    for server in servers.values():
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
