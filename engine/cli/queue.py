"""`islet queue`: the tickets at the broker. What they name is in the journal, so they can always be made anew."""

import os
from collections.abc import Iterator
from typing import Annotated

import typer

from engine.cli.check import as_text
from engine.cli.compose import PARTITIONS, Duty, load_project, make_tools, project_root
from engine.cli.opened import place_of, run_with
from engine.cli.options import DEFAULT_STORE, Broker, Project, Store, fail
from engine.cli.place import EMBEDDED
from engine.cli.show import console, table
from engine.config.plan import Configuration
from engine.runtime.outbox import in_flight
from engine.runtime.parts import Part, queues_of
from engine.runtime.tools import Tools

_MOST = 100_000

app = typer.Typer(help="The queues at the broker.", no_args_is_help=True)
Partitions = Annotated[int, typer.Option(min=1, max=64, envvar="ISLET_PARTITIONS", help="As the engines have it.")]


@app.command("list")
def list_(
    project: Project = None,
    store: Store = DEFAULT_STORE,
    broker: Broker = EMBEDDED,
    partitions: Partitions = PARTITIONS,
) -> None:
    """Each queue with its tickets, and what the journal has in flight for it."""
    tools = _tools(store, broker, partitions)
    parts = list(_parts(project, partitions))

    async def look() -> list[tuple[Part, int, int]]:
        return [
            (part, await tools.broker.depth(part.queue), len(await in_flight(part, tools.journal.queries, "", _MOST)))
            for part in parts
        ]

    shown = table("queue", "lane", "tickets", "in flight")
    for part, tickets, waiting in run_with(tools, look):
        shown.add_row(part.queue, part.lane, str(tickets), str(waiting))
    console().print(shown)


@app.command()
def rebuild(
    project: Project = None,
    store: Store = DEFAULT_STORE,
    broker: Broker = EMBEDDED,
    partitions: Partitions = PARTITIONS,
) -> None:
    """Declare every queue and fill it from the journal. A ticket too many does no harm."""
    tools = _tools(store, broker, partitions)
    parts = list(_parts(project, partitions))

    async def fill() -> int:
        published = 0
        for part in parts:
            await tools.broker.declare(part.queue)
            published += await tools.outbox.fill(part)
        return published

    typer.echo(f"{run_with(tools, fill)} messages and deliveries in flight have tickets, in {len(parts)} queues")


def _tools(store: str, broker: str, partitions: int) -> Tools:
    place = place_of(store, broker)
    if broker == EMBEDDED:
        raise fail("the embedded broker has no queues outside of the engine: its journal is the queue", 2)
    return make_tools(place, Duty(partitions=partitions))


def _parts(project: Project, partitions: int) -> Iterator[Part]:
    loaded = load_project(project_root(project), os.environ)
    if loaded.configuration is None:
        raise fail(as_text(loaded).rstrip())
    configuration: Configuration = loaded.configuration
    for plan in configuration.channels.values():
        yield from queues_of(plan, partitions)
