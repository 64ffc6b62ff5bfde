"""How fast reconciliation is against a ledger that holds millions of readings.

On SQLite or PostgreSQL with the journal's own writer, every commit on the disk, one for each batch; for two
kinds of batch: `live` brings the readings of many patients at about one moment, `backfill` many hours of one patient.

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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from clinical import units
from clinical.records import Analyte, Glucose, Instant, Original, PatientRef, Quantity, Road, SourceId, Status, encode
from engine import sdk
from engine.cli.bench.ledger_fill import PATIENTS, START, filled, key_table, moment
from engine.contracts.journal import Journal
from engine.testing.services import PrivatePostgres
from ledger.book import near_moments
from ledger.claims import claim_of
from ledger.one_of import one_of
from transformers.reconcile import ReconcileSettings, reconcile

_FIND = select(key_table.c.same_moment, key_table.c.same_reading).where(one_of(key_table.c.same_moment, "moments"))


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
        effective=Instant(millis=moment(patient, number) + (5_000 if copy else 0), how="device-utc"),
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
        yield [_record(PATIENTS + index, first + number, road=road) for number in range(batch)]


async def _keys(journal: Journal, batches: Sequence[list[Glucose]], tolerance: int) -> float:
    started = time.perf_counter()
    for records in batches:
        claims = [claim_of(record, "default", "keys", "keys", n) for n, record in enumerate(records)]
        async with journal.writer.transaction() as tx:
            moments = sorted({moment for claim in claims for moment in near_moments("default", claim, tolerance)})
            known = {row[1] for row in await tx.execute(_FIND, [{"moments": moments}])}
            fresh = sorted({(c.same_reading, c.same_moment) for c in claims if c.same_reading not in known})
            await tx.execute(insert(key_table), [{"same_reading": r, "same_moment": m} for r, m in fresh])
    return time.perf_counter() - started


async def _steps(journal: Journal, batches: Sequence[list[Glucose]], settings: ReconcileSettings) -> float:
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
        received_at=sdk.from_micros(START * 1000),
        origin_id=id_,
    )


async def _measure(journal: Journal, kind: str, first: int, batch: int, batches: int) -> dict[str, int]:
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


async def _measure_all(rows: int, batch: int, batches: int, url: str | None, folder: Path | None) -> dict[str, Any]:
    started = time.perf_counter()
    async with filled(rows, url, folder) as journal:
        fill_seconds = round(time.perf_counter() - started, 1)
        first = rows // PATIENTS + 1
        live = await _measure(journal, "live", first, batch, batches)
        backfill = await _measure(journal, "backfill", first // 2, batch, batches)
    return {"rows": rows, "batch": batch, "readings": batch * batches, **live, **backfill, "fill_seconds": fill_seconds}


def run(
    rows: int = 1_000_000, batch: int = 500, batches: int = 60, folder: Path | None = None, url: str | None = None
) -> dict[str, Any]:
    """Fill a ledger with `rows` readings and measure: in a temporary folder (inside `folder`, if given), or in an
    empty PostgreSQL database."""
    return asyncio.run(_measure_all(rows, batch, batches, url, folder))


def show(rows: int, *, url: str | None = None, shared: bool = False) -> None:
    """Measure and print. `shared`: on a PostgreSQL server of our own in a temporary folder."""
    with ExitStack() as around:
        if shared and url is None:
            folder = Path(around.enter_context(tempfile.TemporaryDirectory(prefix="islet-bench-")))
            folder.chmod(0o755)  # the server runs under an account of its own
            url = around.enter_context(PrivatePostgres(folder / "postgres")).new_database()
        print(f"filling a ledger with {rows:,} readings …", flush=True)
        for what, figure in run(rows, url=url).items():
            print(f"  {what.replace('_', ' '):40} {figure:>12,}")
