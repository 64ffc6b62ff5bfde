"""`engine.contracts.journal.Writer` on PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import Executable, Insert, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.contracts.journal import DeliveryOutcome, ProcessOutcome, Receipt
from engine.journal.errors import journal_error
from engine.journal.postgres import bulk, statements
from engine.journal.postgres.commits import GroupCommits
from engine.journal.postgres.statements import Connection
from engine.journal.recent import Recent
from engine.journal.row_values import KEY_REUSED
from engine.model.delivery import Delivery
from engine.model.message import Message
from engine.model.states import MessageState

T = TypeVar("T")


class PostgresWriter:
    """See `Writer`. `messages` and `deliveries` remember what was just committed for those who work on it next."""

    def __init__(
        self, commits: GroupCommits, engine: AsyncEngine, messages: Recent[Message], deliveries: Recent[Delivery]
    ) -> None:
        self._commits = commits
        self._engine = engine
        self._messages = messages
        self._deliveries = deliveries

    async def accept(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        found, start = await self._commits.call(statements.accept, messages)
        receipts: list[Receipt] = found[start : start + len(messages)]
        self._messages.put(
            (message.id, message.but(meta=KEY_REUSED) if receipt.key_reused else message)
            for message, receipt in zip(messages, receipts, strict=True)
            if receipt.duplicate_of is None
        )
        return receipts

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        connection = await _told(self._engine.connect().start())
        try:
            transaction = await _told(connection.begin())
            # SQLAlchemy begins in earnest at the first statement; ours below must be inside.
            await _told(connection.execute(text("SELECT 1")))
            raw = await connection.get_raw_connection()
            yield PostgresTransaction(connection, raw.driver_connection)
            await _told(transaction.commit())
        finally:
            await connection.close()  # which undoes what was not committed

    async def commit_outcomes(self, outcomes: Sequence[ProcessOutcome]) -> Sequence[str]:
        found, start = await self._commits.call(statements.commit_outcomes, outcomes)
        counted = found[start : start + len(outcomes)]
        self._messages.drop(outcome.message_id for outcome in outcomes)
        for outcome, counts in zip(outcomes, counted, strict=True):
            if counts:
                self._messages.put(
                    (child.message.id, child.message)
                    for child in outcome.children
                    if child.state is MessageState.RECEIVED
                )
                self._deliveries.put((delivery.id, delivery) for delivery in outcome.deliveries)
        return _ids(outcomes, counted)

    async def commit_deliveries(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        await self._commits.call(statements.commit_deliveries, outcomes)
        self._deliveries.drop(outcome.delivery_id for outcome in outcomes)

    async def put_cursor(self, channel: str, name: str, value: str, fence: tuple[str, int] | None = None) -> None:
        await self._alone(lambda connection: statements.put_cursor(connection, channel, name, value, fence))

    async def report_channel(self, channel: str, actual: str, text: str | None = None) -> None:
        await self._alone(lambda connection: statements.set_channel(connection, channel, "actual", actual, text))

    async def command_channel(self, channel: str, wanted: str) -> None:
        await self._alone(lambda connection: statements.set_channel(connection, channel, "wanted", wanted, None))

    async def release(self, message_ids: Sequence[str], delivery_ids: Sequence[str]) -> None:
        await self._alone(lambda connection: statements.release(connection, message_ids, delivery_ids))

    async def add_operation(self, row: Sequence[Any]) -> None:
        await self._alone(lambda connection: statements.add_operation(connection, row))

    async def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        return await self._alone(lambda connection: statements.take_lease(connection, name, holder, seconds))

    async def renew_leases(self, holder: str, seconds: float) -> Sequence[str]:
        return await self._alone(lambda connection: statements.renew_leases(connection, holder, seconds))

    async def drop_lease(self, name: str, holder: str) -> None:
        await self._alone(lambda connection: statements.drop_lease(connection, name, holder))

    async def _alone(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        """Something small that comes seldom."""
        found, start = await self._commits.call(_each, [statement])
        result: T = found[start]
        return result


class PostgresTransaction:
    """`engine.contracts.journal.OutcomeTransaction` on a connection of its own."""

    def __init__(self, connection: AsyncConnection, raw: Any) -> None:
        self._connection = connection
        self._raw = raw

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]:
        if isinstance(statement, Insert) and parameters is not None and bulk.may_be_copied(statement, parameters):
            await _told(bulk.copy(self._raw, cast(Table, statement.table), parameters))
            return ()
        rows = [dict(row) for row in parameters] if parameters is not None else None
        # One set of parameters is a query like any other; many run as one batch and give no rows.
        given = rows[0] if rows is not None and len(rows) == 1 else rows
        result = await _told(self._connection.execute(statement, given))
        return result.fetchall() if result.returns_rows else ()

    async def lock(self, message_ids: Sequence[str]) -> Collection[str]:
        return await _told(statements.lock_messages(self._raw, message_ids))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        inner = await _told(self._connection.begin_nested())
        try:
            yield
        except BaseException:
            await _told(inner.rollback())
            raise
        await _told(inner.commit())

    async def commit_outcomes(self, outcomes: Sequence[ProcessOutcome]) -> Sequence[str]:
        return _ids(outcomes, await _told(statements.commit_outcomes(self._raw, outcomes)))


async def _each(connection: Connection, doing: Sequence[Callable[[Connection], Awaitable[Any]]]) -> list[Any]:
    async with connection.transaction():
        return [await do(connection) for do in doing]


def _ids(outcomes: Sequence[ProcessOutcome], counted: Sequence[bool]) -> list[str]:
    return [outcome.message_id for outcome, counts in zip(outcomes, counted, strict=True) if counts]


async def _told(work: Awaitable[T]) -> T:
    """What the database says is wrong, in the engine's words."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - it belongs to the step, which decides
        raise journal_error(error) from None
