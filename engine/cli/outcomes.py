"""`islet outcomes rebuild`: the batch lane. Every window that ends in a stretch of days, computed anew."""

import getpass
import os
from datetime import date
from typing import Annotated

import msgspec
import typer

from clinical.outcomes.zone import day_start
from engine.brokers.naming import process_queue
from engine.cli.compose import load_project, project_root
from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Project, Store, fail
from engine.config.plan import ChannelPlan, Configuration
from engine.model.clock import to_micros
from engine.model.ids import new_id
from engine.model.lane import LANE, Lane
from engine.model.message import Message, Shape
from engine.runtime.tools import Tools
from ledger.outcome_queries import patients_with
from transformers.outcomes import PATIENT, REBUILD, OutcomesSettings

app = typer.Typer(help="Time in range and all other outcomes.", no_args_is_help=True)


@app.callback()
def outcomes() -> None:
    """Time in range and all other outcomes."""


@app.command()
def rebuild(
    first: Annotated[str, typer.Option("--from", help="First local day, such as 2026-11-01.")],
    last: Annotated[str, typer.Option("--to", help="Last local day.")],
    channel: Annotated[str | None, typer.Option("--channel", "-c", help="Only this channel's outcomes.")] = None,
    project: Project = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Compute all windows that end on these days anew from the ledger; what has not changed is not issued again."""
    try:
        days = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise fail("--from and --to take days, such as 2026-11-01", 2) from None
    if days[1] < days[0]:
        raise fail("--to lies before --from", 2)
    configuration = load_project(project_root(project), os.environ).configuration
    if configuration is None:
        raise fail("the project has problems; see `islet check`")
    chosen = computing(configuration, channel)
    if not chosen:
        raise fail("no channel that runs has the step `outcomes`" + (f" under the name {channel}" if channel else ""))
    count = with_tools(store, lambda tools: ask_for_rebuild(tools, chosen, days))
    typer.echo(f"{count} requests are on the road; a running engine takes them up at once, else the next start does.")


def computing(configuration: Configuration, name: str | None = None) -> list[tuple[ChannelPlan, OutcomesSettings]]:
    """The channels that compute outcomes, each with how."""
    return [
        (plan, step.settings)
        for plan in configuration.channels.values()
        for step in plan.steps
        if isinstance(step.settings, OutcomesSettings) and name in (None, plan.name)
    ]


async def ask_for_rebuild(
    tools: Tools, chosen: list[tuple[ChannelPlan, OutcomesSettings]], days: tuple[date, date]
) -> int:
    """Put one message for each patient and channel on the road; how many."""
    made = [message for plan, settings in chosen for message in await _requests(tools, plan, settings, days)]
    if not made:
        return 0
    await tools.journal.writer.accept(made)
    work: dict[str, list[str]] = {}
    for message in made:
        work.setdefault(process_queue(message.channel, lane=Lane.BATCH), []).append(message.id)
    touched = msgspec.json.encode({"asked": [message.id for message in made]}).decode()
    now = to_micros(tools.clock.now())
    # Engines that share a journal look for operations; one that is alone gets tickets.
    await tools.journal.writer.add_operation((new_id(), now, getpass.getuser(), "rebuild", None, touched))
    if not tools.leases.shared:
        await tools.outbox.hand_on(work)
    return len(made)


async def _requests(
    tools: Tools, plan: ChannelPlan, settings: OutcomesSettings, days: tuple[date, date]
) -> list[Message]:
    """For everybody whose windows may hold a reading, that is from the longest window before the first day on."""
    zone = settings.plan.zone
    start = day_start(date.fromordinal(days[0].toordinal() - max(settings.windows)), zone)
    end = day_start(date.fromordinal(days[1].toordinal() + 1), zone)
    reads = settings.plan.subject.reads
    found = await patients_with(tools.journal.queries.all, plan.tenant, reads, start, end)
    said = f"{days[0].isoformat()}/{days[1].isoformat()}"
    messages = []
    for patient in found:
        id_ = new_id()
        meta = {REBUILD: said, PATIENT: msgspec.json.encode(patient).decode(), LANE: Lane.BATCH.value}
        messages.append(
            Message(
                id=id_,
                channel=plan.name,
                shape=Shape.RECORDS,
                body=b"",
                received_at=tools.clock.now(),
                origin_id=id_,
                tenant=plan.tenant,
                meta=meta,
                order_key=patient.id or f"{patient.system}|{patient.value}",
            )
        )
    return messages
