"""`islet messages find/show/held`: what happened to a message."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy import func, select, union_all

from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Store, fail
from engine.cli.show import console, table
from engine.contracts.journal import Queries
from engine.journal import tables
from engine.journal.weeks import id_at
from engine.model.clock import from_micros
from engine.model.ids import millis_of
from engine.model.quantities import parse_duration
from engine.runtime.find import Search, attempts, family, find
from engine.runtime.tools import Tools
from ledger.patients import order_keys

app = typer.Typer(help="Find messages and see what became of them.", no_args_is_help=True)

Channel = Annotated[str | None, typer.Option("--channel", "-c")]
State = Annotated[str | None, typer.Option("--state", help="received, transformed, filtered, duplicate, held, ...")]
Code = Annotated[str | None, typer.Option("--code", help="Code of the error.")]
Fingerprint = Annotated[str | None, typer.Option("--fingerprint", help="From `islet messages held`.")]
ControlId = Annotated[str | None, typer.Option("--control-id", help="MSH-10.")]
Since = Annotated[str | None, typer.Option("--since", help="How far back: 30m, 2h, 7d.")]
Patient = Annotated[
    str | None,
    typer.Option("--patient", help="MRN or another identifier of the source's, or our own id of the patient."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1)]


def search_of(
    channel: str | None,
    state: str | None,
    code: str | None,
    fingerprint: str | None,
    control_id: str | None,
    since: str | None,
    limit: int,
) -> Search:
    """The search that these options ask for. Ends the program if `since` is no duration."""
    try:
        start = datetime.now(UTC) - timedelta(seconds=parse_duration(since)) if since else None
    except ValueError as error:
        raise fail(f"--since {error}", 2) from None
    # Ids are made as messages come; a day more, for clocks that were set right meanwhile.
    from_id = id_at(start - timedelta(days=1)) if start else None
    return Search(channel, state, code, fingerprint, control_id, since=start, from_id=from_id, limit=limit)


async def with_patient(queries: Queries, search: Search, patient: str | None) -> Search:
    """The search, narrowed to one patient: under the identifier itself and under what the ledger links it with."""
    return replace(search, patients=await order_keys(queries, patient)) if patient else search


@app.command("find")
def find_(
    channel: Channel = None,
    state: State = None,
    code: Code = None,
    fingerprint: Fingerprint = None,
    control_id: ControlId = None,
    patient: Patient = None,
    since: Since = None,
    limit: Limit = 50,
    store: Store = DEFAULT_STORE,
) -> None:
    """Messages that fit, newest first. Shows no body."""
    search = search_of(channel, state, code, fingerprint, control_id, since, limit)

    async def look(tools: Tools) -> Sequence[Mapping[str, Any]]:
        queries = tools.journal.queries
        return await find(queries, await with_patient(queries, search, patient))

    rows = with_tools(store, look)
    shown = table("id", "channel", "received", "state", "why")
    for row in rows:
        why = " ".join(filter(None, [row["code"] or row["reason"], row["path"]]))
        shown.add_row(row["id"], row["channel"], _time(row["received_at"]), row["state"], why)
    console().print(shown)
    typer.echo(
        f"{len(rows)} messages" + (f" (the newest; more with --limit {limit * 2})" if len(rows) == limit else "")
    )


@app.command()
def held(store: Store = DEFAULT_STORE) -> None:
    """What waits for a person, grouped by what one fix would cure."""
    m, d = tables.message.c, tables.delivery.c
    waiting = ("held", "deferred", "review")
    both = union_all(
        select(m.fingerprint, m.channel, m.state, m.code, m.path, m.text, m.id).where(m.state.in_(waiting)),
        select(d.fingerprint, d.channel, d.state, d.code, d.path, d.text, d.message_id).where(d.state.in_(waiting)),
    ).subquery()
    c = both.c
    statement = (
        select(
            c.fingerprint, c.channel, c.state, c.code, func.min(c.path), func.min(c.text), func.count(), func.max(c.id)
        )
        .group_by(c.fingerprint, c.channel, c.state, c.code)
        .order_by(func.count().desc())
    )
    rows = with_tools(store, lambda tools: tools.journal.queries.all(statement))
    shown = table("fingerprint", "channel", "state", "count", "what", "newest")
    for fingerprint, channel, state, code, path, text, count, newest in rows:
        what = f"{code}{' at ' + path if path else ''}: {text}"
        shown.add_row(fingerprint or "-", channel, state, str(count), what, newest)
    console().print(shown)
    typer.echo("Replay a group when its cause is mended: islet replay --fingerprint FINGERPRINT")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of a message or delivery.")],
    body: Annotated[bool, typer.Option("--body", help="Show bodies too: patients' data.")] = False,
    store: Store = DEFAULT_STORE,
) -> None:
    """A message's whole family: where it came from, what it became, where that went, what was answered."""
    with_tools(store, lambda tools: _show(tools, id_, body, console()))


