"""An MLLP load generator: distinct ORU^R01 of about 700 bytes, each connection waits for its ACK.

`python -m engine.cli.bench.mllp_load PORT CONNECTIONS SECONDS RUN [RATE]` prints one line of JSON: acked, seconds, its
own CPU seconds, and the times from sending to ACK in milliseconds. RUN is a word that makes this run's control ids
differ from those of any other. RATE: messages a second of all connections together instead of as many as go; times
then count from when a message was due, so that what holds up one shows in those behind it.
"""

import asyncio
import json
import sys
import time
from itertools import count
from typing import cast

import uvloop

_NOTE = "Result measured at the point of care by an automated meter and transmitted unchanged to the record. " * 2


def message(run: str, connection: int, number: int) -> bytes:
    """One ORU^R01 v2.5.1 in its MLLP block; control id, patient and time differ."""
    minute, second = divmod(number, 60)
    at = f"202611{1 + minute // 1440 % 28:02}{minute // 60 % 24:02}{minute % 60:02}{second:02}+0000"
    segments = (
        f"MSH|^~\\&|METER{connection:03}|STM|ISLET|STM|{at}||ORU^R01^ORU_R01|{run}{connection:03}-{number:09}|P|2.5.1",
        f"PID|1||MRN{number % 5000:06}^^^STM^MR||TEST^SYNTHETIC^A||19800101|U|||1 SAMPLE STREET^^SAMPLETOWN^^00000",
        "PV1|1|O|CLINIC^1^1",
        f"ORC|RE|{number}|F{number}",
        f"OBR|1|{number}|F{number}|41653-7^Glucose [Mass/volume] in Capillary blood by Glucometer^LN|||{at}",
        f"OBX|1|NM|41653-7^Glucose [Mass/volume] in Capillary blood by Glucometer^LN||{70 + number % 200}|mg/dL"
        f"^milligram per deciliter^UCUM|70-180|N|||F|||{at}||||METER-{connection:03}",
        f"NTE|1|L|{_NOTE}",
    )
    return b"\x0b" + "\r".join(segments).encode() + b"\r\x1c\r"


class Load:
    """What all connections share."""

    def __init__(self, run: str, until: float, interval: float) -> None:
        """`interval`: seconds between the messages of a connection; 0: as soon as there is an ACK."""
        self.run = run
        self.until = until
        self.interval = interval
        self.numbers = count(1)
        self.times: list[float] = []


class Client(asyncio.Protocol):
    """Sends the next message when the last one is acknowledged, until the load's time is over."""

    def __init__(self, load: Load, connection: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._connection = connection
        self._buffer = bytearray()
        self._due = time.perf_counter()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are no subclass
        self._next(time.perf_counter())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\x1c\r"):
            return
        now = time.perf_counter()
        self._load.times.append(now - self._due)
        if b"MSA|AA|" not in self._buffer:
            self._end(RuntimeError("the engine did not accept a message"))
        elif now < self._load.until:
            self._buffer.clear()
            self._next(now)
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the engine closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)

    def _next(self, now: float) -> None:
        self._due = self._due + self._load.interval if self._load.interval else now
        if self._due > now:
            asyncio.get_running_loop().call_later(self._due - now, self._send)
        else:
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._transport.write(message(self._load.run, self._connection, next(self._load.numbers)))


async def main(port: int, connections: int, seconds: float, run: str, rate: float = 0.0) -> None:
    """Send for so long, wait for the last ACKs, print the figures."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    load = Load(run, start + seconds, connections / rate if rate else 0.0)
    clients = [Client(load, number) for number in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.sleep(load.interval / connections)  # not all at one moment
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - start
    times = sorted(load.times)
    millis = {f"p{part}": times[min(len(times) - 1, len(times) * part // 100)] * 1000 for part in (50, 95, 99)}
    figures = {"acked": len(times), "seconds": took, "cpu": time.process_time(), **millis}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], *map(float, sys.argv[5:])))
