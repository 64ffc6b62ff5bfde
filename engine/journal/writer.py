"""The journal's one writer: whatever waits goes into one transaction (group commit).

Callers hand in requests. The writer runs their statements on the event loop, one after the other, inside one
`BEGIN IMMEDIATE … COMMIT`; the commit itself, which waits for the disk, runs on a thread, and what arrives meanwhile
shares the next one. A few short statements cost less than handing them to a thread that has to win the interpreter's
lock from the loop at each of them; what could take longer (large bodies, a store that another program has locked or a
disk that is slow today, the statements of stateful steps) goes to the thread.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine, Executable

from engine.journal import statements
from engine.journal.checkpoints import Checkpoints
from engine.journal.errors import journal_error
from engine.model.errors import Unavailable

T = TypeVar("T")

_MOST_REQUESTS: Final = 1000
_SMALL_BYTES: Final = 1_000_000
_QUICK_SECONDS: Final = 0.02
_SLOW_TURNS: Final = 50
_SESSION_LIMIT_SECONDS: Final = 60.0


class _Call(Generic[T]):
    """One function to run inside the shared transaction."""

    def __init__(self, function: Callable[[Connection], T], size: int, future: "asyncio.Future[T]") -> None:
        self.function = function
        self.size = size
        self.future = future
        self.result: T | None = None


class _Session:
    """A transaction of its own, driven by a coroutine; nothing else is written meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.opened: asyncio.Future[Connection] = loop.create_future()
        self.ended: asyncio.Future[bool] = loop.create_future()
        """True if it is to be committed."""
        self.future: asyncio.Future[None] = loop.create_future()
        self.abandoned = False


