"""`islet lineage`: from raw message to record, exclusions, outcome and posted resource, and back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

import orjson
import typer
from sqlalchemy import select

from clinical.issued import decode_one
from clinical.outcomes.plain_values import BloodPressure, Weight
from clinical.outcomes.profile import ISLET
from clinical.outcomes.subjects import Glucose
from engine.cli.opened import with_tools
from engine.cli.options import DEFAULT_STORE, Store, fail
from engine.journal import tables
from engine.model.clock import from_micros
from engine.runtime.tools import Tools
from ledger.alert_store import alerts_over, find_alerts
from ledger.outcome_queries import evidence, find_outcomes, issued_by, outcomes_over, readings_of

Row = Mapping[str, Any]
_READS = {subject.name: subject.reads for subject in (Glucose(ISLET), BloodPressure(), Weight())}
_d = tables.delivery.c
_MOST_LINES = 20


def lineage(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="An outcome, an alert, the identifier of a resource, a reading, a message or a delivery."
        ),
    ],
    store: Store = DEFAULT_STORE,
) -> None:
    """Show what a figure rests on down to the raw messages, or what a message or reading went into. No values."""
    lines = with_tools(store, lambda tools: walk(tools, id_))
    if not lines:
        raise fail(
            f"nothing is known by {id_}; give the id of an outcome, an alert, a reading, a message or a delivery"
        )
    typer.echo("\n".join(lines))


async def walk(tools: Tools, id_: str) -> list[str]:
    """The lines to show; none if the id is not known."""
    ask, name = tools.journal.queries.all, id_.rsplit("|", 1)[-1]  # of `system|value` the value
    versions = await find_outcomes(ask, name)
    if not versions:
        versions = [row for each in await _sent_outcomes(tools, name) for row in await find_outcomes(ask, each)]
    if versions:
        return [line for row in versions for line in await _down(tools, row)]
    return await _alert(tools, name) or await _up(tools, name)


async def _sent_outcomes(tools: Tools, id_: str) -> list[str]:
    """The outcomes that a message or a delivery carries."""
    for table in (tables.message, tables.delivery):
        for row in await tools.journal.queries.all(select(table.c.meta).where(table.c.id == id_)):
            return str(orjson.loads(row[0]).get("outcome", "")).split()
    return []


async def _down(tools: Tools, row: Row) -> list[str]:
    """An outcome, what it rests on, and where it went."""
    issued = decode_one(row["body"])
    lines = [_outcome_line(row), f"  because: {issued.cause.value}, by message {row['message_id']}"]
    lines += [f"  replaces: {row['replaces']}"] if row["replaces"] else []
    lines += [f"  replaced by: {row['replaced_by']}"] if row["replaced_by"] else []
    lines.append(f"  method: {issued.method.name} version {issued.method.version}, evidence {issued.evidence[:16]}")
    excluded = {name: ms for name, ms in issued.accounting.items() if name not in ("window", "covered")}
    lines += [f"  excluded: {name}, {ms // 60_000} minutes" for name, ms in sorted(excluded.items())]
    lines += [f"  dropped: {count} readings, {reason}" for reason, count in sorted(issued.dropped.items())]
    lines += _evidence_lines(await evidence(tools.journal.queries.all, row, _READS[row["subject"]]))
    return lines + await _posted(tools, row["origin_id"], "outcome", [row["id"]])


def _outcome_line(row: Row) -> str:
    first, last = (date(1970, 1, 1) + timedelta(days=row[name]) for name in ("first_day", "last_day"))
    at = from_micros(row["at"]).isoformat(timespec="seconds")
    return (
        f"outcome {row['id']}: {row['subject']} {row['name']} {first} to {last}, "
        f"version {row['version']} {row['status']}, issued {at}"
    )


def _evidence_lines(found: Sequence[Row]) -> list[str]:
    """How many readings, and by which raw messages they came."""
    lines = [f"  rests on: {len({row['reading_id'] for row in found})} readings from {len(found)} records"]
    by_origin = Counter((row["origin_id"], row["fate"]) for row in found)
    lines += [
        f"    raw message {origin}: {count} {fate}" for (origin, fate), count in by_origin.most_common(_MOST_LINES)
    ]
    more = len(by_origin) - _MOST_LINES
    return [*lines, f"    and {more} more"] if more > 0 else lines


async def _posted(tools: Tools, origin_id: str, key: str, wanted: Sequence[str]) -> list[str]:
    """The deliveries of these outcomes, or of these readings by the end of their identifier."""
    rows = await tools.journal.queries.all(
        select(_d.id, _d.channel, _d.destination, _d.state, _d.meta, _d.answer_location)
        .where(_d.origin_id == origin_id)
        .order_by(_d.id)
    )
    lines = []
    for row in rows:
        said = str(orjson.loads(row.meta).get(key, ""))
        if any(word.endswith(each) for word in said.split() for each in wanted):
            where = row.answer_location or row.state
            lines.append(f"  posted: {row.channel} to {row.destination}, {row.state}, {where} (delivery {row.id})")
    return lines


async def _up(tools: Tools, id_: str) -> list[str]:
    """A message's or reading's way to the figures."""
    ask = tools.journal.queries.all
    found = await readings_of(ask, id_) or await readings_of(ask, await _origin(tools, id_))
    lines = []
    for row in found[:_MOST_LINES]:
        lines.append(
            f"raw message {row['origin_id']}, record {row['message_id']}[{row['position']}] {row['fate']}: "
            f"reading {row['id']} ({row['analyte']}, {row['status']})"
        )
        lines += await _posted(tools, row["origin_id"], "identifier", [f"|{row['id']}"])
    if len(found) > _MOST_LINES:
        lines.append(f"and {len(found) - _MOST_LINES} records more")
    for tenant, patient in sorted({(row["tenant"], row["patient"]) for row in found}):
        moments = sorted({row["effective"] for row in found if row["patient"] == patient})
        subjects = {row["analyte"] for row in found if row["patient"] == patient}
        for outcome in await outcomes_over(ask, tenant, patient, moments):
            if subjects & set(_READS[outcome["subject"]]):
                lines.append(_outcome_line(outcome))
                lines += await _posted(tools, outcome["origin_id"], "outcome", [outcome["id"]])
        if subjects & set(_READS["glucose"]):
            for alert in await alerts_over(ask, tenant, patient, moments):
                lines += [
                    _alert_line(alert),
                    *await _posted(tools, alert["origin_id"], "identifier", [_posted_as(alert)]),
                ]
    return lines or await _made(tools, id_)


async def _made(tools: Tools, id_: str) -> list[str]:
    """What a message without readings made be issued: one that closes windows or asks for a rebuild."""
    ask, m = tools.journal.queries.all, tables.message.c
    found = await issued_by(ask, [id_])
    if not found:
        family = await ask(select(m.id).where(m.origin_id == await _origin(tools, id_)))
        found = await issued_by(ask, [row[0] for row in family])
    lines = []
    for row in found[:_MOST_LINES]:
        lines += [_outcome_line(row), *await _posted(tools, row["origin_id"], "outcome", [row["id"]])]
    return [*lines, f"and {len(found) - _MOST_LINES} outcomes more"] if len(found) > _MOST_LINES else lines


async def _alert(tools: Tools, id_: str) -> list[str]:
    """That an alert began and ended, what either rests on, and where it went."""
    lines = []
    for row in await find_alerts(tools.journal.queries.all, id_):
        window = {**row, "start": row["first"], "end": row["last"] + 1, "id": row["message_id"]}
        lines += [_alert_line(row), f"  because: by message {row['message_id']}"]
        lines += _evidence_lines(await evidence(tools.journal.queries.all, window, _READS["glucose"]))
        lines += await _posted(tools, row["origin_id"], "identifier", [_posted_as(row)])
    return lines


def _alert_line(row: Row) -> str:
    at = from_micros(row["at"]).isoformat(timespec="seconds")
    return f"alert {row['id']}: {row['event']}, {'raised' if row['version'] == 1 else 'over'}, told {at}"


def _posted_as(alert: Row) -> str:
    return f"|{alert['id']}"


async def _origin(tools: Tools, id_: str) -> str:
    """The raw message of a message or delivery; the id itself if it is neither."""
    m = tables.message.c
    rows = await tools.journal.queries.all(select(m.origin_id).where(m.id == id_))
    rows = rows or await tools.journal.queries.all(select(_d.origin_id).where(_d.id == id_))
    return str(rows[0][0]) if rows else id_
