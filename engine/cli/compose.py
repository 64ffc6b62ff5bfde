"""Putting an engine together: the only place that knows which journal, broker and plugins there are."""

import hashlib
import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.brokers.absent import AbsentBroker
from engine.brokers.embedded import EmbeddedBroker
from engine.brokers.rabbitmq import RabbitBroker
from engine.cli.place import EMBEDDED, Place
from engine.config.loader import Loaded, load
from engine.config.plan import Configuration
from engine.contracts.plugins import Log
from engine.journal.postgres import PostgresJournal
from engine.journal.sqlite import SqliteJournal
from engine.model.clock import Clock, SystemClock
from engine.observability.logging import logger
from engine.plugins.registry import Registry, discover
from engine.runtime.leases import SharedLeases
from engine.runtime.parts import ALL_ROLES, Role
from engine.runtime.supervisor import Supervisor
from engine.runtime.tools import Tools
from engine.shipped import shipped

PARTITIONS = 4
"""Shares of each channel's work among engines that share; as many can work on one channel at once."""
_PATIENT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Duty:
    """What one engine does among those that share a journal. `version` names its configuration: all need the same."""

    version: str = ""
    roles: frozenset[Role] = ALL_ROLES
    partitions: int = PARTITIONS
    shares_ports: bool = False


def project_root(given: Path | None) -> Path:
    """The folder with `channels/` and `routes.yaml`: as given, else here, else what ships with the engine."""
    if given is not None:
        return given
    here = Path.cwd()
    return here if (here / "routes.yaml").is_file() else shipped("routes.yaml").parent


def load_project(root: Path, env: Mapping[str, str], registry: Registry | None = None) -> Loaded:
    return load(root, registry or discover(), env)


def version_of(configuration: Configuration, partitions: int) -> str:
    """Twelve hex digits over everything that engines on one journal must agree about."""
    parts = [f"{name}={plan.version}" for name, plan in sorted(configuration.channels.items())]
    return hashlib.sha256("\0".join([*parts, str(partitions)]).encode()).hexdigest()[:12]


def make_tools(place: Place, duty: Duty | None = None, *, clock: Clock | None = None, log: Log | None = None) -> Tools:
    """Journal and broker; neither is open yet."""
    clock, log = clock or SystemClock(), log or logger()
    if not place.shared:
        journal = SqliteJournal(place.file)
        embedded = EmbeddedBroker(journal.writer, journal.queries, clock)
        return Tools(journal=journal, broker=embedded, clock=clock, log=log, random=random.random)
    if duty is None:  # a verb of a person's: audits and plans read everything
        duty, shared = Duty(), PostgresJournal(place.journal, statement_seconds=_PATIENT_SECONDS)
    else:
        shared = PostgresJournal(place.journal, makes_partitions=True)
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    return Tools(
        journal=shared,
        broker=AbsentBroker() if place.broker == EMBEDDED else RabbitBroker(place.rabbit(), clock, log),
        clock=clock,
        log=log,
        random=random.random,
        leases=SharedLeases(shared, clock, log, holder, version=duty.version),
        partitions=duty.partitions,
        roles=duty.roles,
        shares_ports=duty.shares_ports,
    )


def make_supervisor(configuration: Configuration, place: Place, duty: Duty | None = None) -> Supervisor:
    return Supervisor(configuration, make_tools(place, duty))
