"""PostgreSQL: types for the rows that a statement is given, many to one parameter"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_FAILURE = "code text, path text, text text, detail text, fingerprint text"
_TYPES = {
    "new_message": "id text, channel text, tenant text, origin_id text, parent_id text, shape text, body bytea, "
    "meta text, source_key text, order_key text, shard smallint, lane text, received_at bigint, state text, "
    f"state_at bigint, reason text, duplicate_of text, control_id text, {_FAILURE}",
    "new_source_key": "channel text, key text, digest bytea, message_id text",
    "message_outcome": "id text, state text, state_at bigint, attempts integer, fanout integer, reason text, "
    f"tally text, {_FAILURE}",
    "new_delivery": "id text, message_id text, origin_id text, channel text, destination text, shape text, body bytea, "
    "meta text, order_key text, shard smallint, lane text, made_at bigint, state text, state_at bigint",
    "delivery_outcome": "id text, state text, state_at bigint, attempts integer, due_at bigint, answer_code text, "
    f"answer_location text, answer_existing boolean, answer_detail text, {_FAILURE}",
    "new_attempt": "delivery_id text, number integer, at bigint, code text, text text, detail text",
}


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for name, fields in _TYPES.items():
            op.execute(f"CREATE TYPE {name} AS ({fields})")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for name in _TYPES:
            op.execute(f"DROP TYPE {name}")
