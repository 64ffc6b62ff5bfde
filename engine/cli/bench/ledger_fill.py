"""A ledger of very many readings, for `islet bench reconcile`: where it lies, and how it is filled fast."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Column, Index, MetaData, Table, insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from clinical.records import Status
from engine.contracts.journal import Journal
from engine.journal.migrate import upgrade_postgres, upgrade_sqlite
from engine.journal.postgres import PostgresJournal
from engine.journal.sqlite import SqliteJournal, sync_engine
from ledger.tables import Bytes, reading, reading_source

START = 1_780_000_000_000
INTERVAL = 300_000
PATIENTS = 2_000
_AT_ONCE = 20_000
_AT_ONCE_IN_SQL = 500_000
_FILLER = b'{"about":"as large as a record is","filler":"' + b"x" * 400 + b'"}'

_alone = MetaData()
key_table = Table(
    "reading_key",
    _alone,
    Column("same_reading", Bytes(16), primary_key=True),
    Column("same_moment", Bytes(16), nullable=False),
    Index("reading_key_moment", "same_moment"),
    sqlite_with_rowid=False,
)
"""Both keys of each reading and nothing else: what looking up and writing keys costs by itself."""


@asynccontextmanager
async def filled(rows: int, url: str | None, folder: Path | None = None) -> AsyncIterator[Journal]:
    """An open journal whose ledger holds so many readings: in an empty PostgreSQL database, or without a URL in a
    SQLite file of a temporary folder (inside `folder`, if given)."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        journal: Journal
        if url is None:
            path = Path(temporary, "ledger.db")
            await asyncio.to_thread(_fill_sqlite, path, rows)
            journal = SqliteJournal(path)
        else:
            await upgrade_postgres(url)
            await _fill_postgres(url, rows)
            journal = PostgresJournal(url)
        await journal.open()
        try:
            yield journal
        finally:
            await journal.close()


def moment(patient: int, number: int) -> int:
    """When the patient's reading of this number was taken: every five minutes, each patient some seconds apart."""
    return START + number * INTERVAL + patient * 37


# --- SQLite: rows made here


def _fill_sqlite(path: Path, rows: int) -> None:
    upgrade_sqlite(path)
    engine = sync_engine(path)
    _alone.create_all(engine)
    with engine.connect() as connection:
        for start in range(0, rows, _AT_ONCE):
            made = [_Row(number) for number in range(start, min(start + _AT_ONCE, rows))]
            connection.execute(insert(key_table), [row.keys for row in made])
            connection.execute(insert(reading), [row.reading for row in made])
            connection.execute(insert(reading_source), [row.source for row in made])
            connection.commit()
    engine.dispose()


class _Row:
    """Reading number `n`, with keys of the right length, the right minute and no meaning."""

    def __init__(self, n: int) -> None:
        self.id = f"fill-{n:031d}"
        self.patient = n % PATIENTS
        self.millis = moment(self.patient, n // PATIENTS)
        self.keys = {"same_moment": self._key("m", n), "same_reading": self._key("r", n)}
        self._common = {
            "tenant": "default",
            "effective": self.millis,
            "steps": 100,
            "unit": "mg/dL",
            "matching": 56,
            "status": Status.FINAL.value,
            "road": "cloud",
        }

    def _key(self, kind: str, n: int) -> bytes:
        return (self.millis // 60_000).to_bytes(4, "big") + hashlib.sha256(f"{kind}{n}".encode()).digest()[:12]

    @property
    def reading(self) -> dict[str, Any]:
        return {
            **self._common,
            "id": self.id,
            "patient": f"p{self.patient}",
            "analyte": "interstitial-glucose",
            "truth_message_id": self.id,
            "truth_position": 0,
            "version": 1,
            "made_at": 0,
            "changed_at": 0,
        }

    @property
    def source(self) -> dict[str, Any]:
        return {
            **self._common,
            **self.keys,
            "message_id": self.id,
            "position": 0,
            "origin_id": self.id,
            "reading_id": self.id,
            "fate": "new",
            "standing": "speaks",
            "system": "bench-cloud",
            "value": self.id,
            "identity": hashlib.sha256(self.id.encode()).digest()[:16],
            "precision": "second",
            "amended": False,
            "record": _FILLER,
            "at": 0,
        }


# --- PostgreSQL: the same rows, made there

_NUMBERS = f"""
    SELECT 'fill-' || lpad(n::text, 31, '0') AS id, 'p' || n % {PATIENTS} AS patient, millis,
        minute || substr(sha256(('m' || n)::bytea), 1, 12) AS same_moment,
        minute || substr(sha256(('r' || n)::bytea), 1, 12) AS same_reading
    FROM (
        SELECT n, millis, int4send((millis / 60000)::int) AS minute
        FROM (
            SELECT n, {START} + (n / {PATIENTS}) * {INTERVAL} + (n % {PATIENTS}) * 37 AS millis
            FROM generate_series($1::bigint, $2::bigint) AS n
        ) AS times
    ) AS minutes
"""
_INSERTS = (
    f"INSERT INTO reading_key (same_reading, same_moment) SELECT same_reading, same_moment FROM ({_NUMBERS}) AS made",
    f"""
    INSERT INTO reading (id, tenant, patient, analyte, effective, steps, unit, matching, status, road,
        truth_message_id, truth_position, version, made_at, changed_at)
    SELECT id, 'default', patient, 'interstitial-glucose', millis, 100, 'mg/dL', 56, 'final', 'cloud', id, 0, 1, 0, 0
    FROM ({_NUMBERS}) AS made
    """,
    f"""
    INSERT INTO reading_source (message_id, position, origin_id, tenant, reading_id, fate, standing, road, system,
        value, identity, same_moment, same_reading, effective, precision, steps, unit, matching, status, amended,
        record, at)
    SELECT id, 0, id, 'default', id, 'new', 'speaks', 'cloud', 'bench-cloud', id, substr(sha256(id::bytea), 1, 16),
        same_moment, same_reading, millis, 'second', 100, 'mg/dL', 56, 'final', false,
        '{_FILLER.decode()}'::bytea, 0
    FROM ({_NUMBERS}) AS made
    """,
)
_FOREIGN_KEYS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND conrelid = 'reading_source'::regclass
"""


async def _fill_postgres(url: str, rows: int) -> None:
    """Indexes and foreign keys are made after the rows: that is several times as fast."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    try:
        await connection.execute("SET maintenance_work_mem = '512MB'; SET synchronous_commit = off")
        await connection.execute(_text(CreateTable(key_table)))
        foreign_keys = await connection.fetch(_FOREIGN_KEYS)
        indexes = [*reading.indexes, *reading_source.indexes]
        for name, _ in foreign_keys:
            await connection.execute(f"ALTER TABLE reading_source DROP CONSTRAINT {name}")
        for index in indexes:
            await connection.execute(f"DROP INDEX {index.name}")
        for start in range(0, rows, _AT_ONCE_IN_SQL):
            for statement in _INSERTS:
                await connection.execute(statement, start, min(start + _AT_ONCE_IN_SQL, rows) - 1)
        for index in (*indexes, *key_table.indexes):
            await connection.execute(_text(CreateIndex(index)))
        for name, definition in foreign_keys:
            await connection.execute(f"ALTER TABLE reading_source ADD CONSTRAINT {name} {definition}")
        for table in ("reading_key", "reading", "reading_source"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _text(statement: CreateTable | CreateIndex) -> str:
    return str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
