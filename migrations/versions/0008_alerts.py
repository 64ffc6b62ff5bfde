"""Alerts that were told, with the time of the readings that each rests on"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("tenant", "patient", "event")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first", "last")),
        *(sa.Column(name, sa.String(length=36), nullable=False) for name in ("message_id", "origin_id")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version"),
    )
    op.create_index("alert_patient", "alert", ["tenant", "patient", "last"])


def downgrade() -> None:
    op.drop_table("alert")
