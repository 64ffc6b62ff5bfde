"""`islet run`: the engine, until SIGTERM or Ctrl-C."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from engine.cli.check import as_text
from engine.cli.compose import load_project, make_supervisor, project_root
from engine.cli.options import DEFAULT_STORE, Project, Store, fail
from engine.config.plan import Configuration
from engine.journal.lock import StoreInUse, own_store
from engine.journal.migrate import current_and_newest, upgrade_sqlite
from engine.journal.sqlite import sync_engine
from engine.observability.logging import configure

T = TypeVar("T")


def run(
    project: Project = None,
    store: Store = DEFAULT_STORE,
    grace: Annotated[float, typer.Option(help="Seconds to finish what is in hand when stopping.")] = 20.0,
    log_level: Annotated[str, typer.Option(envvar="ISLET_LOG_LEVEL")] = "info",
) -> None:
    """Run all channels of the project. Refuses a configuration with problems."""
    configure(json=not sys.stderr.isatty(), level=log_level)
    root = project_root(project)
    loaded = load_project(root, os.environ)
    if loaded.configuration is None:
        raise fail(as_text(loaded).rstrip())
    prepare(store)
    try:
        with own_store(store):
            uvloop_run(serve(loaded.configuration, store, grace))
    except StoreInUse as error:
        raise fail(str(error)) from None


def prepare(store: Path) -> None:
    """A new store gets its tables; an old one is not changed without being asked."""
    if not store.exists():
        upgrade_sqlite(store)
        return
    engine = sync_engine(store)
    current, newest = current_and_newest(engine)
    engine.dispose()
    if current != newest:
        raise fail(f"{store} has the tables of version {current}, this engine needs {newest}: run `islet db upgrade`")


async def serve(configuration: Configuration, store: Path, grace: float) -> None:
    """Start, work until a signal comes, stop in order."""
    supervisor = make_supervisor(configuration, store)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, supervisor.stop)
    try:
        await supervisor.start()
        settle_down()
        await supervisor.run()
    finally:
        await supervisor.close(grace)


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
