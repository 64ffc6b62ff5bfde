"""`islet run`: the engine, until SIGTERM or Ctrl-C."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from connectors.smart.publishing import jwks_route
from engine.cli.check import as_text
from engine.cli.compose import PARTITIONS, Duty, load_project, make_supervisor, project_root, version_of
from engine.cli.keys import clients_of
from engine.cli.opened import place_of
from engine.cli.options import DEFAULT_STORE, Broker, Project, Store, fail
from engine.cli.place import EMBEDDED, Place
from engine.cli.prepare import prepare_file, prepare_shared
from engine.cli.workers import CANNOT_RUN, Workers
from engine.config.plan import Configuration
from engine.journal.lock import StoreInUse, own_store
from engine.model.errors import EngineError, Unavailable
from engine.observability.health import Health, serving
from engine.observability.logging import configure, logger
from engine.runtime.parts import Role
from engine.runtime.supervisor import Supervisor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Run:
    configuration: Configuration
    place: Place
    duty: Duty
    grace: float
    health_port: int | None


def run(
    project: Project = None,
    store: Store = DEFAULT_STORE,
    broker: Broker = EMBEDDED,
    roles: Annotated[str, typer.Option(help="What this engine does, with commas.")] = "ingest,process,dispatch",
    workers: Annotated[int, typer.Option(min=1, help="Processes; with PostgreSQL and RabbitMQ.")] = 1,
    partitions: Annotated[
        int,
        typer.Option(
            min=1, max=64, envvar="ISLET_PARTITIONS", help="Shares of each channel's work, among all engines."
        ),
    ] = PARTITIONS,
    health_port: Annotated[
        int | None,
        typer.Option(
            envvar="ISLET_HEALTH_PORT",
            help="Answer /health/live, /health/ready and /.well-known/jwks.json on this port.",
        ),
    ] = None,
    grace: Annotated[float, typer.Option(help="Seconds to finish what is in hand when stopping.")] = 20.0,
    log_level: Annotated[str, typer.Option(envvar="ISLET_LOG_LEVEL")] = "info",
    worker: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run all channels of the project. Refuses a configuration with problems."""
    configure(json=not sys.stderr.isatty(), level=log_level)
    loaded = load_project(project_root(project), os.environ)
    if loaded.configuration is None:
        raise fail(as_text(loaded).rstrip())
    place = place_of(store, broker)
    if workers > 1 and not place.shared:
        raise fail(
            "several workers need a journal and a broker to share: --journal postgresql://… --broker amqp://…", 2
        )
    if place.shared and broker == EMBEDDED:
        raise fail("a journal on PostgreSQL needs RabbitMQ beside it: --broker amqp://user@host/vhost", 2)
    if workers > 1 and worker is None:
        raise typer.Exit(Workers(sys.argv[1:], workers, logger()).run(grace))
    version = version_of(loaded.configuration, partitions)
    duty = Duty(version, _roles(roles), partitions, shares_ports=workers > 1)
    port = health_port if health_port is None else health_port + (worker or 1) - 1
    _run(_Run(loaded.configuration, place, duty, grace, port))


def _roles(words: str) -> frozenset[Role]:
    try:
        return frozenset(Role(word.strip()) for word in words.split(","))
    except ValueError:
        raise fail(f"--roles takes {', '.join(Role)}, with commas", 2) from None


def _run(run: _Run) -> None:
    try:
        if run.place.shared:
            uvloop_run(serve(run))
        else:
            prepare_file(run.place)
            with own_store(run.place.file):
                uvloop_run(serve(run))
    except StoreInUse as error:
        raise fail(str(error)) from None
    except Unavailable as error:
        raise fail(str(error)) from None
    except EngineError as error:
        raise fail(str(error), CANNOT_RUN) from None


async def serve(run: _Run) -> None:
    """Start, work until a signal comes, stop in order. Raises NeedsOperator if a person has to mend something."""
    health, stop = Health(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as around:
        if run.health_port is not None:
            more = [jwks_route(lambda: clients_of(run.configuration), logger())]
            await around.enter_async_context(serving(health, "0.0.0.0", run.health_port, more))  # noqa: S104 - for balancers
        supervisor = make_supervisor(run.configuration, run.place, run.duty)
        starting = asyncio.create_task(_start(run, supervisor, health))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                stopping.add_done_callback(lambda _: supervisor.stop())
                await supervisor.run()
        finally:
            health.ready = False
            for task in (starting, stopping):
                task.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await supervisor.close(run.grace)


async def _start(run: _Run, supervisor: Supervisor, health: Health) -> None:
    waits: dict[str, EngineError | None] = {}
    health.look = lambda: waits
    if run.place.shared:
        await prepare_shared(run.place, supervisor.tools.log, lambda error: waits.update(journal=error))
    health.look = lambda: {
        "journal": supervisor.trouble,
        "broker": supervisor.tools.broker.trouble,
    }
    await supervisor.start()
    health.ready = True
    settle_down()


def settle_down() -> None:
    """Leave what the start has made (modules, plugins, plans) out of garbage collection, and collect less often:
    messages hardly ever make cycles, and walking everything that is loaded takes tens of milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def uvloop_run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one: it takes a third off the engine's CPU time."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        return asyncio.run(main)
    return uvloop.run(main)
