"""Batcher: what many hand in while one commit runs goes into the next."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """Items go to `commit` together with everybody else's; then what their owner wants done is done."""

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._commit = commit
        self._items: list[T] = []
        self._then: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self._ended = False
        self._over = asyncio.Event()
        self._spawned: set[asyncio.Task[None]] = set()

    def add(self, items: Sequence[T], then: Callable[[], None]) -> None:
        """`then` is called when `commit` has taken the items."""
        self._items.extend(items)
        self._then.append(then)
        self._changed.set()

    async def run(self) -> None:
        """Commit batch after batch until `end`."""
        while not self._ended or self._items:
            await self._changed.wait()
            self._changed.clear()
            items, thens = self._items, self._then
            self._items, self._then = [], []
            if items:
                await self._commit(items)
                for then in thens:
                    then()
        self._over.set()

    async def end(self) -> None:
        """Returns after the last commit, when what was spawned is over too."""
        self._ended = True
        self._changed.set()
        await self._over.wait()
        await asyncio.gather(*self._spawned)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something small beside; kept alive until it is done."""
        task = asyncio.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
