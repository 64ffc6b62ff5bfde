"""The ledger's road to the database: what a book needs to know, and what it has to write down.

Statements are SQLAlchemy Core without any dialect's own words. A message costs one query and two to four batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import Executable, bindparam, exists, insert, select, tuple_, union, update

from clinical.records import AnyRecord, Record, Road, Status
from ledger import keys
from ledger.book import Arrival, Book, Place
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
        exists(select(reading_source.c.position).where(reading_source.c.message_id == bindparam("message_id"))),
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
        version=reading.c.version + 1,
    )
)
_WITHDRAW_READING = (
    update(reading)
    .where(reading.c.id == bindparam("reading"))
    .values(status=Status.ENTERED_IN_ERROR.value, changed_at=bindparam("changed_at"), version=reading.c.version + 1)
)


async def load(tx: Transaction, book: Book, message_id: str, claims: Sequence[Claim]) -> bool:
    """Put into the book every reading that these claims may concern: those of about their moment, and those that
    their sources have spoken of.

    Returns whether this very message has been accounted for before.
    """
    identities = _portions(sorted({claim.identity for claim in claims}))
    moments = _portions(sorted({moment for claim in claims for moment in book.moments_near(claim)}))
    seen = False
    readings: dict[str, dict[Place, Any]] = {}
    for some_identities, some_moments in _side_by_side(identities, moments):
        parameters = {"message_id": message_id, "identities": some_identities, "moments": some_moments}
        for row in await tx.execute(_KNOWN, [parameters]):
            seen = seen or bool(row[0])
            readings.setdefault(row[1], {})[row[6], row[7]] = row
    for rows in readings.values():
        book.know(_reading(book.tenant, list(rows.values())))
    return seen


async def save(tx: Transaction, book: Book, message_id: str, origin_id: str, at: int) -> None:
    """Write down what the message changed, and one row for each of its records. `at` in microseconds."""
    if book.changed:
        await tx.execute(_CHANGE_CLAIM, [_changed_claim(claim) for claim in book.changed])
    if book.made:
        await tx.execute(insert(reading), [_new_reading(made, book.tenant, at) for made in book.made])
    await mark(tx, book.tenant, book.left)
    moved = [_moved_reading(known.id, known.truth, at) for known in book.moved if known.truth is not None]
    if moved:
        await tx.execute(_CHANGE_READING, moved)
    gone = [{"reading": known.id, "changed_at": at} for known in book.moved if known.truth is None]
    if gone:
        await tx.execute(_WITHDRAW_READING, gone)
    rows = [_source_row(arrival, book, message_id, origin_id, at) for arrival in book.arrivals]
    await tx.execute(insert(reading_source), rows)


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


def _read_from(claim: Claim) -> dict[str, Any]:
    return {
        "effective": claim.millis,
        "steps": claim.steps,
        "unit": claim.unit,
        "matching": claim.matching,
        "detection": claim.detection,
        "status": claim.status.value,
        "road": claim.road.value,
        "truth_message_id": claim.message_id,
        "truth_position": claim.position,
    }


def _new_reading(made: Reading, tenant: str, at: int) -> dict[str, Any]:
    """A reading that its only source left within this message is read from what was said last, and withdrawn."""
    row = _read_from(made.truth or made.claims[-1])
    if made.truth is None:
        row["status"] = Status.ENTERED_IN_ERROR.value
    return {
        "id": made.id,
        "tenant": tenant,
        "patient": made.patient,
        "analyte": made.analyte,
        "version": 1,
        "made_at": at,
        "changed_at": at,
        **row,
    }


def _moved_reading(id_: str, claim: Claim, at: int) -> dict[str, Any]:
    return {"reading": id_, "changed_at": at, **_read_from(claim)}


def _source_row(arrival: Arrival, book: Book, message_id: str, origin_id: str, at: int) -> dict[str, Any]:
    record, claim = arrival.record, book.claims[message_id, arrival.position] if arrival.keyed else arrival.said
    row: dict[str, Any] = {
        "message_id": message_id,
        "position": arrival.position,
        "origin_id": origin_id,
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
