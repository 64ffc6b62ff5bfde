"""`islet try CHANNEL SAMPLE`: what each step makes of one sample. Nothing is sent, and nothing stays stored."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from engine.cli.check import as_text
from engine.cli.readings import words_of
from engine.config.loader import load
from engine.config.names import hint
from engine.config.plan import ChannelPlan
from engine.contracts.plugins import Arrival
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.clock import SystemClock
from engine.model.errors import ConfigError, EngineError, Refused
from engine.model.ids import new_id
from engine.model.message import Message, Shape
from engine.model.outcome import Drop
from engine.plugins.registry import discover
from engine.runtime import decide
from engine.runtime.decide import Passed
from engine.testing.fakes import plugin_context
from transformers.record_bodies import read_records

_LINES = 40
"""Of one body, at most."""


def try_channel(root: Path, channel: str, sample: Path) -> int:
    """Print what filter and steps make of the sample. 0 if it goes through; 1 if it is held, or cannot be tried."""
    try:
        loaded = load(root, discover(), os.environ)
    except ConfigError as error:
        return _say(error.text, 1)
    if loaded.configuration is None:
        return _say(as_text(loaded).rstrip(), 1)
    channels = loaded.configuration.channels
    plan = channels.get(channel)
    if plan is None:
        return _say(f"there is no channel `{channel}`; {hint(channel, channels)}", 1)
    try:
        body = sample.read_bytes()
    except OSError as error:
        return _say(f"{sample} cannot be opened: {error.strerror}", 1)
    with tempfile.TemporaryDirectory(prefix="islet-try-") as folder:
        store = Path(folder, "journal.db")
        upgrade_sqlite(store)
        return asyncio.run(_try(plan, sample.name, body, store))


async def _try(plan: ChannelPlan, name: str, body: bytes, store: Path) -> int:
    _say(f"{plan.name}: {name}, {len(body)} bytes of {plan.shape}")
    try:
        message = _message(plan, name, body)
    except Refused as error:
        return _say(f"source {_type(plan)}: not taken at the door: {error}", 1)
    if plan.source is not None:
        _say(f"source {_type(plan)}: taken")
    verdict = plan.keep(message)
    if isinstance(verdict, Drop):
        return _say(f"filter: filtered, {verdict.reason}")
    _say("filter: kept")
    journal = SqliteJournal(store)
    await journal.open()
    try:
        return await _steps(plan, message, journal)
    finally:
        await journal.close()


def _type(plan: ChannelPlan) -> str:
    return plan.source.plugin.name if plan.source else "channel"


def _message(plan: ChannelPlan, name: str, body: bytes) -> Message:
    """The message that the source would make of it. Raises Refused if it would not take it."""
    context = plugin_context(SystemClock(), channel=plan.name)
    source = plan.source.plugin.implementation(plan.source.settings, context) if plan.source else None
    rehearse = getattr(source, "rehearse", None)
    arrival: Arrival | None = rehearse(body, {"file_name": name}) if rehearse else None
    id_ = new_id()
    return Message(
        id=id_,
        origin_id=id_,
        channel=plan.name,
        tenant=plan.tenant,
        shape=plan.shape,
        body=body,
        received_at=context.clock.now(),
        meta=arrival.meta if arrival else {"file_name": name},
        order_key=arrival.order_key if arrival else None,
    )


async def _steps(plan: ChannelPlan, message: Message, journal: SqliteJournal) -> int:
    """Step by step, in a transaction of a store that is thrown away."""
    passed = Passed([message])
    async with journal.writer.transaction() as tx:
        for number, step in enumerate(plan.steps, start=1):
            asides, drops = len(passed.asides), len(passed.drops)
            try:
                await decide.run_step(step, passed, tx)
            except Exception as raised:  # noqa: BLE001 - as the engine itself does
                error = decide.as_engine_error(raised)
                state = decide.settled_state(error, plan.when_it_fails)
                return _say(f"step {number} {step.name}: {state}, {error}", 1)
            _say(f"step {number} {step.name}:")
            _tell(plan, passed, asides, drops)
    return _where_to(plan, passed)


def _tell(plan: ChannelPlan, passed: Passed, asides: int, drops: int) -> None:
    """What one step gave: its messages, and what it set aside or dropped."""
    for message in passed.messages:
        _say(f"  message: {message.shape}, {len(message.body)} bytes")
        for line in _lines(message.shape, message.body):
            _say(f"    {line}")
    for aside in passed.asides[asides:]:
        _say(f"  set aside: {decide.settled_state(aside.error, plan.when_it_fails)}, {aside.error}")
    for drop in passed.drops[drops:]:
        _say(f"  {'duplicate' if drop.duplicate else 'filtered'}: {drop.reason}")


def _where_to(plan: ChannelPlan, passed: Passed) -> int:
    count = len(passed.messages)
    messages = f"{count} message{'' if count == 1 else 's'}"
    for channel in plan.feeds:
        _say(f"would go to channel {channel}: {messages}")
    for destination in plan.destinations:
        _say(f"would be sent to {destination.name} ({destination.bound.plugin.name}): {messages}")
    held = len(passed.asides)
    return _say(f"set aside: {held}", 1) if held else 0


def _lines(shape: Shape, body: bytes) -> Iterator[str]:
    """A body for people, cut where it gets long."""
    lines = list(_readable(shape, body))
    yield from lines[:_LINES]
    if len(lines) > _LINES:
        yield f"... {len(lines) - _LINES} more lines"


def _readable(shape: Shape, body: bytes) -> Sequence[str]:
    try:
        if shape is Shape.RECORDS:
            return [
                ", ".join(f"{name}: {value}" for name, value in words_of(one).items()) for one in read_records(body)
            ]
        if shape in (Shape.JSON, Shape.FHIR):
            document: Any = orjson.loads(body)
            return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode().splitlines()
    except (EngineError, orjson.JSONDecodeError):
        pass  # not what its shape says: then as it stands
    return body.decode("utf-8", "replace").splitlines()


def _say(text: str, code: int = 0) -> int:
    sys.stdout.write(f"{text}\n")
    return code
