"""The journal's one writer: a thread that puts whatever waits into one transaction (group commit).

Callers on the event loop hand in requests; the thread runs them in order inside one `BEGIN IMMEDIATE … COMMIT`
and answers them all after the commit. So the price of making things durable is shared by everybody who arrived
while the last commit was under way.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, Executable

from engine.journal import statements
from engine.journal.errors import journal_error
from engine.model.errors import Unavailable

T = TypeVar("T")

_MOST_REQUESTS = 1000
_SESSION_LIMIT_SECONDS = 60.0


class _Request(Protocol):
    future: "asyncio.Future[Any]"
    result: Any

    def run(self, connection: Connection) -> None: ...


class _Call:
    """One function to run inside the shared transaction."""

    def __init__(self, function: Callable[[Connection], Any], future: "asyncio.Future[Any]") -> None:
        self._function = function
        self.future = future
        self.result: Any = None

    def run(self, connection: Connection) -> None:
        self.result = self._function(connection)


class _Session:
    """A stretch of the transaction that a coroutine drives step by step; nothing else is written meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._steps: queue.SimpleQueue[tuple[Callable[[Connection], Any], asyncio.Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self.future: asyncio.Future[Any] = loop.create_future()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.result: Any = None
        self.abandoned = False

    def run(self, connection: Connection) -> None:
        """On the writer's thread: serve the coroutine until it ends the session."""
        if self.abandoned:
            return
        connection.exec_driver_sql("SAVEPOINT session")
        self._tell(self.opened, None)
        try:
            while (step := self._steps.get(timeout=_SESSION_LIMIT_SECONDS)) is not None:
                function, future = step
                try:
                    self._tell(future, function(connection))
                except Exception as error:  # noqa: BLE001 - it belongs to the coroutine, which decides
                    self._tell(future, journal_error(error), failed=True)
        except queue.Empty:
            self.abandoned = True
        if self.abandoned:
            connection.exec_driver_sql("ROLLBACK TO session")
        connection.exec_driver_sql("RELEASE session")

    async def step(self, function: Callable[[Connection], T]) -> T:
        """On the loop: run one function on the transaction's connection."""
        if self.abandoned:
            raise Unavailable("the transaction was given up because it took too long", code="transaction-timeout")
        future: asyncio.Future[T] = self._loop.create_future()
        self._steps.put((function, future))
        return await future

    def end(self, *, commit: bool) -> None:
        self.abandoned = self.abandoned or not commit
        self._steps.put(None)

    def _tell(self, future: "asyncio.Future[Any]", value: Any, *, failed: bool = False) -> None:
        self._loop.call_soon_threadsafe(_resolve, future, value, failed)


def _resolve(future: "asyncio.Future[Any]", value: Any, failed: bool) -> None:
    if not future.done():
        if failed:
            future.set_exception(value)
        else:
            future.set_result(value)


class GroupCommit:
    """Owns the thread and its connection. `call` and `session` are for the event loop that opened it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Everything handed in is committed first. Safe twice."""
        if self._thread is not None:
            self._requests.put(None)
            thread, self._thread = self._thread, None
            await asyncio.to_thread(thread.join)

    async def call(self, function: Callable[[Connection], T]) -> T:
        """Run `function` inside the next shared transaction; returns after its commit. Raises Unavailable."""
        future: asyncio.Future[T] = self._running().create_future()
        self._requests.put(_Call(function, future))
        return await future

    @asynccontextmanager
    async def session(self) -> AsyncIterator["SessionTransaction"]:
        """A transaction driven by the caller; committed when the block ends, undone when it raises."""
        session = _Session(self._running())
        self._requests.put(session)
        try:
            await session.opened
            yield SessionTransaction(session)
        except BaseException:
            session.end(commit=False)
            raise
        session.end(commit=True)
        await session.future
        if session.abandoned:
            raise Unavailable("the transaction was given up because it took too long", code="transaction-timeout")

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._thread is None:
            raise Unavailable("the journal is not open", code="journal-closed")
        return self._loop

    def _run(self) -> None:
        request = self._requests.get()
        while request is not None:
            batch = [request]
            # A session is committed by itself: if something else failed, its steps could not be run again.
            while not isinstance(request, _Session) and len(batch) < _MOST_REQUESTS and not self._requests.empty():
                request = self._requests.get()
                if request is None or isinstance(request, _Session):
                    break
                batch.append(request)
            self._commit(batch)
            if request is not None:
                if request is not batch[-1]:
                    self._commit([request])
                request = self._requests.get()
        self._disconnect()
        self._engine.dispose()

    def _commit(self, batch: list[_Request]) -> None:
        failure = self._try(batch)
        if failure is None:
            self._answer([(request, request.result, False) for request in batch])
        elif len(batch) == 1 or isinstance(journal_error(failure), Unavailable):
            self._answer([(request, journal_error(failure), True) for request in batch])
        else:  # one request is at fault: each by itself, so that the others are not harmed
            for request in batch:
                self._commit([request])

    def _try(self, batch: list[_Request]) -> Exception | None:
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            for request in batch:
                request.run(self._connection)
            self._connection.exec_driver_sql("COMMIT")
        except Exception as error:  # noqa: BLE001 - handed to the callers, none is lost
            self._disconnect()  # which undoes what was not committed
            return error
        return None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _answer(self, answers: list[tuple[_Request, Any, bool]]) -> None:
        def resolve_all() -> None:
            for request, value, failed in answers:
                if isinstance(request, _Session) and failed:
                    _resolve(request.opened, value, True)
                    _consume(request.opened)
                _resolve(request.future, value, failed)
                if isinstance(request, _Session):
                    _consume(request.future)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(resolve_all)


def _consume(future: "asyncio.Future[Any]") -> None:
    """A session whose coroutine has left already has nobody to look at its future."""
    if future.done() and not future.cancelled():
        future.exception()


class SessionTransaction:
    """`engine.contracts.journal.OutcomeTransaction` on the writer's thread."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]:
        def run(connection: Connection) -> Sequence[Any]:
            result = connection.execute(statement, [dict(p) for p in parameters] if parameters is not None else None)
            return result.fetchall() if result.returns_rows else ()

        return await self._session.step(run)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        await self._session.step(lambda connection: connection.exec_driver_sql("SAVEPOINT part") and None)
        try:
            yield
        except BaseException:
            await self._session.step(lambda connection: connection.exec_driver_sql("ROLLBACK TO part") and None)
            await self._session.step(lambda connection: connection.exec_driver_sql("RELEASE part") and None)
            raise
        await self._session.step(lambda connection: connection.exec_driver_sql("RELEASE part") and None)

    async def commit_outcomes(self, outcomes: Sequence[Any]) -> Sequence[str]:
        return await self._session.step(lambda connection: statements.commit_outcomes(connection, outcomes))
