"""`engine.contracts.journal.Journal` on a PostgreSQL database. The tables are there already (`islet db upgrade`)."""

from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.journal.postgres.commits import GroupCommits
from engine.journal.postgres.writer import PostgresWriter
from engine.journal.queries import JournalQueries
from engine.journal.recent import Recent
from engine.model.delivery import Delivery
from engine.model.message import Message

_CONNECT_SECONDS = 10.0
_STATEMENT_SECONDS = 60.0
_SESSIONS = 8
_SERVER_SETTINGS = {
    "application_name": "islet",
    "jit": "off",
    # An engine that sleeps in the middle of a transaction must not keep the others from its rows.
    "idle_in_transaction_session_timeout": "20s",
}


class PostgresJournal:
    """Opens even when the database is away: then its calls raise Unavailable until it is back."""

    def __init__(self, url: str) -> None:
        """`url`: `postgresql://user:password@host:port/database`, `?sslmode=verify-full` for TLS."""
        self._url = url
        self._engine = async_engine(url)
        self._messages: Recent[Message] = Recent(lambda message: message.body)
        self._deliveries: Recent[Delivery] = Recent(lambda delivery: delivery.body)
        self._commits = GroupCommits(self._connect)
        self.writer = PostgresWriter(self._commits, self._engine, self._messages, self._deliveries)
        self.queries = JournalQueries(self._engine, self._messages, self._deliveries)

    def __repr__(self) -> str:
        parts = urlsplit(self._url)  # the password stays out
        return f"<journal on PostgreSQL at {parts.hostname}>"

    @property
    def reader(self) -> AsyncEngine:
        """For queries over tables that are not the journal's own (the ledger's)."""
        return self._engine

    async def open(self) -> None:
        self._commits.open()

    def forget(self) -> None:
        """What is remembered of copies in flight may have been finished by others: it is read again."""
        self._messages.clear()
        self._deliveries.clear()

    async def close(self) -> None:
        await self._commits.close()
        await self._engine.dispose()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(
            self._url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            server_settings=_SERVER_SETTINGS,
        )


def async_engine(url: str) -> AsyncEngine:
    """SQLAlchemy's road to the same database: queries, stateful steps, migrations."""
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1).replace("sslmode=", "ssl="),
        pool_size=_SESSIONS,
        pool_pre_ping=False,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _STATEMENT_SECONDS,
            "server_settings": _SERVER_SETTINGS,
        },
    )
