"""The engine that the kill test runs: `python engine_process.py STORE SINK_URL`; prints `ready PORT`."""

import asyncio
import random
import signal
import sys
from pathlib import Path
from typing import cast

from connectors.http_sender import HttpSender, HttpSenderSettings
from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine.brokers.embedded import EmbeddedBroker
from engine.config.plan import Bound, ChannelPlan, Configuration, DestinationPlan
from engine.journal.sqlite import SqliteJournal
from engine.model.clock import SystemClock
from engine.model.message import Message, Shape
from engine.model.retry import RetryPolicy
from engine.model.settings import NoSettings
from engine.observability.logging import configure, logger
from engine.plugins.plugin import destination, source, transformer
from engine.runtime.supervisor import Supervisor
from engine.runtime.tools import Tools
from engine.testing.parts import keep_all


@transformer("mark", accepts={Shape.HL7V2}, emits=Shape.HL7V2)
def mark(message: Message, _settings: NoSettings) -> Message:
    """Adds a segment, so that what arrives has been through a step."""
    return message.but(body=message.body + b"ZPR|processed\r")


def configuration(sink_url: str) -> Configuration:
    """MLLP listener → step → HTTP sender."""
    listener = source("mllp_listener", MllpListener, settings=ListenerSettings, emits=Shape.HL7V2)
    sender = destination("http_sender", HttpSender, settings=HttpSenderSettings)
    out = DestinationPlan(
        Bound("sink", sender, HttpSenderSettings.model_validate({"url": sink_url, "timeout": "5s"})),
        retry=RetryPolicy(attempts=1000, first_wait_seconds=0.02, longest_wait_seconds=0.2),
        breaker_failures=1000,
    )
    plan = ChannelPlan(
        name="kill-test",
        description="",
        shape=Shape.HL7V2,
        source=Bound("mllp_listener", listener, ListenerSettings(port=0)),
        keep=keep_all,
        steps=(Bound("mark", mark, NoSettings()),),
        destinations=(out,),
        feeds=(),
    )
    return Configuration(Path("."), {plan.name: plan}, {}, {})


async def main(store: Path, sink_url: str) -> None:
    """Run until SIGTERM."""
    configure(json=True)
    clock = SystemClock()
    journal = SqliteJournal(store)
    broker = EmbeddedBroker(journal.writer, journal.queries, clock)
    tools = Tools(journal, broker, clock, logger(), random.random)
    supervisor = Supervisor(configuration(sink_url), tools)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, supervisor.stop)
    await supervisor.start()
    channel = supervisor.channels["kill-test"]
    await asyncio.sleep(0)  # the intake has its first turn, and builds its source
    listener = cast(MllpListener, channel.source)
    await listener.listening.wait()
    print(f"ready {listener.port}", flush=True)  # noqa: T201 - what the test waits for
    await supervisor.run()
    await supervisor.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
