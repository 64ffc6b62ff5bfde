"""`islet audit balance`: do the books balance?"""

import typer
from rich.console import Console

from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Store
from engine.cli.show import console, table
from engine.runtime.audit import WORDS, Books, books

app = typer.Typer(help="Prove that nothing is missing.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Prove that nothing is missing."""


@app.command()
def balance(store: Store = DEFAULT_STORE) -> None:
    """Count every copy of every message. Exit code 1 if the books do not balance."""
    result = with_tools(store, lambda tools: books(tools.journal.queries))
    show_books(result, console())
    raise typer.Exit(0 if result.balance else 1)


def show_books(result: Books, out: Console) -> None:
    """The equation, the channels, and what does not add up."""
    shown = table("channel", "received", "transformed", *WORDS, title="Copies by channel")
    for channel, counts in sorted(result.channels.items()):
        words = ("received", "transformed", *WORDS)
        shown.add_row(channel, *(str(counts.get(word, 0)) for word in words))
    out.print(shown)
    parts = " + ".join(f"{result.copies[word]} {word}" for word in WORDS)
    total = result.received + result.multiplied
    sign = "=" if total == sum(result.copies.values()) else "≠"
    out.print(
        f"{result.received} received + {result.multiplied} by fan-out {sign} {parts}", soft_wrap=True, highlight=False
    )
    if result.pruned:
        out.print(f"Of these, {result.pruned} rows have been pruned; they are still counted.", highlight=False)
    for problem in result.problems:
        out.print(f"  {problem}", soft_wrap=True, highlight=False)
    out.print("The books balance." if result.balance else "THE BOOKS DO NOT BALANCE.", highlight=False)
