"""The `islet` command: every verb, in the order in which people meet them."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import accounts, audit, channel, db, lineage, messages, outcomes, patients, prune, queue, replay, run
from engine.cli.options import Project, fail

app = typer.Typer(
    name="islet",
    help="An integration engine for diabetes data: HL7 v2 and CGM feeds in, reconciled FHIR out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local values could show patients' data
    rich_markup_mode=None,
)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Play for about this long.")] = None,
) -> None:
    """See data flow: simulated CGM cloud, hospital and FHIR server, and an engine between them."""
    import asyncio

    from engine.cli.demo import run_demo

    raise typer.Exit(asyncio.run(run_demo(keep, seconds)))


@app.command()
def check(project: Project = None, json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Print every problem of every channel file and of routes.yaml."""
    from engine.cli.check import check as run_check
    from engine.cli.compose import project_root

    raise typer.Exit(run_check(project_root(project), json))


@app.command()
def keys(project: Project = None) -> None:
    """Print the public keys that we sign in with at FHIR servers, as a JSON Web Key Set."""
    import os

    from engine.cli.compose import project_root
    from engine.cli.keys import print_keys

    raise typer.Exit(print_keys(project_root(project), os.environ))


@app.command()
def explain(code: Annotated[str | None, typer.Argument(help="Such as E203; without one: all of them.")] = None) -> None:
    """Say what a code of `islet check` means, with an example of the mistake and how to write it right."""
    from engine.cli.explain import explain as run_explain

    raise typer.Exit(run_explain(code))


@app.command("test")
def run_channel_tests(channels: Annotated[list[str] | None, typer.Argument()] = None, project: Project = None) -> None:
    """Run the NAME.test.yaml of all channels, or of those named."""
    from engine.cli.compose import project_root
    from engine.cli.test import run_tests

    raise typer.Exit(run_tests(project_root(project), channels or []))


@app.command("try")
def try_(
    channel: str, sample: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], project: Project = None
) -> None:
    """Send one sample file through a channel and show what each step makes of it. Nothing is sent or stored."""
    from engine.cli.compose import project_root
    from engine.cli.try_ import try_channel

    raise typer.Exit(try_channel(project_root(project), channel, sample))


@app.command()
def validate() -> None:
    """Compute time in range, events and all other figures for cases worked out by hand, and print what came out."""
    from engine.cli.validate import validate as run_validate

    raise typer.Exit(run_validate())


app.command("run")(run.run)
app.command("replay")(replay.replay)
app.command("prune")(prune.prune)
app.add_typer(messages.app, name="messages")
app.add_typer(channel.app, name="channel")
app.add_typer(audit.app, name="audit")
app.add_typer(patients.app, name="patients")
app.add_typer(accounts.app, name="accounts")
app.command("lineage")(lineage.lineage)
app.add_typer(outcomes.app, name="outcomes")
app.add_typer(queue.app, name="queue")
app.add_typer(db.app, name="db")

new_app = typer.Typer(help="Start something new from a template that runs.", no_args_is_help=True)
app.add_typer(new_app, name="new")


@new_app.callback()
def new() -> None:
    """Start something new from a template that runs."""


@new_app.command("transformer")
def new_transformer(name: str, folder: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path()) -> None:
    """Write a transformer and its test, both of which run at once."""
    from engine.cli.new import new_transformer as write

    raise typer.Exit(write(name, folder))


bench_app = typer.Typer(help="Measure this machine.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


@bench_app.command("mllp")
def bench_mllp(
    seconds: Annotated[float, typer.Option(help="For each number of connections.")] = 10.0,
    connections: Annotated[str, typer.Option(help="Numbers of connections, with commas.")] = "1,8,32",
    shared: Annotated[bool, typer.Option("--shared", help="On private PostgreSQL and RabbitMQ servers.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the engine; with --shared.")] = 1,
    turns: Annotated[int, typer.Option(min=1, help="How often, on a fresh store each.")] = 1,
    beside: Annotated[bool, typer.Option("--beside", help="In turns with the same path with nothing in it.")] = False,
) -> None:
    """MLLP in, durable journal, filter, transformer, HTTP out: messages per second and ACK times."""
    from engine.cli.bench import mllp

    try:
        numbers = tuple(int(number) for number in connections.split(","))
    except ValueError:
        raise fail("--connections takes whole numbers with commas, such as 1,8,32", 2) from None
    mllp.run(seconds, numbers, shared=shared, workers=workers, turns=turns, beside=beside)


@bench_app.command("echo")
def bench_echo(seconds: Annotated[float, typer.Option(help="For each run.")] = 2.0) -> None:
    """MLLP alone, without a journal, beside a bare asyncio.Protocol."""
    from engine.cli.bench import echo

    echo.show(seconds)


@bench_app.command("parse")
def bench_parse(seconds: Annotated[float, typer.Option(help="For each reader.")] = 2.0) -> None:
    """HL7 v2 readers side by side."""
    from engine.cli.bench import parse

    parse.show(seconds)


@bench_app.command("reconcile")
def bench_reconcile(
    rows: Annotated[int, typer.Option(help="Readings in the table.")] = 1_000_000,
    shared: Annotated[bool, typer.Option("--shared", help="On a PostgreSQL server of its own.")] = False,
    journal: Annotated[str | None, typer.Option(help="On this empty PostgreSQL database.", show_default=False)] = None,
) -> None:
    """Reconciliation keys per second against a filled table."""
    from engine.cli.bench import reconcile

    reconcile.show(rows, url=journal, shared=shared)


@bench_app.command("outcomes")
def bench_outcomes(
    rate: Annotated[int, typer.Option(help="Readings a second.")] = 500,
    patients: Annotated[int, typer.Option(help="Whose they are, in turn.")] = 500,
    seconds: Annotated[float, typer.Option()] = 5.0,
) -> None:
    """How soon a reading shows in today's figures."""
    from engine.cli.bench import outcomes

    typer.echo(outcomes.table(rate, patients, seconds))
