"""Shards and leases: what several engines on one journal need to share the work"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("message", "delivery"):
        op.add_column(table, sa.Column("shard", sa.SmallInteger(), server_default="0", nullable=False))
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("lease")
    for table in ("delivery", "message"):
        op.drop_column(table, "shard")
