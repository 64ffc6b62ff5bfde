"""Retention: time partitions (PostgreSQL), what was pruned, and indexes for searches

Works on filled databases: on PostgreSQL the rows move, all in one transaction, so the database needs room for them
twice. Going down loses what the books counted of rows that are gone, and keeps all rows that are there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.contracts.journal import Stretch
from engine.journal.weeks import Week

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEYS = {"message": ("id",), "delivery": ("id",), "attempt": ("delivery_id", "number", "at")}
_AHEAD = 1
"""Weeks besides this one; an engine that runs makes more."""
_WAITING = "state IN ('held', 'deferred', 'review')"
_OLD_INDEXES: dict[str, tuple[tuple[str, list[str], str | None], ...]] = {
    "message": (
        ("message_in_flight", ["channel", "id"], "state IN ('received')"),
        ("message_origin", ["origin_id"], None),
        ("message_waiting", ["fingerprint", "id"], _WAITING),
    ),
    "delivery": (
        ("delivery_in_flight", ["channel", "destination", "id"], "state IN ('queued', 'retry')"),
        ("delivery_message", ["message_id"], None),
        ("delivery_origin", ["origin_id"], None),
        ("delivery_waiting", ["fingerprint", "id"], _WAITING),
    ),
    "attempt": (),
}
_NEW_INDEXES: tuple[tuple[str, str, list[str], str | None], ...] = (
    ("message", "message_ended_early", ["state", "id"], "state IN ('filtered', 'duplicate')"),
    ("message", "message_channel", ["channel", "id"], None),
    *(
        (table, f"{table}_{column}", [column, "id"], f"{column} IS NOT NULL")
        for table, column in (
            ("message", "control_id"),
            *((table, column) for table in ("message", "delivery") for column in ("code", "fingerprint", "order_key")),
        )
    ),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # All three get the same weeks, so that a week can go as a whole.
        weeks = {week for table in _KEYS for week in _weeks_of(table, _KEYS[table][0])}
        for table in _KEYS:
            _into_partitions(table, sorted({*weeks, *Week.of(datetime.now(UTC)).and_next(_AHEAD)}))
        _index("message", "message_parent", ["parent_id"], "parent_id IS NOT NULL")
    else:
        op.add_column("message", sa.Column("control_id", sa.Text(), nullable=True))
        for table in ("message", "delivery"):
            op.add_column(table, sa.Column("pruned_at", sa.BigInteger(), nullable=True))
        op.execute(
            "UPDATE message SET control_id = json_extract(meta, '$.control_id') WHERE meta LIKE '%\"control_id\"%'"
        )
    for table, name, columns, condition in _NEW_INDEXES:
        _index(table, name, columns, condition)
    op.create_index("patient_link_value", "patient_link", ["value"])
    _pruned()


def downgrade() -> None:
    op.drop_table("pruned")
    op.drop_index("patient_link_value", "patient_link")
    for table, name, _, _ in _NEW_INDEXES:
        op.drop_index(name, table)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("message_parent", "message")
        for table in _KEYS:
            _into_one_table(table)
        op.create_index("message_parent", "message", ["parent_id"])
    else:
        for table, column in (("delivery", "pruned_at"), ("message", "pruned_at"), ("message", "control_id")):
            op.drop_column(table, column)


def _pruned() -> None:
    op.create_table(
        "pruned",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("roots", sa.BigInteger(), nullable=False),
        sa.Column("grown", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "day", "kind", "state"),
    )


# --- PostgreSQL: rows move between one table and partitions


def _into_partitions(table: str, weeks: Sequence[Week]) -> None:
    columns = _columns(table)
    key = _KEYS[table][0]
    op.rename_table(table, f"{table}_before")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_before INCLUDING DEFAULTS) PARTITION BY RANGE ({key})")
    values = columns
    if table == "message":
        op.execute("ALTER TABLE message ADD COLUMN control_id text")
        columns = [*columns, "control_id"]
        # A NUL that a sender wrote has no place in a text of PostgreSQL.
        values = [*values, r"CASE WHEN meta LIKE '%\\u0000%' THEN NULL ELSE meta::json ->> 'control_id' END"]
    if table != "attempt":
        op.execute(f"ALTER TABLE {table} ADD COLUMN pruned_at bigint")
        op.execute(f'ALTER TABLE {table} ALTER COLUMN order_key TYPE text COLLATE "C"')
    for week in weeks:
        _partition(table, f"{table}_p{week.name}", week.ids)
    op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    _move(f"{table}_before", table, columns, values)
    op.create_primary_key(f"{table}_pkey", table, list(_KEYS[table]))
    for name, indexed, condition in _OLD_INDEXES[table]:
        _index(table, name, indexed, condition)


def _into_one_table(table: str) -> None:
    op.rename_table(table, f"{table}_before")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_before INCLUDING DEFAULTS)")
    if table == "message":
        op.drop_column(table, "control_id")
    if table != "attempt":
        op.drop_column(table, "pruned_at")
        op.execute(f'ALTER TABLE {table} ALTER COLUMN order_key TYPE text COLLATE "default"')
    columns = _columns(table)
    _move(f"{table}_before", table, columns, columns)
    op.create_primary_key(f"{table}_pkey", table, list(_KEYS[table]))
    for name, indexed, condition in _OLD_INDEXES[table]:
        _index(table, name, indexed, condition)


def _move(old: str, new: str, columns: list[str], values: list[str]) -> None:
    op.execute(f"INSERT INTO {new} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {old}")  # noqa: S608
    op.drop_table(old)


def _partition(table: str, name: str, ids: Stretch) -> None:
    op.execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{ids.start}') TO ('{ids.end}')")


def _weeks_of(table: str, key: str) -> list[Week]:
    """Of the rows that are there. An id that is no UUIDv7 says no time: its row goes to the default partition."""
    millis = f"('x' || substr({key}, 1, 8) || substr({key}, 10, 4))::bit(48)::bigint"
    rows = op.get_bind().execute(
        sa.text(
            f"SELECT DISTINCT ({millis} - 345600000) / 604800000 FROM {table} "  # noqa: S608
            f"WHERE {key} ~ '^[0-9a-f]{{8}}-[0-9a-f]{{4}}-7[0-9a-f]{{3}}-'"
        )
    )
    return [Week.of_number(row[0]) for row in rows]


def _columns(table: str) -> list[str]:
    return [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]


def _index(table: str, name: str, columns: list[str], condition: str | None) -> None:
    where: dict[str, Any] = {}
    if condition is not None:
        where = {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
    op.create_index(name, table, columns, **where)
