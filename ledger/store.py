"""The ledger's road to the database: what a book needs to know, and what it has to write down.

Statements are SQLAlchemy Core without any dialect's own words. A book costs one query and two to four batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import Executable, bindparam, exists, insert, select, tuple_, union, update

from clinical.records import AnyRecord, Record, Road, Status
from ledger import keys
from ledger.book import Arrival, Book, Place, Row
from ledger.claims import Claim, Standing
from ledger.one_of import one_of
from ledger.outcome_marks import mark
from ledger.rules import Reading
from ledger.subjects import kind_in
from ledger.tables import reading, reading_source

T = TypeVar("T")

_AT_ONCE = 2048
"""Keys of one kind in a query; SQLite takes 32,766 parameters, PostgreSQL 32,767."""
_STEP = 256
_record: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(Record)
_ROADS = {road.value: road for road in Road}
_STATUSES = {status.value: status for status in Status}
_STANDINGS = {standing.value: standing for standing in Standing}


class Transaction(Protocol):
    """What the ledger needs of the transaction that will commit the outcome (`engine.sdk.Transaction`)."""

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]: ...


_same_source = select(reading_source.c.reading_id).where(one_of(reading_source.c.identity, "identities"))
_same_moment = select(reading_source.c.reading_id).where(one_of(reading_source.c.same_moment, "moments"))
_CLAIM_COLUMNS = (
    reading_source.c.message_id,
    reading_source.c.position,
    reading_source.c.origin_id,
    reading_source.c.system,
    reading_source.c.value,
    reading_source.c.road,
    reading_source.c.version,
    reading_source.c.effective,
    reading_source.c.precision,
    reading_source.c.steps,
    reading_source.c.unit,
    reading_source.c.matching,
    reading_source.c.detection,
    reading_source.c.status,
    reading_source.c.same_moment,
    reading_source.c.same_reading,
    reading_source.c.standing,
    reading_source.c.amended,
)
_KNOWN = (
    select(
        exists(select(reading_source.c.position).where(one_of(reading_source.c.message_id, "messages"))),
        reading.c.id,
        reading.c.patient,
        reading.c.analyte,
        reading.c.truth_message_id,
        reading.c.truth_position,
        *_CLAIM_COLUMNS,
    )
    .join_from(reading_source, reading, reading.c.id == reading_source.c.reading_id)
    .where(
        reading_source.c.reading_id.in_(union(_same_source, _same_moment)), reading_source.c.same_moment.is_not(None)
    )
)
_SEEN = select(reading_source.c.message_id).where(one_of(reading_source.c.message_id, "messages")).distinct()
_RECORDS = select(reading_source.c.message_id, reading_source.c.position, reading_source.c.record).where(
    tuple_(reading_source.c.message_id, reading_source.c.position).in_(bindparam("places", expanding=True))
)
_CHANGE_CLAIM = (
    update(reading_source)
    .where(
        reading_source.c.message_id == bindparam("at_message"), reading_source.c.position == bindparam("at_position")
    )
    .values(
        identity=bindparam("identity"),
        standing=bindparam("standing"),
        amended=bindparam("amended"),
        version=bindparam("version"),
    )
)
_CHANGE_READING = (
    update(reading)
    .where(reading.c.id == bindparam("reading"))
    .values(
        effective=bindparam("effective"),
        steps=bindparam("steps"),
        unit=bindparam("unit"),
        matching=bindparam("matching"),
        detection=bindparam("detection"),
        status=bindparam("status"),
        road=bindparam("road"),
        truth_message_id=bindparam("truth_message_id"),
        truth_position=bindparam("truth_position"),
        changed_at=bindparam("changed_at"),
        version=reading.c.version + bindparam("moves"),
    )
)
_WITHDRAW_READING = (
    update(reading)
    .where(reading.c.id == bindparam("reading"))
    .values(
        status=Status.ENTERED_IN_ERROR.value,
        changed_at=bindparam("changed_at"),
        version=reading.c.version + bindparam("moves"),
    )
)
_NEW_READINGS = insert(reading)
_NEW_SOURCES = insert(reading_source)


async def load(tx: Transaction, book: Book, message_ids: Sequence[str], claims: Sequence[Claim]) -> set[str]:
    """Put into the book every reading that these messages' claims may concern: those of about their moment, and those
    that their sources have spoken of.

    Returns which of the messages have been accounted for before.
    """
    identities = _portions(sorted({claim.identity for claim in claims}))
    moments = _portions(sorted({moment for claim in claims for moment in book.moments_near(claim)}))
    (messages,) = _portions(message_ids)
    seen = False
    readings: dict[str, dict[Place, Any]] = {}
    for some_identities, some_moments in _side_by_side(identities, moments):
        parameters = {"messages": messages, "identities": some_identities, "moments": some_moments}
        for row in await tx.execute(_KNOWN, [parameters]):
            seen = seen or bool(row[0])
            readings.setdefault(row[1], {})[row[6], row[7]] = row
    for rows in readings.values():
        book.know(_reading(book.tenant, list(rows.values())))
    return {row[0] for row in await tx.execute(_SEEN, [{"messages": messages}])} if seen else set()


async def save(tx: Transaction, book: Book) -> None:
    """Write down what the book's messages changed, and one row for each of their records."""
    if book.changed:
        await tx.execute(_CHANGE_CLAIM, [_changed_claim(claim) for claim in book.changed])
    rows = book.rows.values()
    made = [_new_reading(row, book.tenant, row.made_at) for row in rows if row.made_at is not None]
    if made:
        await tx.execute(_NEW_READINGS, made)
    await mark(tx, book.tenant, [page.left for page in book.pages])
    there = [row for row in rows if row.made_at is None]
    moved = [_moved_reading(row, row.read_from) for row in there if row.read_from is not None]
    if moved:
        await tx.execute(_CHANGE_READING, moved)
    gone = [_left_reading(row) for row in there if row.read_from is None]
    if gone:
        await tx.execute(_WITHDRAW_READING, gone)
    arrived = [_source_row(arrival, book, page.at) for page in book.pages for arrival in page.arrivals]
    if arrived:
        await tx.execute(_NEW_SOURCES, arrived)


