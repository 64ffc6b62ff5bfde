"""How fast reconciliation is against a ledger that holds a million readings.

On SQLite with the journal's own writer (WAL, synchronous FULL, one commit for each batch), for two kinds of batch:
`live` brings the readings of many patients at about one moment, `backfill` many hours of one patient.

- keys: both keys of each reading are made, every near moment is looked up, and both keys are written. A reading is
  two keys.
- new: the whole step for readings that nobody has told of (rules, ledger rows with their records, output).
- duplicate: the whole step for the same readings from another source, in the other unit and some seconds later,
  which takes over as the preferred one.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Index, LargeBinary, MetaData, Table, bindparam, insert, select

from clinical import units
from clinical.records import Analyte, Glucose, Instant, Original, PatientRef, Quantity, Road, SourceId, Status, encode
from engine import sdk
from engine.journal.migrate import upgrade_sqlite
from engine.journal.sqlite import SqliteJournal, sync_engine
from ledger.book import near_moments
from ledger.claims import Claim, claim_of
from ledger.tables import reading, reading_source
from transformers.reconcile import ReconcileSettings, reconcile

_START = 1_780_000_000_000
_INTERVAL = 300_000
_PATIENTS = 2_000
_FILL_AT_ONCE = 20_000

_keys_alone = MetaData()
_key = Table(
    "reading_key",
    _keys_alone,
    Column("same_reading", LargeBinary(16), primary_key=True),
    Column("same_moment", LargeBinary(16), nullable=False),
    Index("reading_key_moment", "same_moment"),
    sqlite_with_rowid=False,
)
_FIND = select(_key.c.same_moment, _key.c.same_reading).where(
    _key.c.same_moment.in_(bindparam("moments", expanding=True))
)


def _record(patient: int, number: int, *, road: Road = Road.CLOUD) -> Glucose:
    """The patient's reading of one moment, as a cloud gives it or as a hospital's copy of that."""
    steps = 70 + (number * 7 + patient) % 180
    copy = road is Road.HL7V2
    quantity = (
        Quantity(steps=units.convert(steps, units.MG_DL, units.MMOL_L), unit=units.MMOL_L)
        if copy
        else Quantity(steps=steps, unit=units.MG_DL)
    )
    return Glucose(
        patient=PatientRef(system="bench", value=str(patient), id=f"p{patient}"),
        analyte=Analyte.INTERSTITIAL_GLUCOSE,
        value=quantity,
        effective=Instant(millis=_START + number * _INTERVAL + patient * 37 + (5_000 if copy else 0), how="device-utc"),
        status=Status.FINAL,
        source=SourceId(road=road, system=f"bench-{road}", value=f"{patient}-{number}"),
        original=Original(value=units.text_of(quantity.steps, quantity.unit), unit=quantity.unit),
    )


def _live(first: int, batches: int, batch: int, road: Road) -> Iterator[list[Glucose]]:
    """A reading of each of `batch` patients; the next batch five minutes later."""
    for index in range(batches):
        yield [_record(patient, first + index, road=road) for patient in range(batch)]


def _backfill(first: int, batches: int, batch: int, road: Road) -> Iterator[list[Glucose]]:
    """`batch` readings of one patient; the next batch is another's, over the same time."""
    for index in range(batches):
        yield [_record(_PATIENTS + index, first + number, road=road) for number in range(batch)]


