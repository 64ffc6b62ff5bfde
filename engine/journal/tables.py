"""The journal's tables. Times are microseconds since 1970 UTC, ids UUIDv7 text, `meta` and `tally` JSON text.

On PostgreSQL messages, deliveries and attempts lie in partitions by time: each a range of ids.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TextClause,
    literal_column,
    text,
)

metadata = MetaData()

# States that have an index of their own. A database uses it only where it sees the words, in this order: `among`.
MESSAGE_IN_FLIGHT = ("received",)
DELIVERY_IN_FLIGHT = ("queued", "retry")
WAITING = ("held", "deferred", "review")
ENDED_EARLY = ("filtered", "duplicate")


def among(state: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """Is the state one of these? Written out, not as parameters."""
    return state.in_([literal_column(f"'{word}'") for word in words])


def _states(words: Sequence[str]) -> TextClause:
    listed = ", ".join(f"'{word}'" for word in words)
    return text(f"state IN ({listed})")


def _bytewise() -> Text:
    """Compared byte by byte whatever the database's language, so that an index finds what begins with something."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def _where(condition: TextClause) -> dict[str, Any]:
    """Only the rows for which it holds, in every database that we know."""
    return {"sqlite_where": condition, "postgresql_where": condition}


def _search_indexes(table: str) -> list[Index]:
    """For what people look for."""
    return [
        Index(f"{table}_{column}", column, "id", **_where(text(f"{column} IS NOT NULL")))
        for column in ("code", "fingerprint", "order_key")
    ]


def _failure_columns() -> list[Column[str]]:
    """Why a copy did not go on. `detail` may hold a peer's words, and so patients' data: shown only on request."""
    return [Column(name, Text) for name in ("code", "path", "text", "detail", "fingerprint")]


message = Table(
    "message",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("origin_id", String(36), nullable=False),
    Column("parent_id", String(36)),
    Column("shape", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("meta", Text, nullable=False),
    Column("source_key", Text),
    Column("order_key", _bytewise()),
    Column("shard", SmallInteger, nullable=False, server_default="0"),  # of `engine.model.share`
    Column("lane", Text, nullable=False, server_default="live"),  # of `engine.model.lane`
    Column("received_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fanout", Integer),  # children and deliveries made by its outcome: what the audit counts them against
    Column("reason", Text),
    Column("duplicate_of", String(36)),
    Column("tally", Text),
    Column("control_id", Text),  # of its meta
    Column("pruned_at", BigInteger),  # its body was emptied at the end of its time
    *_failure_columns(),
    Index("message_origin", "origin_id"),
    Index("message_parent", "parent_id", **_where(text("parent_id IS NOT NULL"))),
    Index("message_in_flight", "channel", "lane", "id", **_where(_states(MESSAGE_IN_FLIGHT))),
    Index("message_waiting", "fingerprint", "id", **_where(_states(WAITING))),
    Index("message_ended_early", "state", "id", **_where(_states(ENDED_EARLY))),
    Index("message_control_id", "control_id", "id", **_where(text("control_id IS NOT NULL"))),
    Index("message_channel", "channel", "id"),
    *_search_indexes("message"),
    postgresql_partition_by="RANGE (id)",
)

# What makes a re-send recognisable: the same key with the same body is a duplicate (law 6).
source_key = Table(
    "source_key",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("message_id", String(36), nullable=False),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("origin_id", String(36), nullable=False),
    Column("channel", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("meta", Text, nullable=False),
    Column("order_key", _bytewise()),
    Column("shard", SmallInteger, nullable=False, server_default="0"),
    Column("lane", Text, nullable=False, server_default="live"),
    Column("made_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", BigInteger),
    Column("answer_code", Text),
    Column("answer_location", Text),
    Column("answer_existing", Boolean),
    Column("answer_detail", Text),
    Column("pruned_at", BigInteger),
    *_failure_columns(),
    Index("delivery_message", "message_id"),
    Index("delivery_origin", "origin_id"),
    Index(
        "delivery_in_flight",
        "channel",
        "destination",
        "lane",
        "id",
        **_where(_states(DELIVERY_IN_FLIGHT)),
    ),
    Index("delivery_waiting", "fingerprint", "id", **_where(_states(WAITING))),
    *_search_indexes("delivery"),
    postgresql_partition_by="RANGE (id)",
)

# Attempts that did not deliver; the one that did stands in the delivery itself.
attempt = Table(
    "attempt",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("text", Text),
    Column("detail", Text),
    postgresql_partition_by="RANGE (delivery_id)",
)

# What the books counted of rows that are gone: by channel, and day (since 1970 UTC) on which they were made.
pruned = Table(
    "pruned",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),  # message or delivery
    Column("state", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("roots", BigInteger, nullable=False),  # of these, messages that came from outside or by a replay
    Column("grown", BigInteger, nullable=False),  # by how much their fan-out multiplied them
    Column("at", BigInteger, nullable=False),
)

cursor = Table(
    "cursor",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

channel_status = Table(
    "channel_status",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("wanted", Text),
    Column("actual", Text),
    Column("text", Text),
    Column("at", BigInteger, nullable=False),
)

# Who works on what, where several engines share the journal. `until` is by the database's clock.
lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
)

# The embedded broker's queues.
ticket = Table(
    "ticket",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("queue", Text, nullable=False),
    Column("ids", Text, nullable=False),
    sqlite_autoincrement=True,
)

# What people did to messages: replays and releases, with who and why.
operation = Table(
    "operation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("reason", Text),
    Column("touched", Text, nullable=False),
)
