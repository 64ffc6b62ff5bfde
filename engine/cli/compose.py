"""Putting an engine together: the only place that knows which journal, broker and plugins there are."""

import random
from collections.abc import Mapping
from pathlib import Path

from engine.brokers.embedded import EmbeddedBroker
from engine.config.loader import Loaded, load
from engine.config.plan import Configuration
from engine.contracts.plugins import Log
from engine.journal.sqlite import SqliteJournal
from engine.model.clock import Clock, SystemClock
from engine.observability.logging import logger
from engine.plugins.registry import Registry, discover
from engine.runtime.supervisor import Supervisor
from engine.runtime.tools import Tools
from engine.shipped import shipped


def project_root(given: Path | None) -> Path:
    """The folder with `channels/` and `routes.yaml`: as given, else here, else what ships with the engine."""
    if given is not None:
        return given
    here = Path.cwd()
    return here if (here / "routes.yaml").is_file() else shipped("routes.yaml").parent


def load_project(root: Path, env: Mapping[str, str], registry: Registry | None = None) -> Loaded:
    return load(root, registry or discover(), env)


def make_tools(store: Path, clock: Clock | None = None, log: Log | None = None) -> Tools:
    """Journal and embedded broker on one SQLite file; neither is open yet."""
    clock = clock or SystemClock()
    journal = SqliteJournal(store)
    broker = EmbeddedBroker(journal.writer, journal.queries, clock)
    return Tools(journal=journal, broker=broker, clock=clock, log=log or logger(), random=random.random)


def make_supervisor(configuration: Configuration, store: Path, clock: Clock | None = None) -> Supervisor:
    return Supervisor(configuration, make_tools(store, clock))
