"""Group commit on PostgreSQL: what arrives while a transaction is under way shares the next one.

Two turns run side by side, each on a connection of its own: one talks to the database while the other waits for its
commit. Requests of one kind go into one statement.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from engine.journal.errors import journal_error
from engine.journal.postgres.statements import Connection
from engine.model.errors import Unavailable

_TURNS: Final = 2
_MOST_REQUESTS: Final = 500
_TRIES: Final = 3
_LOST: Final = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.InternalClientError, OSError)
_AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

Statement = Callable[[Connection, Sequence[Any]], Awaitable[Any]]


class Request:
    """Items for one statement. `share_of` picks this request's part out of the statement's result."""

    def __init__(self, statement: Statement, items: Sequence[Any], future: "asyncio.Future[Any]") -> None:
        self.statement = statement
        self.items = items
        self.future = future
        self.start = 0
        self.result: Any = None


class GroupCommits:
    """For the event loop that opened it. `pool` gives connections."""

    def __init__(self, pool: Callable[[], "asyncpg.Pool[Any]"]) -> None:
        self._pool = pool
        self._waiting: deque[Request] = deque()
        self._something = asyncio.Event()
        self._turns: list[asyncio.Task[None]] = []
        self._ending = False

    def open(self) -> None:
        self._ending = False
        self._turns = [asyncio.create_task(self._run(), name=f"journal-writer-{n}") for n in range(_TURNS)]

    async def close(self) -> None:
        """Everything handed in is committed first, if it can be. Safe twice."""
        self._ending = True
        self._something.set()
        turns, self._turns = self._turns, []
        await asyncio.gather(*turns)

    async def call(self, statement: Statement, items: Sequence[Any]) -> Any:
        """Run `statement(connection, items)` in the next transaction, together with the items of others who call the
        same; returns its result for all of them, and where these items begin, after the commit. Raises Unavailable."""
        if not self._turns:
            raise Unavailable("the journal is not open", code="journal-closed")
        request = Request(statement, items, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._something.set()
        await request.future
        return request.result, request.start

    async def _run(self) -> None:
        while not (self._ending and not self._waiting):
            await self._something.wait()
            await asyncio.sleep(0)  # whom the last commit has woken hands in what it has next
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_REQUESTS))]
            if not self._waiting and not self._ending:
                self._something.clear()
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: Sequence[Request]) -> None:
        try:
            await self._tried(batch)
        except Exception as raised:  # noqa: BLE001 - handed to the callers, none is lost
            error = journal_error(raised)
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for request in batch:  # one of them is at fault: each by itself, so that the others are not harmed
                    await self._commit([request])
                return
            for request in batch:
                if not request.future.done():
                    request.future.set_exception(error)
        else:
            for request in batch:
                if not request.future.done():
                    request.future.set_result(None)

    async def _tried(self, batch: Sequence[Request]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                async with self._transaction() as connection:
                    await self._write(connection, batch)
            except _AGAIN:
                if not left:
                    raise
            else:
                return

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        """On a connection that is alive: one that was lost while nobody looked is replaced, for nothing was done."""
        pool = self._pool()
        for left in reversed(range(_TRIES)):
            connection = await pool.acquire()
            try:
                transaction = connection.transaction()
                try:
                    await transaction.start()
                except _LOST:
                    connection.terminate()
                    if left:
                        continue
                    raise
                try:
                    yield connection
                except BaseException:
                    await _undone(transaction)
                    raise
                await transaction.commit()
            finally:
                await pool.release(connection)
            return

    async def _write(self, connection: Connection, batch: Sequence[Request]) -> None:
        together: dict[Statement, list[Request]] = {}
        for request in batch:
            together.setdefault(request.statement, []).append(request)
        for statement, requests in together.items():
            items: list[Any] = []
            for request in requests:
                request.start = len(items)
                items.extend(request.items)
            result = await statement(connection, items)
            for request in requests:
                request.result = result


async def _undone(transaction: Any) -> None:
    """A connection that is gone has undone everything by itself."""
    with suppress(*_LOST):
        await transaction.rollback()
