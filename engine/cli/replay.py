"""`islet replay`: messages back on the road, after a plan."""

import os
from typing import Annotated

import typer
from rich.console import Console

from engine.cli.compose import load_project, project_root
from engine.cli.messages import (
    Channel,
    Code,
    ControlId,
    Fingerprint,
    Limit,
    Patient,
    Since,
    State,
    search_of,
    with_patient,
)
from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Project, Store, fail
from engine.cli.show import console
from engine.runtime.find import Search, find
from engine.runtime.replay import ReplayPlan, perform, plan_replay
from engine.runtime.tools import Tools


def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Messages; or use a filter.")] = None,
    channel: Channel = None,
    state: State = None,
    code: Code = None,
    fingerprint: Fingerprint = None,
    control_id: ControlId = None,
    patient: Patient = None,
    since: Since = None,
    limit: Limit = 1000,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only the plan is printed.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the operation.")] = None,
    project: Project = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Replay one message, several, or all that fit a filter. Always prints the plan first."""
    search = search_of(channel, state, code, fingerprint, control_id, since, limit)
    if not ids and not patient and search == Search(limit=limit):
        raise fail("name messages or give a filter, such as --fingerprint or --channel with --state", 2)

    async def go(tools: Tools) -> None:
        wanted = await with_patient(tools.journal.queries, search, patient)
        await _replay(tools, ids or [], wanted, project_root(project), yes, reason)

    with_tools(store, go)


async def _replay(tools: Tools, ids: list[str], search: Search, root: object, yes: bool, reason: str | None) -> None:
    configuration = load_project(root, os.environ).configuration  # type: ignore[arg-type]
    chosen = ids or [row["id"] for row in reversed(await find(tools.journal.queries, search))]
    plan = await plan_replay(tools, chosen, configuration)
    show_plan(plan, console())
    if plan.empty:
        raise typer.Exit(0)
    if not yes:
        typer.echo("Nothing was done. Add --yes to do this.")
        return
    count = await perform(tools, plan, reason)
    typer.echo(f"{count} copies are on the road; a running engine takes them up at once, else the next start does.")


def show_plan(plan: ReplayPlan, console: Console) -> None:
    """What would be touched, what is delivered already, what deduplication will swallow, what is left alone."""
    console.print("Plan", style="bold")
    lines = [
        (len(plan.release_messages), "waiting messages go on in place, with fresh attempts"),
        (len(plan.release_deliveries), "waiting deliveries are sent again, each with its own key"),
        (len(plan.again), "finished messages are processed again as new copies"),
    ]
    for count, what in lines:
        if count:
            console.print(f"  {count} {what}", highlight=False, soft_wrap=True)
    for note in plan.notes:
        console.print(f"  note: {note}", highlight=False, soft_wrap=True)
    for why, count in plan.skipped.items():
        console.print(f"  {count} left alone: {why}", highlight=False, soft_wrap=True)
    if plan.empty:
        console.print("  nothing to do", highlight=False)
