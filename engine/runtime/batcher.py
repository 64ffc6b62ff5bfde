"""Batcher: what many coroutines hand in while one commit runs goes into the next."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """`await add(items)` returns when `commit` has taken them, together with everybody else's."""

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._commit = commit
        self._items: list[T] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._changed = asyncio.Event()
        self._ended = False
        self._spawned: set[asyncio.Task[None]] = set()

    async def add(self, items: Sequence[T]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._items.extend(items)
        self._waiters.append(waiter)
        self._changed.set()
        await waiter

    async def run(self) -> None:
        """Commit batch after batch until `end`."""
        while not self._ended or self._items:
            await self._changed.wait()
            self._changed.clear()
            items, waiters = self._items, self._waiters
            self._items, self._waiters = [], []
            if items:
                await self._commit(items)
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)

    async def end(self) -> None:
        """Let `run` end after the last commit, and wait for what was spawned."""
        self._ended = True
        self._changed.set()
        await asyncio.gather(*self._spawned)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something small beside; kept alive until it is done."""
        task = asyncio.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
