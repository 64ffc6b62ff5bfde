"""What the demo tells at the end: the books, one patient's readings, and one reading's way from bytes to FHIR."""

import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from clinical.units import text_of
from engine.cli.audit import show_books
from engine.cli.show import table
from engine.contracts.journal import Queries
from engine.journal import tables
from engine.runtime.audit import Books
from engine.runtime.find import family
from ledger import queries as ledger
from ledger.queries import ReadingView, SourceView
from simulators.fhir_server import FhirServer

_A_DOZEN = 12
_FOR_EVER = 1 << 60
_d = tables.delivery.c


def problems(books: Books, readings: int, fhir: FhirServer) -> list[str]:
    """What must not be: books that do not balance, work left over, readings without or with two Observations."""
    found = list(books.problems)
    if not books.balance and not found:
        found.append("the books do not balance")
    if books.copies["in flight"]:
        found.append(f"{books.copies['in flight']} copies are still in flight")
    identifiers = Counter(
        f"{one['system']}|{one['value']}"
        for each in fhir.observations.values()
        for one in each.get("identifier", [])[:1]
    )
    doubled = sum(number > 1 for number in identifiers.values())
    if doubled:
        found.append(f"{doubled} readings have more than one Observation")
    if len(identifiers) != readings:
        found.append(f"{readings} readings, but {len(identifiers)} of them are on the FHIR server")
    return found


def tell_books(books: Books, in_ledger: ledger.Books, fhir: FhirServer, out: Console) -> None:
    """The equation of copies, then what the arrived records came to."""
    show_books(books, out)
    fates = " + ".join(f"{count} {fate}" for fate, count in sorted(in_ledger.arrived.items()))
    out.print(f"{in_ledger.records} records told of {in_ledger.readings + in_ledger.withdrawn} readings = {fates}")
    versions = sum(fhir.versions(id_) for id_ in fhir.observations)
    out.print(f"{len(fhir.observations)} Observations on the FHIR server, in {versions} versions\n")


async def dozen(reader: AsyncEngine, patient: str) -> Sequence[ReadingView]:
    """A dozen of a patient's readings in a row, around the one that most happened to."""
    async with reader.connect() as connection:
        all_ = await ledger.readings(connection, "default", patient, 0, _FOR_EVER)
    most = max(range(len(all_)), key=lambda at: _story(all_[at]), default=0)
    first = max(0, min(most - _A_DOZEN // 2, len(all_) - _A_DOZEN))
    return all_[first : first + _A_DOZEN]


def tell_readings(patient: str, readings: Sequence[ReadingView], out: Console) -> None:
    shown = table("time (UTC)", "value", "status", "read from", "who told of it", title=f"Readings of {patient}")
    for reading in readings:
        value = f"{text_of(reading.value.steps, reading.value.unit)} {reading.value.unit}"
        told = ", ".join(f"{source.road} {_value(source)} ({source.fate})" for source in reading.sources)
        shown.add_row(_time(reading.effective), value, reading.status, reading.road, told)
    out.print(shown)


def most_told(readings: Sequence[ReadingView]) -> ReadingView:
    """The reading with the longest story."""
    return max(readings, key=_story)


def _story(reading: ReadingView) -> tuple[bool, int, int]:
    corrected = any(source.fate == "corrects" for source in reading.sources)
    return corrected, len({source.road for source in reading.sources}), reading.version


async def tell_lineage(queries: Queries, reading: ReadingView, fhir: FhirServer, out: Console) -> None:
    """From each source's raw bytes through the messages to the Observation."""
    out.print(f"How the reading of {_time(reading.effective)} came about", style="bold")
    for source in reading.sources:
        messages, _ = await family(queries, source.origin_id)
        by_id = {message["id"]: message for message in messages}
        raw = by_id[source.origin_id]
        out.print(f"  {source.road}: raw bytes in message {raw['id']} of {raw['channel']}", soft_wrap=True)
        for part in _raw_parts(raw["shape"], bytes(raw["body"]), source):
            out.print(f"    | {part}", soft_wrap=True, markup=False)
        way, at = [], by_id.get(source.message_id)
        while at is not None:
            way.append(f"{at['channel']} {at['id']}")
            at = by_id.get(at["parent_id"])
        out.print(f"    → {' → '.join(reversed(way))}: {source.fate}", soft_wrap=True)
    out.print(f"  reading {reading.id}, version {reading.version}", soft_wrap=True)
    for row in await _deliveries(queries, reading.id):
        meta = orjson.loads(row.meta)
        answer = f"{row.answer_code} {row.answer_location or ''}".strip()
        out.print(f"  delivery {row.id} ({meta['interaction']}) → {row.destination} answered {answer}", soft_wrap=True)
    for id_, resource in fhir.observations.items():
        if any(one["value"] == reading.id for one in resource["identifier"]):
            quantity = resource.get("valueQuantity", {})
            shown = f"{quantity.get('value')} {quantity.get('code')}, {resource['status']}"
            out.print(f"  Observation/{id_} version {resource['meta']['versionId']}: {shown}", style="bold")
    out.print()


async def _deliveries(queries: Queries, reading_id: str) -> Sequence[Any]:
    columns = (_d.id, _d.destination, _d.meta, _d.answer_code, _d.answer_location)
    return await queries.all(
        select(*columns).where(_d.shape == "fhir", _d.meta.contains(reading_id, autoescape=True)).order_by(_d.id)
    )


def _raw_parts(shape: str, body: bytes, source: SourceView) -> list[str]:
    """What of the raw bytes the reading comes from: the segments of its message, or its record in the answer."""
    if shape == "hl7v2":
        return [segment for segment in body.decode().split("\r") if segment]
    records = orjson.loads(body)["records"]
    stamp = datetime.fromtimestamp(source.effective / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return [orjson.dumps(record).decode() for record in records if record["systemTime"].startswith(stamp)]


def tell_next(out: Console, store: Path | None, project: Path | None) -> None:
    """What to type next."""
    out.print("What next", style="bold")
    if store is None:
        out.print(
            "  islet demo --keep                        # the same, and it stays: look around in another terminal"
        )
        out.print("  islet check && islet test                # the channels that ship with Islet, and their cases")
        out.print("  islet run                                # an engine of your own; README.md says more")
        return
    at, where = shlex.quote(str(store)), shlex.quote(str(project))
    for verb in ("messages held", "messages find --state review", "audit balance"):
        out.print(f"  islet {verb} --store {at}", soft_wrap=True)
    out.print(f"  islet replay --channel stm-oru-in --state held --store {at} --project {where}", soft_wrap=True)


def _value(source: SourceView) -> str:
    return f"{text_of(source.value.steps, source.value.unit)} {source.value.unit}"


def _time(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
