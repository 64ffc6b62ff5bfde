"""A step that takes several messages at once: in one batch, apart by patient where it must, one by one if one fails."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.brokers.naming import process_queue
from engine.model.errors import InvalidMessage
from engine.model.message import Message
from engine.model.settings import NoSettings
from engine.plugins.plugin import Plugin, stateful_step
from engine.testing.builders import a_message
from engine.testing.harness import RunningEngine, an_engine
from engine.testing.parts import a_channel


class Taking:
    """A step that remembers how many messages it was given at once."""

    def __init__(self, name: str = "taking") -> None:
        self.sizes: list[int] = []

        async def together(messages: Sequence[Message], _settings: NoSettings, _tx: object) -> list[Message]:
            self.sizes.append(len(messages))
            if any(message.body == b"bad" for message in messages):
                raise InvalidMessage("is wrong", code="wrong")
            return list(messages)

        async def alone(message: Message, settings: NoSettings, tx: object) -> Message:
            return (await together([message], settings, tx))[0]

        self.plugin: Plugin[Any] = stateful_step(name, together=together)(alone)


async def hand_in(engine: RunningEngine, bodies: Sequence[bytes], patients: Sequence[str | None]) -> None:
    """On one ticket, so that they are there together."""
    messages = [a_message(body, order_key=key) for body, key in zip(bodies, patients, strict=True)]
    await engine.tools.journal.writer.accept(messages)
    await engine.tools.outbox.hand_on({process_queue("test"): [message.id for message in messages]})
    await engine.until(engine.idle)


async def test_messages_that_wait_are_taken_at_once(tmp_path: Path) -> None:
    step = Taking()
    async with an_engine([a_channel(steps=[(step.plugin, NoSettings())])], tmp_path / "islet.db") as engine:
        await hand_in(engine, [b"a", b"b", b"c"], ["P1", "P1", None])
        assert await engine.states() == {"filtered": 3}
    assert step.sizes == [3]


async def test_a_bad_message_is_held_alone(tmp_path: Path) -> None:
    step = Taking()
    async with an_engine([a_channel(steps=[(step.plugin, NoSettings())])], tmp_path / "islet.db") as engine:
        await hand_in(engine, [b"a", b"bad", b"c"], ["P1", "P2", "P3"])
        assert await engine.states() == {"filtered": 2, "held": 1}
    assert step.sizes == [3, 1, 1, 1]


async def test_messages_of_one_patient_are_apart_where_a_later_step_writes_what_an_earlier_one_reads(
    tmp_path: Path,
) -> None:
    first, second = Taking("first"), Taking("second")
    steps = [(first.plugin, NoSettings()), (second.plugin, NoSettings())]
    async with an_engine([a_channel(steps=steps)], tmp_path / "islet.db") as engine:
        await hand_in(engine, [b"a", b"b", b"c"], ["P1", "P2", "P1"])
    assert first.sizes == second.sizes == [2, 1]
