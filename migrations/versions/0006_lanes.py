"""Lanes: what is live and what is batch, and the work in flight of each"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_IN_FLIGHT = {
    "message": (["channel"], "state IN ('received')"),
    "delivery": (["channel", "destination"], "state IN ('queued', 'retry')"),
}


def upgrade() -> None:
    for table, (before, condition) in _IN_FLIGHT.items():
        op.add_column(table, sa.Column("lane", sa.Text(), server_default="live", nullable=False))
        _index_anew(table, [*before, "lane", "id"], condition)


def downgrade() -> None:
    """What waits in the batch lane waits among all else then."""
    for table, (before, condition) in _IN_FLIGHT.items():
        _index_anew(table, [*before, "id"], condition)
        op.drop_column(table, "lane")


def _index_anew(table: str, columns: list[str], condition: str) -> None:
    op.drop_index(f"{table}_in_flight", table)
    where = sa.text(condition)
    op.create_index(f"{table}_in_flight", table, columns, sqlite_where=where, postgresql_where=where)
