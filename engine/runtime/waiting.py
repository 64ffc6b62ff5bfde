"""The waiting room: messages stay a while before they are processed, so that those of one order key leave in order.

Pure bookkeeping, no I/O, no clock of its own. What waits here is in the journal, in flight, and its ticket is not
acknowledged: after a crash it comes again (laws 2 and 3).
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from engine.contracts.broker import Lease
from engine.model.message import ORDER_AT, Message

T = TypeVar("T")
_MOMENT = timedelta(seconds=1)


def batches(some: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (some[start : start + most] for start in range(0, len(some), most))


class Stay:
    """A lease whose messages wait. It is acknowledged when the last of them has left."""

    def __init__(self, lease: Lease, guests: int) -> None:
        self._lease = lease
        self._left = guests

    async def leave(self) -> None:
        self._left -= 1
        if self._left == 0:
            await self._lease.ack()


class WaitingRoom:
    """Lets each message go `wait_seconds` after it was received, and before it those of the same order key that lie
    before it by `meta["order_at"]`, whose own wait may not be over. What has no order key, or nothing to order it by,
    does not wait. Beyond `most` messages the oldest go early: memory is finite, and nothing is refused.
    """

    def __init__(self, wait_seconds: float, most: int = 2000) -> None:
        self._wait = timedelta(seconds=wait_seconds)
        self._most = most
        self._due: list[tuple[datetime, str]] = []
        self._here: dict[str, tuple[Message, Stay]] = {}
        self._by_key: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._here)

    def enter(self, message: Message, stay: Stay, now: datetime) -> Stay | None:
        """A message that is here already (its ticket came twice) takes the place of itself; the stay it had is given
        back.

        One whose wait is over, as after a restart, stays for a moment: others of the backlog come right behind it.
        """
        if message.id not in self._here:
            due = now
            if message.order_key is not None and ORDER_AT in message.meta:
                # No longer than the wait from now, wherever the wall clock was when it was received.
                due = min(max(message.received_at + self._wait, now + _MOMENT), now + max(self._wait, _MOMENT))
                heapq.heappush(self._by_key[_key(message)], (message.meta[ORDER_AT], message.id))
            heapq.heappush(self._due, (due, message.id))
        before = self._here.get(message.id)
        self._here[message.id] = message, stay
        return before[1] if before else None

    def take(self, now: datetime) -> list[tuple[Message, Stay]]:
        """Those that leave now, in the order in which they must be processed."""
        leaving: list[tuple[Message, Stay]] = []
        while self._due and (self._due[0][0] <= now or len(self._here) > self._most):
            _, id_ = heapq.heappop(self._due)
            if id_ in self._here:
                leaving += self._up_to(id_)
        return leaving

    def seconds_to_wait(self, now: datetime) -> float | None:
        """Until somebody leaves; None if nobody is here."""
        while self._due and self._due[0][1] not in self._here:
            heapq.heappop(self._due)
        return max(0.0, (self._due[0][0] - now).total_seconds()) if self._due else None

    def _up_to(self, id_: str) -> list[tuple[Message, Stay]]:
        """This message, and those of its key that lie before it."""
        message = self._here[id_][0]
        waiting = self._by_key.get(_key(message))
        if not waiting or ORDER_AT not in message.meta:
            return [self._here.pop(id_)]
        gone: list[tuple[Message, Stay]] = []
        last = message.meta[ORDER_AT], id_
        while waiting and waiting[0] <= last:
            gone.append(self._here.pop(heapq.heappop(waiting)[1]))
        if not waiting:
            del self._by_key[_key(message)]
        return gone


def _key(message: Message) -> str:
    return f"{message.tenant}|{message.order_key}"
