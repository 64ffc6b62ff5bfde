"""Bringing a store's tables up to date with alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from engine.journal.sqlite import sync_engine
from engine.shipped import shipped


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")).replace("%", "%%"))
    return config


def current_and_newest(engine: Engine) -> tuple[str | None, str | None]:
    """The revision a store has, and the newest there is."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the store to a revision; nothing happens if it is there already."""
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def upgrade_sqlite(path: Path) -> None:
    """As `upgrade`, for a SQLite file that may not exist yet."""
    engine = sync_engine(path)
    try:
        upgrade(engine)
    finally:
        engine.dispose()
