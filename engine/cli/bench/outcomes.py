"""How soon a reading shows in today's figures, and how many a second go through.

`reconcile` (with `check_readings`) and `outcomes` as two channels of one engine on SQLite, fed at a steady pace with
messages of one reading, each of another patient in turn, each patient with half a day of readings before. A patient's
readings are minutes apart, as a sensor gives them: closer, most would be disagreements and change no figure.
*Lag* is from acceptance to the commit of the figures that hold the reading; *CPU* is the whole process's (with the
feeding), for one reading.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from clinical import units
from clinical.records import Analyte, Device, Glucose, Instant, Original, PatientRef, Quantity, Road, SourceId, Status
from clinical.records import encode as encode_records
from engine.brokers.naming import process_queue
from engine.config.plan import Bound, ChannelPlan
from engine.journal import tables
from engine.model.clock import SystemClock
from engine.model.ids import new_id
from engine.model.message import Message, Shape
from engine.model.outcome import KEEP
from engine.model.settings import Settings
from engine.model.states import MessageState
from engine.plugins.plugin import Plugin
from engine.testing.harness import RunningEngine, an_engine
from transformers.check_readings import CheckReadingsSettings, check_readings
from transformers.outcomes import OutcomesSettings, outcomes
from transformers.reconcile import ReconcileSettings, reconcile

_BEFORE = 144
_EVERY_MILLIS = 300_000
_RECENT_MILLIS = 1_500_000
_CLOSEST_MILLIS = 90_000
_IN_HAND = (MessageState.RECEIVED,)


@dataclass(frozen=True)
class Run:
    """`lags`: seconds, sorted."""

    readings: int
    seconds: float
    cpu_seconds: float
    lags: list[float]

    def lag(self, share: float) -> float:
        return self.lags[min(len(self.lags) - 1, int(share * len(self.lags)))]


def _channel(name: str, steps: Sequence[tuple[Plugin[Any], Settings]], *feeds: str) -> ChannelPlan:
    return ChannelPlan(
        name=name,
        description=name,
        shape=Shape.RECORDS,
        source=None,
        keep=lambda _: KEEP,
        steps=tuple(Bound(plugin.name, plugin, settings) for plugin, settings in steps),
        destinations=(),
        feeds=feeds,
    )


def _reading(patient: int, number: int, millis: int) -> Glucose:
    steps = 70 + (number * 7 + patient) % 180
    return Glucose(
        patient=PatientRef(system="bench", value=str(patient), id=f"p{patient}"),
        analyte=Analyte.INTERSTITIAL_GLUCOSE,
        value=Quantity(steps=steps, unit=units.MG_DL),
        effective=Instant(millis=millis, how="device-utc"),
        status=Status.FINAL,
        source=SourceId(road=Road.CLOUD, system="bench", value=f"{patient}-{number}"),
        original=Original(value=str(steps), unit=units.MG_DL),
        device=Device(vendor="Dexcom", model="G7", serial=str(patient)),
    )


def _message(records: list[Glucose], now: datetime) -> Message:
    id_ = new_id()
    return Message(
        id=id_,
        channel="reconcile",
        shape=Shape.RECORDS,
        body=encode_records(records),
        received_at=now,
        origin_id=id_,
        tenant="default",
        meta={},
        order_key=f"p{records[0].patient.value}",
    )


async def _hand_in(engine: RunningEngine, messages: list[Message]) -> None:
    await engine.tools.journal.writer.accept(messages)
    await engine.tools.outbox.hand_on({process_queue("reconcile"): [message.id for message in messages]})


async def _settled(engine: RunningEngine) -> None:
    c = tables.message.c
    waiting = select(func.count()).where(c.state.in_(_IN_HAND))
    while (await engine.tools.journal.queries.all(waiting))[0][0]:
        await engine.clock.sleep(0.02)


async def measure(rate: int, patients: int, seconds: float) -> Run:
    """`rate` readings a second for so long; the days before are told first and not counted. Raises ValueError if a
    patient's readings would be too close together."""
    settings = OutcomesSettings.model_validate({"timezone": "UTC", "windows": [1, 7]})
    channels = [
        _channel(
            "reconcile", [(check_readings, CheckReadingsSettings()), (reconcile, ReconcileSettings())], "outcomes"
        ),
        _channel("outcomes", [(outcomes, settings)]),
    ]
    with tempfile.TemporaryDirectory() as folder:
        async with an_engine(channels, Path(folder) / "bench.db", clock=SystemClock()) as engine:
            now = round(datetime.now(UTC).timestamp() * 1000) - _RECENT_MILLIS
            for patient in range(patients):
                day = [_reading(patient, n, now - _EVERY_MILLIS * (_BEFORE - n)) for n in range(_BEFORE)]
                await _hand_in(engine, [_message(day, datetime.now(UTC))])
            await _settled(engine)
            cpu, started = time.process_time(), time.perf_counter()
            told = await _feed(engine, rate, patients, seconds)
            await _settled(engine)
            passed, used = time.perf_counter() - started, time.process_time() - cpu
            return Run(len(told), passed, used, sorted(await _lags(engine, told)))


async def _feed(engine: RunningEngine, rate: int, patients: int, seconds: float) -> dict[str, tuple[float, int]]:
    """Twenty portions a second; when each reading was handed in, and whose."""
    told: dict[str, tuple[float, int]] = {}
    portion, started = max(1, rate // 20), time.perf_counter()
    apart = _apart(rate, patients, seconds)
    for number in range(int(rate * seconds / portion)):
        now = datetime.now(UTC)
        some = []
        for place in range(portion):
            turn, patient = divmod(number * portion + place, patients)
            millis = round(now.timestamp() * 1000) - _RECENT_MILLIS + (turn + 1) * apart
            message = _message([_reading(patient, _BEFORE + turn, millis)], now)
            told[message.id] = now.timestamp(), patient
            some.append(message)
        await _hand_in(engine, some)
        await asyncio.sleep(max(0.0, started + (number + 1) * portion / rate - time.perf_counter()))
    return told


def _apart(rate: int, patients: int, seconds: float) -> int:
    """Milliseconds from one reading of a patient to the next, all of them recent."""
    turns = -(-int(rate * seconds) // patients)
    apart = _RECENT_MILLIS // (turns + 1)
    if apart < _CLOSEST_MILLIS:
        raise ValueError(f"{turns} readings of each patient are too many; take more patients, or fewer seconds")
    return apart


async def _lags(engine: RunningEngine, told: dict[str, tuple[float, int]]) -> list[float]:
    """From acceptance until the outcome of the message that computed it was committed."""
    c = tables.message.c
    rows = await engine.tools.journal.queries.all(select(c.origin_id, c.state_at).where(c.channel == "outcomes"))
    return [row[1] / 1_000_000 - told[row[0]][0] for row in rows if row[0] in told]


def table(rate: int, patients: int, seconds: float) -> str:
    """What was measured, in one line for people."""
    run = asyncio.run(measure(rate, patients, seconds))
    return (
        f"{run.readings} readings of {patients} patients, asked for {rate}/s: {run.readings / run.seconds:,.0f}/s, "
        f"lag p50 {run.lag(0.5):.2f} s, p95 {run.lag(0.95):.2f} s, most {run.lags[-1]:.2f} s, "
        f"CPU {1000 * run.cpu_seconds / run.readings:.2f} ms a reading"
    )
