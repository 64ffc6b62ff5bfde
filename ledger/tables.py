"""The ledger's tables: what is known of patients and readings, and which source said so.

Times of day are milliseconds since 1970 UTC where a device gave them (`effective`), microseconds where we did
(`..._at`). Nothing is deleted: a reading that loses keeps its rows.

Every key of a reading starts with its minute (see `ledger.keys`), so that new rows go to the right edge of each
index; the one exception is `identity`, which must find a record whatever has become of its time.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()


class Bytes(LargeBinary):
    """Bytes that go to the driver and come back as they are: the drivers take them, a copy for each costs time."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:  # noqa: ARG002
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:  # noqa: ARG002
        return None


patient = Table(
    "patient",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("made_at", BigInteger, nullable=False),
)

# Who a source's patient is. `how`: registered (by a channel) or imported (by a person).
patient_link = Table(
    "patient_link",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("system", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("patient", Text, nullable=False),
    Column("how", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant", "patient"], ["patient.tenant", "patient.id"]),
    Index("patient_link_patient", "tenant", "patient"),
    Index("patient_link_value", "value"),  # for people, who know the identifier and not always its system
)

# One row for each real measurement. `truth_...` names the row of `reading_source` that it is read from now;
# `patient` is our id, or `system|value` where nobody has linked the source's patient.
reading = Table(
    "reading",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("analyte", Text, nullable=False),
    Column("effective", BigInteger, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("matching", Integer, nullable=False),  # in 0.1 mmol/L, for comparing only
    Column("detection", Text),
    Column("status", Text, nullable=False),
    Column("road", Text, nullable=False),
    Column("truth_message_id", String(36), nullable=False),
    Column("truth_position", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("reading_patient", "tenant", "patient", "analyte", "effective"),
)

_SAYS_SOMETHING = text("same_moment IS NOT NULL")
_SAYS_A_VALUE = text("same_reading IS NOT NULL")
_SPEAKS = text("identity IS NOT NULL")

# One row for each record that ever arrived: `fate` is what it came to then, `standing` whether it still speaks for
# its source. A repeat of what the same source said before has neither keys, nor a standing, nor a record.
reading_source = Table(
    "reading_source",
    metadata,
    Column("message_id", String(36), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("origin_id", String(36), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("reading_id", String(36), ForeignKey("reading.id"), nullable=False),
    Column("fate", Text, nullable=False),
    Column("standing", Text),
    Column("road", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("version", Text),
    Column("identity", Bytes(16)),  # only while it is what its source says now
    Column("same_moment", Bytes(16)),
    Column("same_reading", Bytes(16)),
    Column("effective", BigInteger, nullable=False),
    Column("precision", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("matching", Integer, nullable=False),
    Column("detection", Text),
    Column("status", Text, nullable=False),
    Column("amended", Boolean, nullable=False),
    Column("record", Bytes),
    Column("at", BigInteger, nullable=False),
    Index("reading_source_reading", "reading_id"),
    Index("reading_source_moment", "same_moment", sqlite_where=_SAYS_SOMETHING, postgresql_where=_SAYS_SOMETHING),
    Index("reading_source_same", "same_reading", sqlite_where=_SAYS_A_VALUE, postgresql_where=_SAYS_A_VALUE),
    Index("reading_source_identity", "identity", unique=True, sqlite_where=_SPEAKS, postgresql_where=_SPEAKS),
)
