"""`islet prune`: what has been kept for its time goes, after a plan."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console

from engine.cli.check import as_text
from engine.cli.compose import load_project, project_root
from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Project, Store, fail
from engine.cli.show import console, table
from engine.journal import outlook
from engine.journal.outlook import Outlook
from engine.model.retention import Retention, days
from engine.runtime.prune import Pruned, PrunePlan, perform_prune, plan_prune
from engine.runtime.tools import Tools

_KEPT_BECAUSE = {
    outlook.EVIDENCE_OF: "something of their family is held, deferred, in review or in flight",
    outlook.FAMILY: "a family goes as a whole, and something of it has time left",
}


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, do nothing.")] = False,
    project: Project = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Empty bodies and remove messages whose time is up (`keep` of their channels). Always prints the plan first."""
    loaded = load_project(project_root(project), os.environ)
    if loaded.configuration is None:
        raise fail(as_text(loaded).rstrip())
    kept = {name: plan.retention for name, plan in loaded.configuration.channels.items()}
    with_tools(store, lambda tools: _prune(tools, kept, dry_run, console()))


async def _prune(tools: Tools, kept: Mapping[str, Retention], dry_run: bool, out: Console) -> None:
    plan = await plan_prune(tools.journal, kept, tools.clock.now())
    show_plan(plan, out)
    if dry_run:
        out.print("Nothing was done (--dry-run).", highlight=False)
        return
    show_done(await perform_prune(tools.journal, plan, tools.clock), out)


def show_plan(plan: PrunePlan, out: Console) -> None:
    """What goes, by channel; what stays though its time is up, and why; what nobody has said anything about."""
    shown = table("channel", "bodies kept", "bodies to empty", "rows kept", "rows to remove", title="Plan")
    for name, kept in sorted(plan.kept.items()):
        going = _counted(plan.bodies, name, outlook.GOES)
        size = sum(one.size for one in plan.bodies if (one.channel, one.what) == (name, outlook.GOES))
        bodies = f"{going}{f' ({_size(size)})' if going else ''}"
        rows = str(_counted(plan.rows, name, outlook.GOES))
        shown.add_row(name, days(kept.bodies_seconds), bodies, days(kept.metadata_seconds), rows)
    out.print(shown)
    for what, found in (("bodies", plan.bodies), ("rows", plan.rows)):
        for why, text in _KEPT_BECAUSE.items():
            for name in sorted(plan.kept):
                if count := _counted(found, name, why):
                    out.print(f"  kept: {count} {what} of {name}: {text}", highlight=False, soft_wrap=True)
    for name, count in sorted(plan.unknown.items()):
        text = f"  kept: {count} messages of {name}: no channel that runs is called so; they are left alone"
        out.print(text, highlight=False, soft_wrap=True)
    if plan.stretches:
        out.print(f"  {len(plan.stretches)} partitions go at once, without what stays", highlight=False)
    if plan.empty:
        out.print("  nothing to do", highlight=False)


def show_done(done: Pruned, out: Console) -> None:
    """What was taken away."""
    text = f"{done.bodies} bodies emptied; {done.messages} messages and {done.deliveries} deliveries removed"
    if done.partitions:
        text += f", most of them with {done.partitions} partitions, from which {done.moved} rows were moved and stay"
    out.print(text, highlight=False, soft_wrap=True)


def _counted(found: Sequence[Outlook], channel: str, what: str) -> int:
    return sum(one.count for one in found if (one.channel, one.what) == (channel, what))


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size} bytes"
