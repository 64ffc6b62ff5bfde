"""Bringing a store's tables up to date with alembic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.journal.errors import journal_error
from engine.journal.postgres.journal import async_engine
from engine.journal.sqlite import sync_engine
from engine.shipped import shipped


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")).replace("%", "%%"))
    return config


def current_and_newest(engine: Engine) -> tuple[str | None, str | None]:
    """The revision a store has, and the newest there is."""
    with engine.connect() as connection:
        return _revisions(connection)


def _revisions(connection: Connection) -> tuple[str | None, str | None]:
    current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the store to a revision; nothing happens if it is there already."""
    with engine.begin() as connection:
        _upgrade_on(connection, revision)


def _upgrade_on(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def upgrade_sqlite(path: Path) -> None:
    """As `upgrade`, for a SQLite file that may not exist yet."""
    engine = sync_engine(path)
    try:
        upgrade(engine)
    finally:
        engine.dispose()


async def upgrade_postgres(url: str, revision: str = "head") -> None:
    """As `upgrade`, for a PostgreSQL database. Two engines that start together wait for each other.

    Raises Unavailable.
    """
    async with _connection(url) as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(727273)"))
        await connection.run_sync(_upgrade_on, revision)


async def postgres_revisions(url: str) -> tuple[str | None, str | None]:
    """As `current_and_newest`. Raises Unavailable."""
    async with _connection(url) as connection:
        return await connection.run_sync(_revisions)


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction in a database, and nothing left open after it."""
    engine = async_engine(url)
    try:
        async with engine.begin() as connection:
            yield connection
    except Exception as error:
        raised = journal_error(error)
        if raised is error:
            raise
        raise raised from None
    finally:
        await engine.dispose()