async def records(tx: Transaction, places: Iterable[Place]) -> dict[Place, AnyRecord]:
    """The records of these claims as they arrived."""
    wanted = sorted(set(places))
    if not wanted:
        return {}
    found: dict[Place, AnyRecord] = {}
    for some in _portions(wanted):
        for row in await tx.execute(_RECORDS, [{"places": some}]):
            found[row[0], row[1]] = _record.decode(row[2])
    return found


# --- rows


def _reading(tenant: str, rows: Sequence[Any]) -> Reading:
    first = rows[0]
    known = Reading(first[1], first[2], first[3])
    truth_at = first[4], first[5]
    for row in rows:
        claim = _claim(tenant, known, row[6:])
        known.claims.append(claim)
        if claim.place == truth_at and claim.standing in (Standing.SPEAKS, Standing.CHOSEN):
            known.truth = claim
    return known


def _claim(tenant: str, known: Reading, row: Sequence[Any]) -> Claim:
    return Claim(
        message_id=row[0],
        position=row[1],
        origin_id=row[2],
        identity=keys.identity(tenant, row[3], row[4], kind_in(known.analyte)),
        system=row[3],
        patient=known.patient,
        analyte=known.analyte,
        road=_ROADS[row[5]],
        version=row[6],
        millis=row[7],
        precision=row[8],
        steps=row[9],
        unit=row[10],
        matching=row[11],
        detection=row[12],
        status=_STATUSES[row[13]],
        same_moment=row[14],
        same_reading=row[15],
        standing=_STANDINGS[row[16]],
        amended=row[17],
    )


def _changed_claim(claim: Claim) -> dict[str, Any]:
    return {
        "at_message": claim.message_id,
        "at_position": claim.position,
        "identity": _speaking_identity(claim),
        "standing": claim.standing.value,
        "amended": claim.amended,
        "version": claim.version,
    }


def _speaking_identity(claim: Claim) -> bytes | None:
    return None if claim.standing is Standing.EARLIER else claim.identity


def _read_from(row: Row, claim: Claim) -> dict[str, Any]:
    return {
        "effective": claim.millis,
        "steps": claim.steps,
        "unit": claim.unit,
        "matching": claim.matching,
        "detection": claim.detection,
        "status": Status.ENTERED_IN_ERROR.value if row.gone else claim.status.value,
        "road": claim.road.value,
        "truth_message_id": claim.message_id,
        "truth_position": claim.position,
        "changed_at": row.changed_at,
    }


def _new_reading(row: Row, tenant: str, made_at: int) -> dict[str, Any]:
    assert row.read_from is not None
    return {
        "id": row.reading.id,
        "tenant": tenant,
        "patient": row.reading.patient,
        "analyte": row.reading.analyte,
        "version": row.moves,
        "made_at": made_at,
        **_read_from(row, row.read_from),
    }


def _moved_reading(row: Row, claim: Claim) -> dict[str, Any]:
    return {"reading": row.reading.id, "moves": row.moves, **_read_from(row, claim)}


def _left_reading(row: Row) -> dict[str, Any]:
    return {"reading": row.reading.id, "moves": row.moves, "changed_at": row.changed_at}


def _source_row(arrival: Arrival, book: Book, at: int) -> dict[str, Any]:
    record, claim = arrival.record, book.claims[arrival.said.place] if arrival.keyed else arrival.said
    row: dict[str, Any] = {
        "message_id": claim.message_id,
        "position": arrival.position,
        "origin_id": claim.origin_id,
        "tenant": book.tenant,
        "reading_id": arrival.reading.id,
        "fate": arrival.fate.value,
        "standing": None,
        "road": claim.road.value,
        "system": record.source.system,
        "value": record.source.value,
        "version": claim.version,
        "identity": None,
        "same_moment": None,
        "same_reading": None,
        "effective": claim.millis,
        "precision": claim.precision,
        "steps": claim.steps,
        "unit": claim.unit,
        "matching": claim.matching,
        "detection": claim.detection,
        "status": claim.status.value,
        "amended": claim.amended,
        "record": None,
        "at": at,
    }
    if arrival.keyed:
        row["standing"] = claim.standing.value
        row["identity"] = _speaking_identity(claim)
        row["same_moment"] = claim.same_moment
        row["same_reading"] = claim.same_reading
        row["record"] = msgspec.json.encode(record)
    return row


# --- portions


def _portions(values: Sequence[T]) -> list[list[T]]:
    """Lists of at most `_AT_ONCE`, each filled up to one of a few sizes by repeating its last value: so that few
    different statements are ever prepared."""
    portions = []
    for start in range(0, len(values), _AT_ONCE):
        some = list(values[start : start + _AT_ONCE])
        size = 1 << (len(some) - 1).bit_length() if len(some) <= _STEP else -(-len(some) // _STEP) * _STEP
        portions.append(some + [some[-1]] * (size - len(some)))
    return portions


def _side_by_side(ones: list[list[T]], others: list[list[T]]) -> Iterable[tuple[list[T], list[T]]]:
    """Pairs of portions; where one side has no more, its first is asked for again, as a list may not be empty."""
    for index in range(max(len(ones), len(others))):
        yield ones[index] if index < len(ones) else ones[0], others[index] if index < len(others) else others[0]
