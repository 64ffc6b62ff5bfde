"""`engine.contracts.journal.Journal` on a PostgreSQL database. The tables are there already (`islet db upgrade`)."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.journal.postgres.commits import GroupCommits
from engine.journal.postgres.partitions import PostgresPartitions
from engine.journal.postgres.queries import PostgresQueries
from engine.journal.postgres.writer import PostgresWriter
from engine.journal.recent import Recent
from engine.model.delivery import Delivery
from engine.model.errors import Unavailable
from engine.model.message import Message

_CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 60.0
_SESSIONS = 8
_LOOK_AHEAD_SECONDS = 6 * 3600.0
_LOOK_AGAIN_SECONDS = 60.0
_GENERIC_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_nestloop": "off"}
"""For statements that are prepared once: planned anew for their parameters each time, they take up to a third longer,
and the plan is the same. Their tables may be empty then and large soon after, and ten ids may become five hundred: a
plan that reads a whole table, or one side of a join for each row of the other, is never right."""
_SERVER_SETTINGS = {
    "application_name": "islet",
    "jit": "off",
    # An engine that sleeps in the middle of a transaction must not keep the others from its rows.
    "idle_in_transaction_session_timeout": "20s",
}


class PostgresJournal:
    """Opens even when the database is away: then its calls raise Unavailable until it is back."""

    def __init__(
        self, url: str, *, makes_partitions: bool = False, statement_seconds: float = STATEMENT_SECONDS
    ) -> None:
        """`url`: `postgresql://user:password@host:port/database`, `?sslmode=verify-full` for TLS.

        `makes_partitions`: while it is open it makes those of the coming weeks. `statement_seconds`: how long one may
        take.
        """
        self._url = url
        self._makes_partitions = makes_partitions
        self._ahead: asyncio.Task[None] | None = None
        self._pool: asyncpg.Pool[Any] | None = None
        """For what looks after partitions; the writer has connections of its own."""
        self._statement_seconds = statement_seconds
        self._engine = async_engine(url, statement_seconds)
        self._messages: Recent[Message] = Recent()
        self._deliveries: Recent[Delivery] = Recent()
        self._commits = GroupCommits(self._connect)
        self.writer = PostgresWriter(self._commits, self._engine, self._messages, self._deliveries)
        # One statement, one round trip: nothing here reads twice and needs both answers to be of one moment.
        reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self.queries = PostgresQueries(reader, self._messages, self._deliveries, self._commits)
        self.partitions = PostgresPartitions(self._opened)

    def __repr__(self) -> str:
        parts = urlsplit(self._url)  # the password stays out
        return f"<journal on PostgreSQL at {parts.hostname}>"

    @property
    def reader(self) -> AsyncEngine:
        """For queries over tables that are not the journal's own (the ledger's)."""
        return self._engine

    async def open(self) -> None:
        self._pool = asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=2,
            timeout=_CONNECT_SECONDS,
            command_timeout=self._statement_seconds,
            server_settings=_SERVER_SETTINGS,
        )
        await self._pool
        self._commits.open()
        if self._makes_partitions:
            self._ahead = asyncio.create_task(self._look_ahead(), name="journal-partitions")

    def forget(self) -> None:
        """What is remembered of copies in flight may have been finished by others: it is read again."""
        self._messages.clear()
        self._deliveries.clear()

    async def close(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
            self._ahead = None
        await self._commits.close()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()
        await self._engine.dispose()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(
            self._url,
            timeout=_CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings=_SERVER_SETTINGS | _GENERIC_PLANS,
        )

    async def _look_ahead(self) -> None:
        while True:
            wait = _LOOK_AHEAD_SECONDS
            try:
                await self.partitions.make_ahead(datetime.now(UTC))
            except Unavailable:  # no harm: there are weeks of time, and after them the default partition
                wait = _LOOK_AGAIN_SECONDS
            await asyncio.sleep(wait)

    def _opened(self) -> "asyncpg.Pool[Any]":
        if self._pool is None:
            raise Unavailable("the journal is not open", code="journal-closed")
        return self._pool


def async_engine(url: str, statement_seconds: float = STATEMENT_SECONDS) -> AsyncEngine:
    """SQLAlchemy's road to the same database: queries, stateful steps, migrations. The driver itself reads the URL, so
    that both roads understand the same ones."""
    connect = partial(
        asyncpg.connect,
        url,
        timeout=_CONNECT_SECONDS,
        command_timeout=statement_seconds,
        server_settings=_SERVER_SETTINGS,
    )
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_size=_SESSIONS, pool_pre_ping=False)
