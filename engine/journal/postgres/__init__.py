"""The journal on PostgreSQL, for several engines at once."""

from engine.journal.postgres.journal import PostgresJournal

__all__ = ["PostgresJournal"]
