"""Walking outcomes: from a figure to the raw messages it rests on, and from a message to the figures it went into.

Nothing of this is stored apart: a window holds a reading or not, and what arrived or was issued is never deleted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Executable, func, or_, select

from clinical.records import PatientRef
from ledger.outcome_tables import outcome
from ledger.tables import reading, reading_source

Ask = Callable[[Executable], Awaitable[Sequence[Any]]]
"""Runs a query and gives its rows."""

_COLUMNS = tuple(column for column in outcome.c if column.name != "body")


class _Whose(msgspec.Struct, frozen=True):
    patient: PatientRef


async def find_outcomes(ask: Ask, name: str) -> list[Mapping[str, Any]]:
    """The versions that a name means, oldest first: of a version's id that one, of a window's series all of them. The
    identifier of an Observation, which begins with the series, does as well."""
    series = name.split("-", 1)[0]
    rows = await ask(
        select(outcome).where(or_(outcome.c.id == name, outcome.c.series == series)).order_by(outcome.c.version)
    )
    found: list[Mapping[str, Any]] = [dict(row._mapping) for row in rows]
    return [row for row in found if row["id"] == name] or found


async def issued_by(ask: Ask, message_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """The versions that these messages made be issued, without their bodies."""
    rows = await ask(
        select(*_COLUMNS)
        .where(outcome.c.message_id.in_(message_ids))
        .order_by(outcome.c.patient, outcome.c.start, outcome.c.version)
    )
    return [dict(row._mapping) for row in rows]


async def evidence(ask: Ask, row: Mapping[str, Any], reads: Sequence[str]) -> list[Mapping[str, Any]]:
    """The records that had arrived between `start` and `end` when something with this `id` was told, by reading, in
    order of time: reading_id, effective, message_id, position, origin_id, fate, standing, status."""
    statement = (
        select(
            reading_source.c.reading_id,
            reading_source.c.effective,
            reading_source.c.message_id,
            reading_source.c.position,
            reading_source.c.origin_id,
            reading_source.c.fate,
            reading_source.c.standing,
            reading_source.c.status,
        )
        .join_from(reading_source, reading, reading.c.id == reading_source.c.reading_id)
        .where(
            reading.c.tenant == row["tenant"],
            reading.c.patient == row["patient"],
            reading.c.analyte.in_(reads),
            reading.c.effective >= row["start"],
            reading.c.effective < row["end"],
            reading_source.c.message_id <= row["id"],  # both tell when they were made
        )
        .order_by(reading.c.effective, reading_source.c.message_id, reading_source.c.position)
    )
    return [dict(found._mapping) for found in await ask(statement)]


async def readings_of(ask: Ask, name: str) -> list[Mapping[str, Any]]:
    """The readings that an id means: its own, or those that a message or what came in with it spoke of. In order:
    id, tenant, patient, analyte, effective, status, and message_id, position, origin_id, fate of each source."""
    source = reading_source.c
    statement = (
        select(
            reading.c.id,
            reading.c.tenant,
            reading.c.patient,
            reading.c.analyte,
            reading.c.effective,
            reading.c.status,
            source.message_id,
            source.position,
            source.origin_id,
            source.fate,
        )
        .join_from(reading_source, reading, reading.c.id == source.reading_id)
        .where(or_(source.reading_id == name, source.message_id == name, source.origin_id == name))
        .order_by(reading.c.effective, source.message_id, source.position)
    )
    return [dict(row._mapping) for row in await ask(statement)]


async def outcomes_over(ask: Ask, tenant: str, patient: str, moments: Sequence[int]) -> list[Mapping[str, Any]]:
    """The outcomes of a patient that stand and whose window holds one of these moments (milliseconds)."""
    if not moments:
        return []
    rows = await ask(
        select(*_COLUMNS)
        .where(
            outcome.c.tenant == tenant,
            outcome.c.patient == patient,
            outcome.c.replaced_by.is_(None),
            outcome.c.start <= max(moments),
            outcome.c.end > min(moments),
        )
        .order_by(outcome.c.start, outcome.c.end)
    )
    found = [dict(row._mapping) for row in rows]
    return [row for row in found if any(row["start"] <= moment < row["end"] for moment in moments)]


async def patients_with(ask: Ask, tenant: str, reads: Sequence[str], start: int, end: int) -> list[PatientRef]:
    """Everybody with a reading of these subjects from `start` to before `end` (milliseconds), withdrawn ones too."""
    latest = (
        select(reading.c.patient, func.max(reading.c.id).label("id"))
        .where(
            reading.c.tenant == tenant,
            reading.c.analyte.in_(reads),
            reading.c.effective >= start,
            reading.c.effective < end,
        )
        .group_by(reading.c.patient)
        .subquery()
    )
    statement = (
        select(reading_source.c.record)
        .join_from(latest, reading, reading.c.id == latest.c.id)
        .join(
            reading_source,
            (reading.c.truth_message_id == reading_source.c.message_id)
            & (reading.c.truth_position == reading_source.c.position),
        )
        .order_by(latest.c.patient)
    )
    return [msgspec.json.decode(row[0], type=_Whose).patient for row in await ask(statement)]
