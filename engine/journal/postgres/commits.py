"""Group commit on PostgreSQL: what is handed in while a statement is under way shares the next one.

Each kind of statement has a lane and a connection of its own: one round trip, one commit for all that wait in it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncpg

from engine.journal.errors import journal_error
from engine.journal.postgres.statements import Connection
from engine.model.errors import Unavailable

_MOST_REQUESTS: Final = 500
_TRIES: Final = 3
_AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

Statement = Callable[[Connection, Sequence[Any]], Awaitable[Any]]
"""Commits its items whole or not at all, by itself. The result is for all items of the call."""
Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]


class Request:
    """Items for one statement; where they begin in it, and its result for all of them."""

    def __init__(self, items: Sequence[Any], future: "asyncio.Future[None]") -> None:
        self.items = items
        self.future = future
        self.start = 0
        self.result: Any = None


class GroupCommits:
    """For the event loop that opened it. `connect` gives new connections."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._lanes: dict[Statement, _Lane] = {}
        self._open = False

    def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        """Everything handed in is committed first, if it can be. Safe twice."""
        self._open = False
        lanes, self._lanes = self._lanes, {}
        await asyncio.gather(*(lane.close() for lane in lanes.values()))

    async def call(self, statement: Statement, items: Sequence[Any]) -> Any:
        """Run `statement(connection, items)`, together with the items of others who call the same; returns its result
        for all of them, and where these items begin, after the commit. Raises Unavailable."""
        if not self._open:
            raise Unavailable("the journal is not open", code="journal-closed")
        lane = self._lanes.get(statement)
        if lane is None:
            lane = self._lanes[statement] = _Lane(statement, self._connect)
        request = Request(items, asyncio.get_running_loop().create_future())
        lane.add(request)
        await request.future
        return request.result, request.start


class _Lane:
    """One kind of statement, one connection, one statement at a time."""

    def __init__(self, statement: Statement, connect: Connect) -> None:
        self._statement = statement
        self._connect = connect
        self._connection: asyncpg.Connection[Any] | None = None
        self._waiting: deque[Request] = deque()
        self._something = asyncio.Event()
        self._ending = False
        self._running = asyncio.create_task(self._run(), name=f"journal-{getattr(statement, '__name__', 'statement')}")

    def add(self, request: Request) -> None:
        self._waiting.append(request)
        self._something.set()

    async def close(self) -> None:
        self._ending = True
        self._something.set()
        await self._running
        if self._connection is not None:
            await self._connection.close(timeout=2)

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
        items: list[Any] = []
        for request in batch:
            request.start = len(items)
            items.extend(request.items)
        for left in reversed(range(_TRIES)):
            connection = await self._connected()
            try:
                result = await self._statement(connection, items)
            except _AGAIN:
                if not left:
                    raise
            except asyncpg.InternalServerError:
                # Such as a type that was dropped and made again: this connection knows the old one for ever.
                connection.terminate()
                raise
            else:
                break
        for request in batch:
            request.result = result

    async def _connected(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection
