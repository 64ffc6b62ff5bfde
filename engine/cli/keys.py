"""`islet keys`: the public halves of the keys that channels sign in with (SMART Backend Services)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import typer

from connectors.smart.publishing import key_set
from connectors.smart.settings import BackendServices
from engine.cli.check import as_text
from engine.cli.compose import load_project
from engine.config.plan import Configuration
from engine.model.errors import NeedsOperator
from engine.model.settings import Settings


def clients_of(configuration: Configuration) -> Sequence[BackendServices]:
    """Every sign-in with a key of ours, of sources and destinations, in the order of the channels."""
    parts: list[Settings] = []
    for plan in configuration.channels.values():
        parts += [plan.source.settings] if plan.source else []
        parts += [destination.bound.settings for destination in plan.destinations]
    return [held for part in parts for held in dict(part).values() if isinstance(held, BackendServices)]


def print_keys(root: Path, environment: Mapping[str, str]) -> int:
    """The exit code: 1 for a configuration with problems or a key that cannot be read."""
    loaded = load_project(root, environment)
    if loaded.configuration is None:
        typer.echo(as_text(loaded).rstrip(), err=True)
        return 1
    clients = clients_of(loaded.configuration)
    if not clients:
        typer.echo("no channel signs in with a key of ours (`smart:` of fhir_server and fhir_search)", err=True)
        return 1
    try:
        held = key_set(clients)
    except NeedsOperator as error:
        typer.echo(str(error), err=True)
        return 1
    typer.echo(orjson.dumps(held, option=orjson.OPT_INDENT_2).decode())
    return 0
