"""`islet db upgrade`: a store's tables."""

import typer

from engine.cli.opened import place_of
from engine.cli.options import DEFAULT_STORE, Store, fail
from engine.cli.prepare import upgrade as upgrade_place
from engine.model.errors import EngineError

app = typer.Typer(help="The store's tables.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """The store's tables."""


@app.command()
def upgrade(store: Store = DEFAULT_STORE) -> None:
    """Make the store if it is not there, and bring its tables to this engine's version."""
    place = place_of(store)
    try:
        current = upgrade_place(place)
    except EngineError as error:
        raise fail(str(error)) from None
    typer.echo(f"{place} has the tables of version {current}")
