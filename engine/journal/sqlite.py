"""The journal on SQLite: one file, WAL, `synchronous=FULL`, one writer, readers beside it."""

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.contracts.journal import DeliveryOutcome, ProcessOutcome, Receipt
from engine.journal import statements
from engine.journal.checkpoints import LATEST_PAGES
from engine.journal.queries import JournalQueries
from engine.journal.recent import Recent
from engine.journal.row_values import KEY_REUSED
from engine.journal.writer import GroupCommit, SessionTransaction
from engine.model.delivery import Delivery
from engine.model.message import Message
from engine.model.states import MessageState

_WRITER_CACHE_KIB = 16_384
_READER_CACHE_KIB = 4_096
"""Of pages, for each connection: there are several that read, and large bodies fill a cache without ever being asked
for again."""


def _pragmas(connection: Any, _record: Any, *, cache_kib: int) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit that returns survives a power cut; sharing commits makes it cheap
        "busy_timeout = 5000",
        f"wal_autocheckpoint = {LATEST_PAGES}",
        "foreign_keys = ON",
        f"cache_size = -{cache_kib}",
        "temp_store = MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def sync_engine(path: Path) -> Engine:
    """An engine for the writer's thread and for migrations. The file is made readable for its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "cached_statements": 1000})
    event.listen(engine, "connect", partial(_pragmas, cache_kib=_WRITER_CACHE_KIB))
    return engine


class SqliteWriter:
    """`engine.contracts.journal.Writer` on SQLite."""

    def __init__(self, commits: GroupCommit, messages: Recent[Message], deliveries: Recent[Delivery]) -> None:
        self._commits = commits
        self._messages = messages
        self._deliveries = deliveries

    async def accept(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        size = sum(len(message.body) for message in messages)
        receipts = await self._commits.call(partial(statements.accept, messages=messages), size)
        self._messages.put(
            (message.id, message.but(meta=KEY_REUSED) if receipt.key_reused else message)
            for message, receipt in zip(messages, receipts, strict=True)
            if receipt.duplicate_of is None
        )
        return receipts

    def transaction(self) -> AbstractAsyncContextManager[SessionTransaction]:
        return self._commits.session()

    async def commit_outcomes(self, outcomes: Sequence[ProcessOutcome]) -> Sequence[str]:
        size = sum(
            sum(len(child.message.body) for child in outcome.children)
            + sum(len(delivery.body) for delivery in outcome.deliveries)
            for outcome in outcomes
        )
        committed = await self._commits.call(partial(statements.commit_outcomes, outcomes=outcomes), size)
        done = set(committed)
        self._messages.drop(committed)
        for outcome in outcomes:
            if outcome.message_id in done:
                self._messages.put(
                    (child.message.id, child.message)
                    for child in outcome.children
                    if child.state is MessageState.RECEIVED
                )
                self._deliveries.put((delivery.id, delivery) for delivery in outcome.deliveries)
        return committed

    async def commit_deliveries(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        await self._commits.call(partial(statements.commit_deliveries, outcomes=outcomes))
        self._deliveries.drop(outcome.delivery_id for outcome in outcomes)

    async def put_cursor(self, channel: str, name: str, value: str, fence: tuple[str, int] | None = None) -> None:
        await self._commits.call(partial(statements.put_cursor, channel=channel, name=name, value=value, fence=fence))

    async def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        return await self._commits.call(partial(statements.take_lease, name=name, holder=holder, seconds=seconds))

    async def renew_leases(self, holder: str, seconds: float) -> Sequence[str]:
        return await self._commits.call(partial(statements.renew_leases, holder=holder, seconds=seconds))

    async def drop_lease(self, name: str, holder: str) -> None:
        await self._commits.call(partial(statements.drop_lease, name=name, holder=holder))

    async def report_channel(self, channel: str, actual: str, text: str | None = None) -> None:
        await self._commits.call(
            partial(statements.set_channel, channel=channel, column="actual", value=actual, text=text)
        )

    async def command_channel(self, channel: str, wanted: str) -> None:
        await self._commits.call(
            partial(statements.set_channel, channel=channel, column="wanted", value=wanted, text=None)
        )

    async def release(self, message_ids: Sequence[str], delivery_ids: Sequence[str]) -> None:
        await self._commits.call(partial(statements.release, message_ids=message_ids, delivery_ids=delivery_ids))

    async def add_operation(self, row: Sequence[Any]) -> None:
        await self._commits.call(partial(statements.add_operation, row=row))

    async def add_tickets(self, queue: str, tickets: Sequence[str]) -> Sequence[int]:
        return await self._commits.call(partial(statements.add_tickets, queue=queue, tickets=tickets))

    async def remove_tickets(self, numbers: Sequence[int]) -> None:
        await self._commits.call(partial(statements.remove_tickets, numbers=numbers))


class SqliteJournal:
    """`engine.contracts.journal.Journal` on one SQLite file. The tables are there already (`islet db upgrade`)."""

    def __init__(self, path: Path, lock_wait_seconds: float = 5.0) -> None:
        self.path = path
        self._commits = GroupCommit(sync_engine(path), lock_wait_seconds)
        self._reader: AsyncEngine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        event.listen(self._reader.sync_engine, "connect", partial(_pragmas, cache_kib=_READER_CACHE_KIB))
        messages: Recent[Message] = Recent()
        deliveries: Recent[Delivery] = Recent()
        self.writer = SqliteWriter(self._commits, messages, deliveries)
        self.queries = JournalQueries(self._reader, messages, deliveries)

    @property
    def reader(self) -> AsyncEngine:
        """For queries over tables that are not the journal's own (the ledger's)."""
        return self._reader

    @property
    def partitions(self) -> None:
        """One file, plain tables."""

    async def open(self) -> None:
        self._commits.open()

    def forget(self) -> None:
        """One engine owns the file: what it remembers stays true."""

    async def close(self) -> None:
        await self._commits.close()
        await self._reader.dispose()
