"""The ledger's tables"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _patient()
    _reading()
    _indexes_of_reading()
    _patient_link()
    _indexes_of_patient_link()
    _reading_source()
    _indexes_of_reading_source()


def downgrade() -> None:
    for table in ("reading_source", "patient_link", "reading", "patient"):
        op.drop_table(table)


def _patient() -> None:
    op.create_table(
        "patient",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )


def _reading() -> None:
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


def _indexes_of_reading() -> None:
    op.create_index("reading_patient", "reading", ["tenant", "patient", "analyte", "effective"])


def _patient_link() -> None:
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


def _indexes_of_patient_link() -> None:
    op.create_index("patient_link_patient", "patient_link", ["tenant", "patient"])


def _reading_source() -> None:
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


def _indexes_of_reading_source() -> None:
    op.create_index(
        "reading_source_identity",
        "reading_source",
        ["identity"],
        unique=True,
        **_where("identity IS NOT NULL"),
    )
    op.create_index(
        "reading_source_moment",
        "reading_source",
        ["same_moment"],
        **_where("same_moment IS NOT NULL"),
    )
    op.create_index("reading_source_reading", "reading_source", ["reading_id"])
    op.create_index(
        "reading_source_same",
        "reading_source",
        ["same_reading"],
        **_where("same_reading IS NOT NULL"),
    )


def _where(condition: str) -> dict[str, Any]:
    """Only the rows for which it holds, in every database that we know."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
