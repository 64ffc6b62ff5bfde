"""`islet accounts list/connect/disconnect`: whose accounts at a cloud a channel asks, with their consent."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from engine.cli.callback import code_of, is_local, waiting
from engine.cli.compose import load_project, project_root
from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Project, Store, fail
from engine.cli.show import console, table
from engine.config.plan import ChannelPlan
from engine.contracts.consent import ConnectsAccounts, Consent
from engine.contracts.plugins import PluginContext
from engine.model.errors import EngineError
from engine.runtime.cursors import JournalCursors
from engine.runtime.tools import Tools

app = typer.Typer(help="People's accounts at clouds: connect them with their consent, and take them off.")
T = TypeVar("T")

_REDIRECT = "http://127.0.0.1:8765/callback"
_PATIENCE_SECONDS = 600.0


@app.command("list")
def list_(channel: str, project: Project = None, store: Store = DEFAULT_STORE) -> None:
    """The accounts of a channel, and which of them have been taken off."""

    async def ask(source: ConnectsAccounts) -> list[tuple[str, bool]]:
        return [(name, await source.is_withdrawn(name)) for name in source.account_names()]

    rows = _with_source(channel, project, store, ask)
    shown = table("account", "is")
    for name, withdrawn in rows:
        shown.add_row(name, "taken off" if withdrawn else "asked")
    console().print(shown)


@app.command()
def connect(
    channel: str,
    account: str,
    redirect: Annotated[
        str, typer.Option(help="As registered at the vendor; on this machine, Islet waits there itself.")
    ] = _REDIRECT,
    paste: Annotated[bool, typer.Option("--paste", help="Ask for the address that the browser came back to.")] = False,
    project: Project = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Ask a person for consent at the vendor's own page, and keep the tokens, encrypted, in the journal."""

    async def ask(source: ConnectsAccounts) -> None:
        consent = source.consent(account, redirect)
        code = await _answer_to(consent, paste=paste) if consent else None
        await source.connect(account, consent, code)

    _with_source(channel, project, store, ask)
    typer.echo(f"{account} is connected. A running channel asks it from its next turn; one that stopped, after:")
    typer.echo(f"islet channel start {channel}")


@app.command()
def disconnect(channel: str, account: str, project: Project = None, store: Store = DEFAULT_STORE) -> None:
    """Forget an account's tokens and ask it no more, at once. What it has told so far stays."""
    _with_source(channel, project, store, lambda source: source.withdraw(account))
    typer.echo(f"{account} is taken off. `islet accounts connect {channel} {account}` brings it back.")


async def _answer_to(consent: Consent, *, paste: bool) -> str:
    """Show the person where to agree, and wait for the code. It is never shown."""
    typer.echo("Open this address, log in as the person whose account it is, and agree:\n")
    typer.echo(consent.url + "\n")
    if paste or not is_local(consent.redirect_uri):
        address = await asyncio.to_thread(
            typer.prompt, "Paste the address that the browser came back to (it is not shown)", hide_input=True
        )
        return code_of(address, consent)
    try:
        async with waiting(consent) as callback:
            return await callback.code(_PATIENCE_SECONDS)
    except OSError:
        text = f"cannot wait at {consent.redirect_uri}: the port is taken; name another with --redirect, or --paste"
        raise fail(text) from None


def _with_source(channel: str, project: Path | None, store: str, work: Callable[[ConnectsAccounts], Awaitable[T]]) -> T:
    plan = _plan_of(channel, project)

    async def go(tools: Tools) -> T:
        try:
            return await work(_source_of(plan, tools))
        except EngineError as error:
            raise fail(error.text) from None

    return with_tools(store, go)


def _plan_of(channel: str, project: Path | None) -> ChannelPlan:
    configuration = load_project(project_root(project), os.environ).configuration
    if configuration is None:
        raise fail("the configuration has problems; see `islet check`")
    if channel not in configuration.channels:
        raise fail(f"there is no channel {channel!r}; there are: {', '.join(sorted(configuration.channels))}")
    return configuration.channels[channel]


def _source_of(plan: ChannelPlan, tools: Tools) -> ConnectsAccounts:
    """The channel's source as its engine has it, but for what it runs. Raises what says that it has no accounts."""
    if plan.source is not None:
        context = PluginContext(
            channel=plan.name,
            name=plan.source.name,
            clock=tools.clock,
            cursors=JournalCursors(tools.journal, plan.name),
            log=tools.log,
            random=tools.random,
        )
        source = plan.source.plugin.implementation(plan.source.settings, context)
        if isinstance(source, ConnectsAccounts):
            return source
    raise fail(f"channel {plan.name} asks no cloud: it has no accounts")