def _fill(connection: Connection, rows: int) -> None:
    """`rows` readings of many patients, in the order of their time, as a running system would have taken them in."""
    for start in range(0, rows, _FILL_AT_ONCE):
        numbers = range(start, min(start + _FILL_AT_ONCE, rows))
        claims = [
            claim_of(_record(n % _PATIENTS, n // _PATIENTS), "default", f"fill-{n:031d}", f"fill-{n:031d}", 0)
            for n in numbers
        ]
        connection.execute(insert(_key), [_keys_of(claim) for claim in claims])
        connection.execute(insert(reading), [_reading_row(claim) for claim in claims])
        connection.execute(insert(reading_source), [_source_row(claim) for claim in claims])
        connection.commit()


def _keys_of(claim: Claim) -> dict[str, Any]:
    return {"same_reading": claim.same_reading, "same_moment": claim.same_moment}


def _reading_row(claim: Claim) -> dict[str, Any]:
    return {
        **_common(claim),
        "id": claim.message_id,
        "patient": claim.patient,
        "analyte": claim.analyte,
        "truth_message_id": claim.message_id,
        "truth_position": 0,
        "version": 1,
        "made_at": 0,
        "changed_at": 0,
    }


def _source_row(claim: Claim) -> dict[str, Any]:
    return {
        **_common(claim),
        **_keys_of(claim),
        "message_id": claim.message_id,
        "position": 0,
        "origin_id": claim.origin_id,
        "reading_id": claim.message_id,
        "fate": "new",
        "standing": claim.standing.value,
        "system": "bench-cloud",
        "value": claim.message_id,
        "identity": claim.identity,
        "precision": claim.precision,
        "amended": False,
        "record": msgspec.json.encode({"about": "as large as a record is", "filler": "x" * 400}),
        "at": 0,
    }


def _common(claim: Claim) -> dict[str, Any]:
    return {
        "tenant": "default",
        "effective": claim.millis,
        "steps": claim.steps,
        "unit": claim.unit,
        "matching": claim.matching,
        "status": claim.status.value,
        "road": claim.road.value,
    }


async def _keys(journal: SqliteJournal, batches: Sequence[list[Glucose]], tolerance: int) -> float:
    started = time.perf_counter()
    for records in batches:
        claims = [claim_of(record, "default", "keys", "keys", n) for n, record in enumerate(records)]
        async with journal.writer.transaction() as tx:
            moments = sorted({moment for claim in claims for moment in near_moments("default", claim, tolerance)})
            known = {row[1] for row in await tx.execute(_FIND, [{"moments": moments}])}
            fresh = sorted({(c.same_reading, c.same_moment) for c in claims if c.same_reading not in known})
            await tx.execute(insert(_key), [{"same_reading": r, "same_moment": m} for r, m in fresh])
    return time.perf_counter() - started


async def _steps(journal: SqliteJournal, batches: Sequence[list[Glucose]], settings: ReconcileSettings) -> float:
    messages = [_message(encode(records)) for records in batches]
    started = time.perf_counter()
    for message in messages:
        async with journal.writer.transaction() as tx:
            await reconcile(message, settings, tx)
    return time.perf_counter() - started


def _message(body: bytes) -> sdk.Message:
    id_ = sdk.new_id()
    return sdk.Message(
        id=id_,
        channel="bench",
        shape=sdk.Shape.RECORDS,
        body=body,
        received_at=sdk.from_micros(_START * 1000),
        origin_id=id_,
    )


async def _measure(journal: SqliteJournal, kind: str, first: int, batch: int, batches: int) -> dict[str, int]:
    settings = ReconcileSettings()
    make = _live if kind == "live" else _backfill
    new = list(make(first, batches, batch, Road.CLOUD))
    copies = list(make(first, batches, batch, Road.HL7V2))
    readings = batch * batches
    keys_seconds = await _keys(journal, new, settings.rules.tolerance.millis)
    new_seconds = await _steps(journal, new, settings)
    duplicate_seconds = await _steps(journal, copies, settings)
    return {
        f"{kind}_keys_per_second": round(2 * readings / keys_seconds),
        f"{kind}_new_readings_per_second": round(readings / new_seconds),
        f"{kind}_duplicate_readings_per_second": round(readings / duplicate_seconds),
    }


async def _measure_both(path: Path, rows: int, batch: int, batches: int) -> dict[str, int]:
    journal = SqliteJournal(path)
    await journal.open()
    first = rows // _PATIENTS + 1
    try:
        live = await _measure(journal, "live", first, batch, batches)
        backfill = await _measure(journal, "backfill", first // 2, batch, batches)
    finally:
        await journal.close()
    return {"rows": rows, "batch": batch, "readings": batch * batches, **live, **backfill}


def run(rows: int = 1_000_000, batch: int = 500, batches: int = 60, folder: Path | None = None) -> dict[str, Any]:
    """Fill a ledger with `rows` readings in a temporary folder (inside `folder`, if given) and measure."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        path = Path(temporary, "ledger.db")
        upgrade_sqlite(path)
        engine = sync_engine(path)
        _keys_alone.create_all(engine)
        started = time.perf_counter()
        with engine.connect() as connection:
            _fill(connection, rows)
        filled = time.perf_counter() - started
        engine.dispose()
        return {**asyncio.run(_measure_both(path, rows, batch, batches)), "fill_seconds": round(filled, 1)}


def show(rows: int) -> None:
    """Measure and print."""
    print(f"filling a ledger with {rows:,} readings …", flush=True)
    for what, figure in run(rows).items():
        print(f"  {what.replace('_', ' '):40} {figure:>12,}")
