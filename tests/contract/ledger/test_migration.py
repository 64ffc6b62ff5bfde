"""The migration makes the ledger that the code expects, and can be taken back."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect

from engine.journal.migrate import upgrade
from engine.journal.sqlite import sync_engine
from engine.shipped import shipped
from ledger import outcome_tables
from ledger.tables import metadata


def ledger_only(name: str | None, kind: str, parents: object) -> bool:
    return kind != "table" or name in metadata.tables


def differences(connection: Connection, expected: MetaData) -> list[object]:
    context = MigrationContext.configure(connection, opts={"include_name": ledger_only, "compare_type": True})
    return list(compare_metadata(context, expected))


def test_a_migrated_store_has_exactly_the_ledgers_tables(tmp_path: Path) -> None:
    engine = sync_engine(tmp_path / "islet.db")
    upgrade(engine)
    with engine.connect() as connection:
        assert outcome_tables.outcome.name in metadata.tables
        assert differences(connection, metadata) == []
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
    engine.dispose()


def test_the_migration_can_be_taken_back(tmp_path: Path) -> None:
    engine = sync_engine(tmp_path / "islet.db")
    upgrade(engine)
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        left = set(inspect(connection).get_table_names())
    assert not left & set(metadata.tables)
    assert "message" in left
    engine.dispose()
