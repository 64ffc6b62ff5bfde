"""The ledger's tables of outcomes: what each local day contributes, and every outcome that was ever issued.

Days are counted since 1970-01-01. `subject` is what the outcome is about (`glucose`, `blood-pressure`), `method` the
digest of how it is made, with the zone; `label` the method's name.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from ledger.tables import Bytes, metadata

_STALE = text("stale IS NOT NULL")

# A cache: what a day contributes, made anew from the readings whenever one of them changes. `stale`: why it must be
# made anew before it is used. `readings`: those it was made from, as columns, so that a new one need only be added.
outcome_day = Table(
    "outcome_day",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("patient", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("method", String(32), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("element", Bytes, nullable=False),
    Column("stale", Text),
    Column("readings", Bytes),
    Index(
        "outcome_day_stale",
        "tenant",
        "patient",
        "subject",
        "method",
        sqlite_where=_STALE,
        postgresql_where=_STALE,
    ),
)

_DUE = text("due_at IS NOT NULL")

# What has been issued for a patient and what is due next. `who`: the patient as the readings name them (JSON); `zone`:
# by which the days were cut; `method`: of the days; `closed_day`: all windows that end until then have been issued;
# `due_at`: in milliseconds, when the next one becomes final.
outcome_upkeep = Table(
    "outcome_upkeep",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("patient", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("who", Bytes, nullable=False),
    Column("zone", Text, nullable=False),
    Column("method", String(32), nullable=False),
    Column("closed_day", Integer),
    Column("due_at", BigInteger),
    Index("outcome_upkeep_due", "due_at", sqlite_where=_DUE, postgresql_where=_DUE),
)

# Whose midnight counts, where it is not the site's.
patient_zone = Table(
    "patient_zone",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("patient", Text, primary_key=True),
    Column("zone", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

# What must be remembered between two readings to tell of a low once.
alert_state = Table(
    "alert_state",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("patient", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("state", Bytes, nullable=False),
)

# What was told: version 1 that it began, 2 that it is over. `id`: the value of its identifier; `event`: the word of the
# device event; `first`, `last`: the readings it rests on, by time in milliseconds; `message_id`: by which they were
# known; `at`: when it was told, in microseconds.
alert = Table(
    "alert",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("origin_id", String(36), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("alert_patient", "tenant", "patient", "last"),
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
    Column("method", String(64)),
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
