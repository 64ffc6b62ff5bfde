"""Reading the ledger, for people: a patient's readings, where a reading comes from, and the books of readings.

Every function takes a connection of its own for reading; none writes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clinical.records import AnyRecord, Quantity, Status
from ledger import keys
from ledger.claims import Standing, claim_of
from ledger.rules import Rules
from ledger.subjects import is_glucose
from ledger.tables import reading, reading_source

_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class SourceView:
    """One record that arrived: what it came to then, and whether the reading is read from it now.

    `standing`: speaks, chosen, disputed or earlier; None for a repeat of what its source had said. `record` is its
    JSON, None for a repeat. `at` is in microseconds since 1970 UTC.
    """

    message_id: str
    position: int
    origin_id: str
    reading_id: str
    fate: str
    standing: str | None
    is_truth: bool
    road: str
    system: str
    source_value: str = field(repr=False)
    version: str | None
    effective: int
    value: Quantity = field(repr=False)
    detection: str | None
    status: str
    at: int
    record: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadingView:
    """A reading as it stands, with every record that ever spoke of it, in the order of their arrival.

    `effective` in milliseconds, `made_at` and `changed_at` in microseconds since 1970 UTC; `version` counts the
    changes of what it is read from.
    """

    id: str
    tenant: str
    patient: str = field(repr=False)
    analyte: str
    effective: int
    value: Quantity = field(repr=False)
    detection: str | None
    status: str
    road: str
    version: int
    made_at: int
    changed_at: int
    sources: Sequence[SourceView] = ()


@dataclass(frozen=True, slots=True)
class Books:
    """The books of readings. `arrived` counts each record once, by fate; `readings` stand, `withdrawn` do not."""

    arrived: dict[str, int]
    readings: int
    withdrawn: int
    disputed: int

    @property
    def records(self) -> int:
        return sum(self.arrived.values())


async def readings(
    connection: AsyncConnection,
    tenant: str,
    patient: str,
    start: int,
    end: int,
    *,
    analyte: str | None = None,
    withdrawn: bool = False,
) -> list[ReadingView]:
    """A patient's readings from `start` up to, not including, `end` (milliseconds), in order, with their sources.

    `withdrawn`: also those that are entered in error.
    """
    conditions = [
        reading.c.tenant == tenant,
        reading.c.patient == patient,
        reading.c.effective >= start,
        reading.c.effective < end,
    ]
    if analyte is not None:
        conditions.append(reading.c.analyte == analyte)
    if not withdrawn:
        conditions.append(reading.c.status != Status.ENTERED_IN_ERROR.value)
    return await _readings(connection, and_(*conditions))


async def lineage(connection: AsyncConnection, tenant: str, reading_id: str) -> ReadingView | None:
    """One reading with everything that led to it; each source names its message and the message that came in."""
    found = await _readings(connection, and_(reading.c.tenant == tenant, reading.c.id == reading_id))
    return found[0] if found else None


async def of_messages(connection: AsyncConnection, message_ids: Sequence[str]) -> list[SourceView]:
    """What became of the records of these messages, in order: the way from raw bytes to readings."""
    found: list[SourceView] = []
    for some in _portions(sorted(set(message_ids))):
        found += await _sources(connection, reading_source.c.message_id.in_(some))
    return found


async def books(connection: AsyncConnection, tenant: str | None = None) -> Books:
    """Counts of one tenant, or of all."""
    counted = select(reading_source.c.fate, func.count()).group_by(reading_source.c.fate)
    stand = select(reading.c.status, func.count()).group_by(reading.c.status)
    disputed = select(func.count()).where(reading_source.c.standing == Standing.DISPUTED.value)
    if tenant is not None:
        counted = counted.where(reading_source.c.tenant == tenant)
        stand = stand.where(reading.c.tenant == tenant)
        disputed = disputed.where(reading_source.c.tenant == tenant)
    by_fate = {row[0]: row[1] for row in await connection.execute(counted)}
    by_status = {row[0]: row[1] for row in await connection.execute(stand)}
    withdrawn = by_status.pop(Status.ENTERED_IN_ERROR.value, 0)
    return Books(by_fate, sum(by_status.values()), withdrawn, await connection.scalar(disputed) or 0)


async def swallowed(connection: AsyncConnection, tenant: str, records: Iterable[AnyRecord], rules: Rules) -> int:
    """How many of these records `reconcile` would find known: for the plan of a replay, without deciding anything.

    Looks up `same_reading`, of glucose with its neighbours: a value is known though its time may prove just too far
    off; another kind of record is known when the very same was said in the same minute.
    """
    probes: dict[bytes, list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        claim = claim_of(record, tenant, "", "", number)
        if not is_glucose(claim.analyte):
            probes[claim.same_reading].append(number)
            continue
        minutes = keys.minutes_near(claim.millis, claim.to_the_minute, rules.tolerance.millis)
        near = minutes, claim.matching, rules.tolerance.buckets
        for key in keys.readings_near(tenant, claim.patient, claim.analyte, *near):
            probes[key].append(number)
    statement = select(reading_source.c.same_reading).where(
        reading_source.c.same_reading.in_(bindparam("probes", expanding=True))
    )
    known: set[int] = set()
    for some in _portions(sorted(probes)):
        for row in await connection.execute(statement, {"probes": some}):
            known.update(probes[row[0]])
    return len(known)


async def _readings(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[ReadingView]:
    rows = (
        await connection.execute(select(reading).where(condition).order_by(reading.c.effective, reading.c.id))
    ).all()
    sources: defaultdict[str, list[SourceView]] = defaultdict(list)
    for some in _portions([row.id for row in rows]):
        for source in await _sources(connection, reading_source.c.reading_id.in_(some)):
            sources[source.reading_id].append(source)
    return [_reading_view(row, sources[row.id]) for row in rows]


async def _sources(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[SourceView]:
    """By time of arrival; a message's records in their own order."""
    statement = (
        select(reading_source, reading.c.truth_message_id, reading.c.truth_position)
        .join_from(reading_source, reading, reading.c.id == reading_source.c.reading_id)
        .where(condition)
        .order_by(reading_source.c.message_id, reading_source.c.position)
    )
    return [_source_view(row) for row in await connection.execute(statement)]


def _source_view(row: Any) -> SourceView:
    truth = (row.truth_message_id, row.truth_position) == (row.message_id, row.position)
    return SourceView(
        message_id=row.message_id,
        position=row.position,
        origin_id=row.origin_id,
        reading_id=row.reading_id,
        fate=row.fate,
        standing=row.standing,
        is_truth=truth,
        road=row.road,
        system=row.system,
        source_value=row.value,
        version=row.version,
        effective=row.effective,
        value=Quantity(steps=row.steps, unit=row.unit),
        detection=row.detection,
        status=row.status,
        at=row.at,
        record=row.record,
    )


def _reading_view(row: Any, sources: Sequence[SourceView]) -> ReadingView:
    return ReadingView(
        id=row.id,
        tenant=row.tenant,
        patient=row.patient,
        analyte=row.analyte,
        effective=row.effective,
        value=Quantity(steps=row.steps, unit=row.unit),
        detection=row.detection,
        status=row.status,
        road=row.road,
        version=row.version,
        made_at=row.made_at,
        changed_at=row.changed_at,
        sources=tuple(sources),
    )


def _portions(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
