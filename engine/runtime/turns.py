"""Turns: two lanes of work, one thing at a time. Who is live goes first; batch gets every ninth turn at least."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.model.lane import Lane

LIVE_IN_A_ROW = 8
"""Live turns before one of batch that waits: live is held up by a ninth of its turns at most, batch never stands."""


class Preference:
    """Which lane goes next where both could. Pure."""

    def __init__(self, most: int = LIVE_IN_A_ROW) -> None:
        self._most = most
        self._in_a_row = 0

    def order(self) -> tuple[Lane, Lane]:
        """The lane to look at first, and the other."""
        return (Lane.BATCH, Lane.LIVE) if self._in_a_row >= self._most else (Lane.LIVE, Lane.BATCH)

    def went(self, lane: Lane, *, other_waits: bool) -> None:
        """One of this lane goes; only turns for which the other has to wait count."""
        self._in_a_row = self._in_a_row + 1 if lane is Lane.LIVE and other_waits else 0


class Turns:
    """A lock with two queues before it. Within a lane it is had in the order of asking."""

    def __init__(self, most: int = LIVE_IN_A_ROW) -> None:
        self._preference = Preference(most)
        self._taken = False
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    @asynccontextmanager
    async def of(self, lane: Lane) -> AsyncIterator[None]:
        await self.take(lane)
        try:
            yield
        finally:
            self.end()

    async def take(self, lane: Lane) -> None:
        """Wait for a turn; `end` ends it."""
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was ours already
                self.end()
            raise

    def end(self) -> None:
        """The turn is over: the next begins."""
        self._taken = False
        for lane in self._preference.order():
            while self._waiting[lane]:
                turn = self._waiting[lane].popleft()
                if not turn.done():
                    self._preference.went(lane, other_waits=self._waits(_other(lane)))
                    self._taken = True
                    turn.set_result(None)
                    return

    def _waits(self, lane: Lane) -> bool:
        return any(not turn.done() for turn in self._waiting[lane])


def _other(lane: Lane) -> Lane:
    return Lane.BATCH if lane is Lane.LIVE else Lane.LIVE
