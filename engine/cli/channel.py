"""`islet channel start/stop/pause/list`: one channel at a time, in the engine that runs on the store."""

import typer
from sqlalchemy import select

from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Store, fail
from engine.cli.show import console, table
from engine.journal import tables
from engine.runtime.tools import Tools

app = typer.Typer(help="Start, pause and stop channels.", no_args_is_help=True)
_WAIT_SECONDS = 10.0
_c = tables.channel_status.c


@app.command("list")
def list_(store: Store = DEFAULT_STORE) -> None:
    """What each channel does, and what is wanted of it."""
    rows = with_tools(
        store, lambda tools: tools.journal.queries.all(select(tables.channel_status).order_by(_c.channel))
    )
    shown = table("channel", "does", "wanted", "because")
    for row in rows:
        shown.add_row(row.channel, row.actual or "-", row.wanted or "-", row.text or "")
    console().print(shown)


@app.command()
def start(channel: str, store: Store = DEFAULT_STORE) -> None:
    """Take messages and work."""
    _ask(store, channel, "running")


@app.command()
def pause(channel: str, store: Store = DEFAULT_STORE) -> None:
    """Take nothing new; finish what is there. Senders find the door closed and keep their messages."""
    _ask(store, channel, "paused")


@app.command()
def stop(channel: str, store: Store = DEFAULT_STORE) -> None:
    """Take nothing and send nothing; what is there waits."""
    _ask(store, channel, "stopped")


def _ask(store: str, channel: str, wanted: str) -> None:
    async def ask(tools: Tools) -> str | None:
        queries = tools.journal.queries
        statement = select(_c.actual).where(_c.channel == channel)
        if not await queries.all(statement):
            raise fail(f"no channel {channel!r} has run on this store; see `islet channel list`")
        await tools.journal.writer.command_channel(channel, wanted)
        end = tools.clock.monotonic() + _WAIT_SECONDS
        while tools.clock.monotonic() < end:
            actual = (await queries.all(statement))[0][0]
            if actual == wanted:
                return str(actual)
            await tools.clock.sleep(0.2)
        return None

    actual = with_tools(store, ask)
    if actual is None:
        typer.echo(f"{channel} is to be {wanted}; no engine has followed yet (is one running on this store?)")
    else:
        typer.echo(f"{channel} is {actual}")
