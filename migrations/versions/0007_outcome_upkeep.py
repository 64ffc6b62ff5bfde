"""Outcomes: days that must be made anew, what is due when, alerts, and zones of patients"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WHOSE = ("tenant", "patient")


def upgrade() -> None:
    op.add_column("outcome_day", sa.Column("stale", sa.Text(), nullable=True))
    op.add_column("outcome_day", sa.Column("readings", sa.LargeBinary(), nullable=True))
    stale = sa.text("stale IS NOT NULL")
    columns = [*_WHOSE, "subject", "method"]
    op.create_index("outcome_day_stale", "outcome_day", columns, sqlite_where=stale, postgresql_where=stale)
    op.add_column("outcome", sa.Column("method", sa.String(length=64), nullable=True))
    op.create_table(
        "outcome_upkeep",
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_WHOSE, "subject", "label")),
        sa.Column("who", sa.LargeBinary(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("closed_day", sa.Integer(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(*_WHOSE, "subject", "label"),
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("outcome_upkeep_due", "outcome_upkeep", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "patient_zone",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _WHOSE),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*_WHOSE),
    )
    op.create_table(
        "alert_state",
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_WHOSE, "rule")),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(*_WHOSE, "rule"),
    )


def downgrade() -> None:
    for table in ("alert_state", "patient_zone", "outcome_upkeep"):
        op.drop_table(table)
    op.drop_column("outcome", "method")
    op.drop_index("outcome_day_stale", "outcome_day")
    op.drop_column("outcome_day", "readings")
    op.drop_column("outcome_day", "stale")
