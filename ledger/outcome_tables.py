"""The ledger's tables of outcomes: what each local day contributes, and every outcome that was ever issued.

Days are counted since 1970-01-01. `subject` is what the outcome is about (`glucose`, `blood-pressure`), `method` the
digest of how it is made, with the zone; `label` the method's name.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from ledger.tables import Bytes, metadata

# A cache: what a day contributes, made anew from the readings whenever one of them changes.
outcome_day = Table(
    "outcome_day",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("patient", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("method", String(32), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("element", Bytes, nullable=False),
)

_STANDS = text("replaced_by IS NULL")

# One row for each version. Nothing is deleted; the version that stands has no `replaced_by`.
outcome = Table(
    "outcome",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("series", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_day", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("evidence", String(64), nullable=False),
    Column("replaces", String(36)),
    Column("replaced_by", String(36)),
    Column("message_id", String(36), nullable=False),
    Column("origin_id", String(36), nullable=False),
    Column("body", Bytes, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(
        "outcome_stands",
        "tenant",
        "patient",
        "subject",
        "last_day",
        sqlite_where=_STANDS,
        postgresql_where=_STANDS,
    ),
    Index("outcome_series", "series", "version", unique=True),
    Index("outcome_message", "message_id"),
)
