"""`islet audit balance`: do the books balance?"""

import typer
from rich.console import Console
from rich.table import Table

from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Store
from engine.runtime.audit import WORDS, Books, books

app = typer.Typer(help="Prove that nothing is missing.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Prove that nothing is missing."""


@app.command()
def balance(store: Store = DEFAULT_STORE) -> None:
    """Count every copy of every message. Exit code 1 if the books do not balance."""
    result = with_tools(store, lambda tools: books(tools.journal.queries))
    show_books(result, Console())
    raise typer.Exit(0 if result.balance else 1)


def show_books(result: Books, console: Console) -> None:
    """The equation, the channels, and what does not add up."""
    table = Table("channel", "received", *WORDS, title="Copies by channel")
    for channel, counts in sorted(result.channels.items()):
        table.add_row(channel, str(counts.get("received", 0)), *(str(counts.get(word, 0)) for word in WORDS))
    console.print(table)
    parts = " + ".join(f"{result.copies[word]} {word}" for word in WORDS)
    total = result.received + result.multiplied
    sign = "=" if total == sum(result.copies.values()) else "≠"
    console.print(
        f"{result.received} received + {result.multiplied} by fan-out {sign} {parts}", soft_wrap=True, highlight=False
    )
    for problem in result.problems:
        console.print(f"  {problem}", soft_wrap=True, highlight=False)
    console.print("The books balance." if result.balance else "THE BOOKS DO NOT BALANCE.", highlight=False)