async def _show(tools: Tools, id_: str, body: bool, console: Console) -> None:
    queries = tools.journal.queries
    row = await queries.row("message", id_) or await queries.row("delivery", id_)
    if row is None:
        raise fail(f"no message or delivery {id_} in this store{await _perhaps_pruned(queries, id_)}")
    messages, deliveries = await family(queries, row["origin_id"])
    for message in messages:
        mark = "▶" if message["id"] == id_ else " "
        console.print(f"{mark} message  {message['id']}  {message['channel']}", highlight=False, soft_wrap=True)
        _lines(console, message, ("received_at", "state", "reason", "parent_id", "duplicate_of", "tally"))
        _failure(console, message, body)
        _body(console, message, body)
    for delivery in deliveries:
        mark = "▶" if delivery["id"] == id_ else " "
        way = f"{delivery['channel']} → {delivery['destination']}"
        console.print(f"{mark} delivery {delivery['id']}  {way}", highlight=False, soft_wrap=True)
        names = ("state", "attempts", "due_at", "answer_code", "answer_location", "answer_existing", "message_id")
        _lines(console, delivery, names)
        _failure(console, delivery, body)
        for tried in await attempts(queries, delivery["id"]):
            line = f"      attempt {tried['number']} {_time(tried['at'])}: {tried['code']}: {tried['text']}"
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        _body(console, delivery, body)


async def _perhaps_pruned(queries: Queries, id_: str) -> str:
    """An id says when it was made; the day's books say what has been pruned of it."""
    c = tables.pruned.c
    try:
        day = millis_of(id_) // 86_400_000
    except ValueError:
        return ""
    rows = await queries.all(select(func.sum(c.count), func.max(c.at)).where(c.day == day))
    count, at = rows[0]
    return f"; {count} of its day were pruned, the last on {_time(at)}: it may be one of them" if count else ""


def _lines(console: Console, row: Any, names: tuple[str, ...]) -> None:
    for name in names:
        value = row[name]
        if value is not None:
            shown = _time(value) if name.endswith("_at") else value
            console.print(f"      {name}: {shown}", highlight=False, soft_wrap=True, markup=False)


def _failure(console: Console, row: Any, with_detail: bool) -> None:
    if row["code"]:
        where = f" at {row['path']}" if row["path"] else ""
        line = f"      {row['code']}{where}: {row['text']} [{row['fingerprint']}]"
        console.print(line, highlight=False, soft_wrap=True, markup=False)
        if with_detail and row["detail"]:
            console.print(f"      they said: {row['detail']}", highlight=False, soft_wrap=True, markup=False)


def _body(console: Console, row: Any, with_body: bool) -> None:
    if row["pruned_at"] is not None:
        console.print(f"      body pruned {_time(row['pruned_at'])}: its time was up", highlight=False, soft_wrap=True)
        return
    if not with_body:
        return
    text = bytes(row["body"]).decode("utf-8", "replace").replace("\r", "\n")
    for line in text.splitlines():
        console.print(f"      | {line}", highlight=False, soft_wrap=True, markup=False)


def _time(micros: int) -> str:
    return from_micros(micros).strftime("%Y-%m-%d %H:%M:%S")
