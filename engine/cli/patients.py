"""`islet patients`: which of our patients a source means by its own identifier, and whose midnight counts for them."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Store, fail
from engine.model.clock import to_micros
from engine.runtime.tools import Tools
from ledger.outcome_upkeep import set_zone
from ledger.patients import BadLinks, Imported, import_links, read_links

app = typer.Typer(help="Patients and their identifiers.", no_args_is_help=True)


@app.callback()
def patients() -> None:
    """Patients and their identifiers."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: system,value,patient")],
    tenant: Annotated[str, typer.Option()] = "default",
    store: Store = DEFAULT_STORE,
) -> None:
    """Link identifiers to patients. Nothing is written if one of them is linked to somebody else already."""
    try:
        links = read_links(file.read_text(encoding="utf-8-sig"))
    except BadLinks as error:
        raise fail(f"{file}: {error}") from None

    async def write(tools: Tools) -> Imported:
        async with tools.journal.writer.transaction() as tx:
            return await import_links(tx, tenant, links, to_micros(tools.clock.now()))

    result = with_tools(store, write)
    for link in result.conflicts:
        typer.secho(f"{file}:{link.line}: is linked to another patient already", fg=typer.colors.RED, err=True)
    if result.conflicts:
        raise fail(f"{len(result.conflicts)} conflicts; nothing was written")
    typer.echo(f"{result.added} links added, {result.known} were known")


@app.command()
def zone(
    patient: Annotated[str, typer.Argument(help="Our id of the patient; `system|value` of one without.")],
    name: Annotated[str, typer.Argument(metavar="ZONE", help="Such as Europe/Dublin; `site` for the site's.")],
    tenant: Annotated[str, typer.Option()] = "default",
    store: Store = DEFAULT_STORE,
) -> None:
    """Say whose midnight counts for a patient. All their outcomes are computed anew, as amended ones."""
    try:
        wanted = None if name == "site" else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        raise fail(f"{name} is no zone; write an IANA name such as Europe/Dublin", 2) from None

    async def write(tools: Tools) -> None:
        async with tools.journal.writer.transaction() as tx:
            await set_zone(tx, tenant, patient, wanted, to_micros(tools.clock.now()))

    with_tools(store, write)
    typer.echo("noted; the channel outcomes-due takes it up the next time it looks")
