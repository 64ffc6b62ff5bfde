"""How soon a reading shows in today's figures, and how many a second go through.

`reconcile` (with `check_readings`) and `outcomes` as two channels of one engine on SQLite, run as `islet run` does. A
process of its own (`outcomes_feed`) sends messages of one reading over TCP at a steady pace, whether or not the engine
keeps up; each patient has half a day of readings before. The engine takes them in as from any source: journalled, then
handed on. *Lag* is from sending to the commit of the figures that hold the reading; *CPU* is the engine's process, all
of its threads, for one reading.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from engine import sdk
from engine.cli.bench.outcomes_feed import apart
from engine.cli.run import settle_down, uvloop_run
from engine.config.plan import Bound, ChannelPlan
from engine.journal import tables
from engine.model.outcome import KEEP
from engine.model.states import MessageState
from engine.plugins.plugin import Plugin
from engine.testing.harness import RunningEngine, an_engine
from transformers.check_readings import CheckReadingsSettings, check_readings
from transformers.outcomes import OutcomesSettings, outcomes
from transformers.reconcile import ReconcileSettings, reconcile

_SENT = "sent"
_LONGEST_LINE = 1 << 20
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """`seconds`: from the first one sent to the commit of the last one's figures. `lags`: seconds, sorted."""

    seconds: float
    cpu_seconds: float
    feed_cpu_seconds: float
    lags: list[float]

    @property
    def readings(self) -> int:
        return len(self.lags)

    def lag(self, share: float) -> float:
        return self.lags[min(len(self.lags) - 1, int(share * len(self.lags)))]


class _Sensors:
    """`sdk.Source`: the lines of whoever connects."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue(1000)
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.stored = 0

    async def open(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_LONGEST_LINE)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def deliveries(self) -> AsyncIterator[sdk.Arrival]:
        """See `sdk.Source`."""
        while (line := await self._lines.get()) is not None:
            key, sent, body = line.split(b" ", 2)
            yield sdk.Arrival(body, sdk.Shape.RECORDS, self._settle, {_SENT: sent.decode()}, order_key=key.decode())

    async def close(self) -> None:
        """See `sdk.Source`."""
        await self._lines.put(None)
        if self._server is not None:
            self._server.close()

    def go(self) -> None:
        """Let them begin with what is measured."""
        assert self._writer is not None
        self._writer.write(b"\n")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        while line := await reader.readline():
            await self._lines.put(line)
        writer.close()

    async def _settle(self, verdict: sdk.Verdict) -> None:
        self.stored += isinstance(verdict, sdk.Accepted)


def _channels(sensors: _Sensors) -> list[ChannelPlan]:
    source = sdk.source("sensors", lambda _settings, _context: sensors, emits=sdk.Shape.RECORDS)
    figures = OutcomesSettings.model_validate({"timezone": "UTC", "windows": [1, 7]})
    checks = (check_readings, CheckReadingsSettings()), (reconcile, ReconcileSettings())
    return [
        _channel("reconcile", Bound(source.name, source, sdk.NoSettings()), checks, "outcomes"),
        _channel("outcomes", None, [(outcomes, figures)]),
    ]


def _channel(
    name: str, source: Bound | None, steps: Sequence[tuple[Plugin[Any], sdk.Settings]], *feeds: str
) -> ChannelPlan:
    return ChannelPlan(
        name=name,
        description=name,
        shape=sdk.Shape.RECORDS,
        source=source,
        keep=lambda _: KEEP,
        steps=tuple(Bound(plugin.name, plugin, settings) for plugin, settings in steps),
        destinations=(),
        feeds=feeds,
    )


async def _settled(engine: RunningEngine, sensors: _Sensors, expected: int) -> None:
    """Until so many messages have come in and nothing is in hand."""
    waiting = select(func.count()).where(tables.message.c.state == MessageState.RECEIVED)
    while sensors.stored < expected or (await engine.tools.journal.queries.all(waiting))[0][0]:
        await engine.clock.sleep(_LOOK_SECONDS)


async def measure(rate: int, patients: int, seconds: float) -> Run:
    """`rate` readings a second for so long; the days before are told first and not counted. Raises ValueError if a
    patient's readings would be too close together."""
    apart(rate, patients, seconds)
    sensors, count = _Sensors(), int(rate * seconds)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "bench.db"
        async with an_engine(_channels(sensors), store, clock=sdk.SystemClock()) as engine:
            arguments = [str(await sensors.open()), str(rate), str(patients), str(seconds)]
            command = sys.executable, "-m", "engine.cli.bench.outcomes_feed", *arguments
            feed = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            await _settled(engine, sensors, patients)
            settle_down()
            cpu = time.process_time()
            sensors.go()
            fed, _ = await feed.communicate()
            if feed.returncode:
                raise RuntimeError("the feed ended with an error")
            await _settled(engine, sensors, patients + count)
            used = time.process_time() - cpu
            return await _run(engine, used, float(fed), count)


async def _run(engine: RunningEngine, used: float, fed: float, count: int) -> Run:
    """Of each reading when it was sent, and when the outcome of the message that told of it was committed."""
    c, ask = tables.message.c, engine.tools.journal.queries.all
    sent = {
        row[0]: int(json.loads(row[1])[_SENT])
        for row in await ask(select(c.id, c.meta).where(c.channel == "reconcile"))
    }
    told = [tuple(row) for row in await ask(select(c.origin_id, c.state_at).where(c.channel == "outcomes"))]
    times = sorted((sent[origin], at) for origin, at in told)[-count:]
    if len(times) < count:
        raise RuntimeError(f"{count - len(times)} readings came to no figures")
    lags = sorted((at - begun) / 1_000_000 for begun, at in times)
    return Run((max(at for _, at in times) - times[0][0]) / 1_000_000, used, fed, lags)


def table(rate: int, patients: int, seconds: float) -> str:
    """What was measured, in one line for people."""
    run = uvloop_run(measure(rate, patients, seconds))
    return (
        f"{run.readings} readings of {patients} patients, asked for {rate}/s: {run.readings / run.seconds:,.0f}/s, "
        f"lag p50 {run.lag(0.5):.2f} s, p95 {run.lag(0.95):.2f} s, most {run.lags[-1]:.2f} s, "
        f"CPU {1000 * run.cpu_seconds / run.readings:.2f} ms a reading "
        f"(the feed's own {1000 * run.feed_cpu_seconds / run.readings:.2f})"
    )
