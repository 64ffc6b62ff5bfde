"""`islet db upgrade`: a store's tables."""

import typer

from engine.cli.options import DEFAULT_STORE, Store
from engine.journal.migrate import current_and_newest, upgrade_sqlite
from engine.journal.sqlite import sync_engine

app = typer.Typer(help="The store's tables.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """The store's tables."""


@app.command()
def upgrade(store: Store = DEFAULT_STORE) -> None:
    """Make the store if it is not there, and bring its tables to this engine's version."""
    upgrade_sqlite(store)
    engine = sync_engine(store)
    current, _ = current_and_newest(engine)
    engine.dispose()
    typer.echo(f"{store} has the tables of version {current}")
