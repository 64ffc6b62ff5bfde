"""The ledger's tables"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patient",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "reading",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("analyte", sa.Text(), nullable=False),
        sa.Column("effective", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("matching", sa.Integer(), nullable=False),
        sa.Column("detection", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("road", sa.Text(), nullable=False),
        sa.Column("truth_message_id", sa.String(length=36), nullable=False),
        sa.Column("truth_position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reading", schema=None) as batch_op:
        batch_op.create_index("reading_patient", ["tenant", "patient", "analyte", "effective"], unique=False)

    op.create_table(
        "patient_link",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "patient"],
            ["patient.tenant", "patient.id"],
        ),
        sa.PrimaryKeyConstraint("tenant", "system", "value"),
    )
    with op.batch_alter_table("patient_link", schema=None) as batch_op:
        batch_op.create_index("patient_link_patient", ["tenant", "patient"], unique=False)

    op.create_table(
        "reading_source",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("origin_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reading_id", sa.String(length=36), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=True),
        sa.Column("road", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("identity", sa.LargeBinary(length=16), nullable=True),
        sa.Column("same_moment", sa.LargeBinary(length=16), nullable=True),
        sa.Column("same_reading", sa.LargeBinary(length=16), nullable=True),
        sa.Column("effective", sa.BigInteger(), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("matching", sa.Integer(), nullable=False),
        sa.Column("detection", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amended", sa.Boolean(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reading_id"],
            ["reading.id"],
        ),
        sa.PrimaryKeyConstraint("message_id", "position"),
    )
    with op.batch_alter_table("reading_source", schema=None) as batch_op:
        batch_op.create_index(
            "reading_source_identity",
            ["identity"],
            unique=True,
            sqlite_where=sa.text("identity IS NOT NULL"),
            postgresql_where=sa.text("identity IS NOT NULL"),
        )
        batch_op.create_index(
            "reading_source_moment",
            ["same_moment"],
            unique=False,
            sqlite_where=sa.text("same_moment IS NOT NULL"),
            postgresql_where=sa.text("same_moment IS NOT NULL"),
        )
        batch_op.create_index("reading_source_reading", ["reading_id"], unique=False)
        batch_op.create_index(
            "reading_source_same",
            ["same_reading"],
            unique=False,
            sqlite_where=sa.text("same_reading IS NOT NULL"),
            postgresql_where=sa.text("same_reading IS NOT NULL"),
        )


def downgrade() -> None:
    for name in ("reading_source", "patient_link", "reading", "patient"):
        op.drop_table(name)
