"""`islet demo`: a world of simulators, an engine in the middle, and the proof that nothing was lost or doubled."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from rich.console import Console

from engine.cli.compose import load_project, make_tools
from engine.cli.demo import story
from engine.cli.demo.live import line, watch
from engine.cli.demo.play import all_fetched, play
from engine.cli.demo.project import write_project, write_secrets
from engine.cli.demo.world import World, world
from engine.cli.place import Place
from engine.cli.show import console
from engine.config.plan import Configuration
from engine.journal.lock import own_store
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal
from engine.model.clock import to_micros
from engine.observability.logging import only_allowed
from engine.runtime.audit import books
from engine.runtime.supervisor import Supervisor
from engine.runtime.tools import Tools
from ledger import queries as ledger
from ledger.patients import Link, import_links

_SECONDS = 12.0
_LONGEST_DRAIN_SECONDS = 40.0


async def run_demo(keep: bool, seconds: float | None) -> int:
    """Play for about `seconds`, wait until all is through, tell what happened. 0 if the books balance and every
    reading has just one Observation."""
    out = console()
    out.print("Starting a CGM cloud, a hospital, a FHIR server and an engine between them, all on this machine …")
    with tempfile.TemporaryDirectory(prefix="islet-demo-") as name:
        folder = Path(name)
        async with world() as around, _engine(folder, around) as supervisor:
            failed = await _run(supervisor, around, _SECONDS if seconds is None else seconds, out)
            story.tell_next(out, folder / "islet.db" if keep else None, folder / "project")
            if keep:
                await _until_interrupted(supervisor, out)
    return 1 if failed else 0


async def _run(supervisor: Supervisor, around: World, seconds: float, out: Console) -> bool:
    """The show and its story. True if something is wrong."""
    tools = supervisor.tools
    channels = list(supervisor.channels)
    stage = ["two days pass in the cloud and at the hospital"]
    watching = asyncio.create_task(watch(tools.meters, channels, out, lambda: stage[0]))
    try:
        await play(around, await _port(supervisor), seconds)
        stage[0] = "the last messages are on their way"
        async with asyncio.timeout(_LONGEST_DRAIN_SECONDS):
            await all_fetched(around)
            await _drained(tools)
        stage[0] = "all is through"
    except TimeoutError:
        stage[0] = "not everything got through in time"
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    if not out.is_terminal:
        line(tools.meters, channels, out, stage[0])
    return await _tell(tools, around, out)


async def _tell(tools: Tools, around: World, out: Console) -> bool:
    assert isinstance(tools.journal, SqliteJournal)
    reader, queries = tools.journal.reader, tools.journal.queries
    async with reader.connect() as connection:
        in_ledger = await ledger.books(connection)
    counted = await books(queries)
    out.print()
    story.tell_books(counted, in_ledger, around.fhir, out)
    person = around.people[0]
    readings = await story.dozen(reader, person.patient)
    if readings:
        story.tell_readings(person.patient, readings, out)
        await story.tell_lineage(queries, story.most_told(readings), around.fhir, out)
    wrong = story.problems(counted, in_ledger.readings + in_ledger.withdrawn, around.fhir)
    for problem in wrong:
        out.print(f"WRONG: {problem}", style="red")
    return bool(wrong)


@asynccontextmanager
async def _engine(folder: Path, around: World) -> AsyncIterator[Supervisor]:
    """An engine on a new store with the demo's channels; its log is beside the store."""
    configuration = _configuration(folder, around)
    store = folder / "islet.db"
    upgrade_sqlite(store)
    with (folder / "engine.log").open("a", encoding="utf-8") as log, own_store(store):
        logger = structlog.wrap_logger(
            structlog.WriteLogger(log),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                only_allowed,
                structlog.processors.JSONRenderer(),
            ],
        )
        supervisor = Supervisor(configuration, make_tools(Place(str(store)), log=logger))
        await supervisor.start()
        await _link_patients(supervisor.tools, around)
        running = asyncio.create_task(supervisor.run())
        try:
            yield supervisor
        finally:
            supervisor.stop()
            await running
            await supervisor.close(5.0)


def _configuration(folder: Path, around: World) -> Configuration:
    secrets = {f"dexcom-{account}": token for account, token in around.tokens.items()}
    secrets |= {"dexcom-client-id": "islet-client", "dexcom-client-secret": "islet-secret"}
    write_secrets(folder / "secrets", secrets)
    os.environ["ISLET_SECRETS_DIR"] = str(folder / "secrets")
    write_project(
        folder / "project",
        {person.account: person.mrn for person in around.people},
        cloud=around.cloud.base_url,
        fhir=around.fhir.base_url,
        receiver_port=around.receiver.port,
    )
    loaded = load_project(folder / "project", {})
    assert loaded.configuration is not None, "\n".join(map(str, loaded.problems))
    return loaded.configuration


async def _link_patients(tools: Tools, around: World) -> None:
    """What `islet patients import` does: whom the sources mean."""
    links = [Link("STM", person.mrn, person.patient) for person in around.people]
    async with tools.journal.writer.transaction() as tx:
        await import_links(tx, "default", links, to_micros(tools.clock.now()))


async def _port(supervisor: Supervisor) -> int:
    """The port that the system gave to the channel's listener."""
    door = supervisor.channels["stm-oru-in"]
    async with asyncio.timeout(10):
        while (port := getattr(door.source, "port", 0)) == 0:  # noqa: ASYNC110 - the source is made by its channel
            await asyncio.sleep(0.02)
    return int(port)


async def _drained(tools: Tools) -> None:
    """Return when nothing is in flight."""
    while (await books(tools.journal.queries)).copies["in flight"]:  # noqa: ASYNC110 - the journal knows, and tells no one
        await asyncio.sleep(0.3)


async def _until_interrupted(supervisor: Supervisor, out: Console) -> None:
    port = await _port(supervisor)
    out.print(f"\nEverything is still running; HL7 v2 is taken on 127.0.0.1 port {port}. Ctrl-C ends it and cleans up.")
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()
