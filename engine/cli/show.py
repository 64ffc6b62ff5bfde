"""How verbs print: plain tables that can be copied from and piped."""

from rich import box
from rich.console import Console
from rich.table import Table

_WIDE = 200


def console() -> Console:
    """Standard output; wide when it is a pipe, so that nothing is cut there."""
    here = Console(highlight=False)
    return here if here.is_terminal else Console(width=_WIDE, highlight=False)


def table(*columns: str, title: str | None = None) -> Table:
    """A table without frames whose first column (an id, a name) is never cut."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, no_wrap=number == 0, overflow="fold")
    return made