class GroupCommit:
    """Owns the connection that writes. For the event loop that opened it.

    `lock_wait_seconds`: how long to wait for another program that has the store locked.
    """

    def __init__(self, engine: Engine, lock_wait_seconds: float = 5.0) -> None:
        assert engine.url.database is not None
        self._engine = engine
        self._checkpoints = Checkpoints(Path(engine.url.database))
        self._lock_wait = lock_wait_seconds
        self._waiting: deque[_Call[Any] | _Session] = deque()
        self._something = asyncio.Event()
        self._thread: ThreadPoolExecutor | None = None
        self._turns: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._slow_turns = 0  # left to be taken on the thread, since the last one took long
        self._ending = False

    def open(self) -> None:
        self._ending = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._turns = asyncio.create_task(self._run(), name="journal-writer")

    async def close(self) -> None:
        """Everything handed in is committed first. Safe twice."""
        if self._turns is not None:
            self._ending = True
            self._something.set()
            turns, self._turns = self._turns, None
            await turns
            await self._checkpoints.close()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    async def call(self, function: Callable[[Connection], T], size: int = 0) -> T:
        """Run `function`, which writes about `size` bytes, inside the next shared transaction; returns after its
        commit. Raises Unavailable."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._hand_in(_Call(function, size, future))
        return await future

    @asynccontextmanager
    async def session(self) -> AsyncIterator["SessionTransaction"]:
        """A transaction driven by the caller; committed when the block ends, undone when it raises."""
        session = _Session(asyncio.get_running_loop())
        self._hand_in(session)
        try:
            yield SessionTransaction(session, await session.opened, self._on_thread)
        except BaseException:
            _resolve(session.ended, False)
            raise
        _resolve(session.ended, True)
        await session.future

    def _hand_in(self, request: _Call[Any] | _Session) -> None:
        if self._turns is None:
            raise Unavailable("the journal is not open", code="journal-closed")
        self._waiting.append(request)
        self._something.set()

    # --- turns: one transaction each

    async def _run(self) -> None:
        while not (self._ending and not self._waiting):
            await self._something.wait()
            # Whom the last commit has woken hands in what it has next, before this turn begins.
            await asyncio.sleep(0)
            if self._checkpoints.to_finish:
                await self._finish_checkpoint()
            if batch := self._take_calls():
                await self._commit(batch)
            elif self._waiting:
                session = self._waiting.popleft()
                assert isinstance(session, _Session)
                await self._serve(session)
            if not self._waiting and not self._ending:
                self._something.clear()
        await self._on_thread(self._disconnect)
        self._engine.dispose()

    def _take_calls(self) -> list[_Call[Any]]:
        batch: list[_Call[Any]] = []
        while self._waiting and len(batch) < _MOST_REQUESTS:
            first = self._waiting[0]
            if isinstance(first, _Session):
                break
            batch.append(first)
            self._waiting.popleft()
        return batch

    async def _commit(self, batch: Sequence[_Call[Any]]) -> None:
        try:
            await self._write(batch)
            await self._on_thread(self._execute, "COMMIT")
        except Exception as raised:  # noqa: BLE001 - handed to the callers, none is lost
            await self._on_thread(self._disconnect)  # which undoes what was not committed
            error = journal_error(raised)
            if len(batch) == 1 or isinstance(error, Unavailable):
                for call in batch:
                    _fail(call.future, error)
            else:  # one of them is at fault: each by itself, so that the others are not harmed
                for call in batch:
                    await self._commit([call])
        else:
            self._checkpoints.committed()
            for call in batch:
                _resolve(call.future, call.result)

    async def _write(self, batch: Sequence[_Call[Any]]) -> None:
        """Everything but the commit."""

        def write() -> None:
            assert self._connection is not None
            for call in batch:
                call.result = call.function(self._connection)

        await self._begin()
        if self._slow_turns or sum(call.size for call in batch) > _SMALL_BYTES:
            self._slow_turns = max(0, self._slow_turns - 1)
            await self._on_thread(write)
            return
        started = time.perf_counter()
        write()
        if time.perf_counter() - started > _QUICK_SECONDS:
            self._slow_turns = _SLOW_TURNS

    async def _serve(self, session: _Session) -> None:
        """Lend the transaction to a coroutine until it has ended the session."""
        try:
            await self._begin()
            assert self._connection is not None
            _resolve(session.opened, self._connection)  # cancelled: its coroutine has ended the session as well
            wanted = await self._outcome_of(session)
            await self._on_thread(self._execute, "COMMIT" if wanted else "ROLLBACK")
        except Exception as raised:  # noqa: BLE001 - handed to the caller
            await self._on_thread(self._disconnect)
            error = journal_error(raised)
            _fail(session.opened, error)
            _fail(session.future, error)
            for future in (session.opened, session.future):
                if future.done() and not future.cancelled():
                    future.exception()  # its coroutine may have left already
        else:
            self._checkpoints.committed()
            _resolve(session.future, None)

    async def _outcome_of(self, session: _Session) -> bool:
        """Is it to be committed? Raises Unavailable when its coroutine takes too long."""
        try:
            async with asyncio.timeout(_SESSION_LIMIT_SECONDS):
                return await session.ended
        except TimeoutError:
            session.abandoned = True
            raise _given_up() from None

    async def _finish_checkpoint(self) -> None:
        """Between two transactions. What goes wrong shows in the next one."""
        self._checkpoints.finished()
        if self._connection is not None:
            with suppress(sqlite3.Error):
                await self._on_thread(self._execute, "PRAGMA wal_checkpoint(PASSIVE)")

    # --- the connection

    async def _begin(self) -> None:
        """Open a transaction; on the thread only if there is a lock to wait for."""
        try:
            self._connect()
            self._execute("BEGIN IMMEDIATE")
        except Exception as error:
            if not _is_locked(error):
                raise
            await self._on_thread(self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._connect()
        self._execute(f"PRAGMA busy_timeout = {int(self._lock_wait * 1000)}")
        try:
            self._execute("BEGIN IMMEDIATE")
        finally:
            self._execute("PRAGMA busy_timeout = 0")

    def _connect(self) -> None:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._execute("PRAGMA busy_timeout = 0")

    def _execute(self, sql: str) -> None:
        assert self._connection is not None
        statements.raw(self._connection).execute(sql)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    async def _on_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        assert self._thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _resolve(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _is_locked(error: Exception) -> bool:
    cause = getattr(error, "orig", error)
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _given_up() -> Unavailable:
    return Unavailable("the transaction was given up because it took too long", code="transaction-timeout")


class SessionTransaction:
    """`engine.contracts.journal.OutcomeTransaction` on the writer's connection."""

    def __init__(
        self, session: _Session, connection: Connection, on_thread: Callable[[Callable[[], Any]], Any]
    ) -> None:
        self._session = session
        self._connection = connection
        self._on_thread = on_thread

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Any]:
        def run() -> Sequence[Any]:
            rows = [dict(row) for row in parameters] if parameters is not None else None
            result = self._connection.execute(statement, rows)
            return result.fetchall() if result.returns_rows else ()

        return await self._step(run)

    async def lock(self, message_ids: Sequence[str]) -> Collection[str]:
        """The writer's transaction is alone: to look is enough."""
        return await self._step(lambda: statements.still_received(self._connection, message_ids))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        await self._step(lambda: self._plain("SAVEPOINT part"))
        try:
            yield
        except BaseException:
            await self._step(lambda: self._plain("ROLLBACK TO part"))
            await self._step(lambda: self._plain("RELEASE part"))
            raise
        await self._step(lambda: self._plain("RELEASE part"))

    async def commit_outcomes(self, outcomes: Sequence[Any]) -> Sequence[str]:
        return await self._step(lambda: statements.commit_outcomes(self._connection, outcomes))

    def _plain(self, sql: str) -> None:
        statements.raw(self._connection).execute(sql)

    async def _step(self, function: Callable[[], T]) -> T:
        if self._session.abandoned:
            raise _given_up()
        try:
            result: T = await self._on_thread(function)
        except Exception as error:  # noqa: BLE001 - it belongs to the step, which decides
            raise journal_error(error) from None
        return result
