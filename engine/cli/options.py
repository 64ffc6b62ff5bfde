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
    str,
    typer.Option(
        "--journal",
        "--store",
        "-s",
        envvar=["ISLET_JOURNAL", "ISLET_STORE"],
        help="The journal: a file (SQLite), or postgresql://user@host/database.",
        show_envvar=True,
    ),
]
DEFAULT_STORE = "var/islet.db"
Broker = Annotated[
    str,
    typer.Option(envvar="ISLET_BROKER", help="`embedded`, or amqp://user@host/vhost (amqps:// for TLS)."),
]


def fail(text: str, code: int = 1) -> typer.Exit:
    """Say what is wrong on standard error; raise what this returns."""
    typer.secho(text, fg=typer.colors.RED, err=True)
    return typer.Exit(code)
