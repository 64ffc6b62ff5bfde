"""Law 9: no body, name or secret in logs, exception texts or reprs, whatever goes wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.model.delivery import Delivery
from engine.model.errors import Refused, Unavailable
from engine.model.message import Message
from engine.model.outcome import Answer
from engine.model.settings import NoSettings
from engine.observability.logging import configure, logger
from engine.plugins.plugin import transformer
from engine.testing.harness import an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination

CANARY = "CANARY-4711"


@pytest.fixture
def plain_logging() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def fails_with_the_body(message: Message, _settings: NoSettings) -> Message:
    if b"step" in message.body:
        raise KeyError(message.body.decode())
    return message


def fails_with_the_delivery(delivery: Delivery) -> Answer:
    raise ValueError(delivery.body.decode())


async def test_a_canary_in_body_keys_and_what_peers_say_reaches_no_log_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plain_logging: None
) -> None:
    """Broken once: logging `str(error)` of a part that failed."""
    configure(json=True, level="debug")
    source = HandSource()
    sink = ScriptedDestination(
        [
            fails_with_the_delivery,
            Unavailable("away", detail=CANARY),
            Refused("no", code="no", detail=CANARY),
        ]
    )
    plan = a_channel(
        source_part=source,
        steps=[(transformer("fails")(fails_with_the_body), NoSettings())],
        destinations=[a_destination(sink)],
    )
    async with an_engine([plan], tmp_path / "islet.db", log=logger()) as engine:
        for word in ("step", "send", "fine"):
            await source.give(f"{word} {CANARY}".encode(), source_key=CANARY + word, order_key=CANARY)
        await engine.until(engine.idle, advance_seconds=1.0)
        assert await engine.states() == {"held": 1, "transformed": 2}
        assert await engine.delivery_states() == {"held": 1, "sent": 1}
        rows: list[Any] = [*await engine.messages(), *await engine.deliveries()]
        waiting = [row for row in rows if row["state"] == "held"]
        assert any(CANARY in (row["detail"] or "") for row in waiting), "the journal has it, for who may look"
        assert all(CANARY not in row["text"] + row["code"] + row["fingerprint"] for row in waiting)
        assert all(CANARY not in repr(call) for call in sink.calls)
    captured = capsys.readouterr()
    assert '"event": "engine_started"' in captured.err, "there was something to look at"
    assert CANARY not in captured.err + captured.out


async def test_a_source_that_fails_with_the_body_is_logged_by_type_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plain_logging: None
) -> None:
    configure(json=True, level="debug")

    class Failing(HandSource):
        async def deliveries(self) -> Any:
            raise RuntimeError(CANARY)
            yield

    async with an_engine([a_channel(source_part=Failing())], tmp_path / "islet.db", log=logger()) as engine:
        await engine.until(lambda: engine.channel().source is None)
        await engine.settle_down()
    err = capsys.readouterr().err
    assert "RuntimeError" in err
    assert CANARY not in err
