"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Project = Annotated[
    Path | None,
    typer.Option(
        "--project",
        "-p",
        help="Folder with channels/ and routes.yaml. Default: here, if there is one, else what ships with Islet.",
        exists=True,
        file_okay=False,
    ),
]
Store = Annotated[
    Path,
    typer.Option("--store", "-s", envvar="ISLET_STORE", help="The journal's SQLite file.", dir_okay=False),
]
DEFAULT_STORE = Path("var/islet.db")


def fail(text: str, code: int = 1) -> typer.Exit:
    """Say what is wrong on standard error; raise what this returns."""
    typer.secho(text, fg=typer.colors.RED, err=True)
    return typer.Exit(code)
