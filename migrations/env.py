"""Alembic's environment: the engine hands over the connection; there is no URL in a file."""

from alembic import context

from engine.journal.tables import metadata as journal_metadata
from ledger.tables import metadata as ledger_metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=[journal_metadata, ledger_metadata],
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
