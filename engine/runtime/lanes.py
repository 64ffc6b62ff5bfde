"""Lanes: which delivery may go next to a destination. Pure bookkeeping, no I/O, no clock of its own.

Deliveries with the same order key form a lane and go one after the other; one that waits for its next attempt keeps
its lane waiting, and only that. Without a key (or when order does not matter) a delivery is a lane of its own. These
are lanes of keys; what is live and what is batch each has its own (`runtime.road`).
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from engine.contracts.journal import PendingDelivery
from engine.model.lane import Lane, lane_of


@dataclass(slots=True)
class Waiting:
    """A delivery in its lane. `settled` is called once it needs nothing more from this process."""

    pending: PendingDelivery
    settled: Callable[[], None]
    failures: int = 0
    key: str = field(default="", init=False)
    """Of its lane; known as soon as it is in one."""
    lane: Lane = field(init=False)
    """Live or batch."""

    def __post_init__(self) -> None:
        self.lane = lane_of(self.pending.delivery.meta)

    @property
    def id(self) -> str:
        return self.pending.delivery.id


@dataclass(slots=True)
class _Lane:
    queue: deque[Waiting] = field(default_factory=deque)
    overflowed: bool = False
    """There is more of it in the journal than here."""
    refilling: bool = False
    size: int = 0
    """Bytes of the bodies in the queue."""


class Lanes:
    """`lane_limit` deliveries and `lane_bytes` of bodies, and always one, are kept here of one lane; the rest stays in
    the journal and is fetched when it is due. So a patient with a thousand large messages costs no more memory."""

    def __init__(self, *, in_order: bool, lane_limit: int = 200, lane_bytes: int = 8_000_000) -> None:
        self._in_order = in_order
        self._limit, self._most_bytes = lane_limit, lane_bytes
        self._lanes: dict[str, _Lane] = {}
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._blocked: set[str] = set()
        self._resting: list[tuple[float, int, str]] = []
        self._number = count()
        self._known: set[str] = set()
        self.size = 0  # bytes of the bodies that are here

    def __len__(self) -> int:
        return len(self._known)

    def key_of(self, pending: PendingDelivery) -> str:
        delivery = pending.delivery
        return f"k{delivery.order_key}" if self._in_order and delivery.order_key is not None else f"d{delivery.id}"

    def add(self, waiting: Waiting, rest_until: float | None = None) -> None:
        """Put a delivery at the end of its lane; `rest_until` (monotonic) if it is not due yet.

        One that is here already, or whose lane is full (it stays in the journal), is settled at once.
        """
        if waiting.id in self._known:
            waiting.settled()
            return
        key = waiting.key = self.key_of(waiting.pending)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            self._wake_later(key, rest_until)
        elif lane.overflowed or lane.refilling or len(lane.queue) >= self._limit or lane.size >= self._most_bytes:
            lane.overflowed = True
            waiting.settled()
            return
        lane.queue.append(waiting)
        self._grow(lane, _size(waiting))
        self._known.add(waiting.id)

    def take(self, most: int, now: float, held: Callable[[str], bool] = lambda _: False) -> list[Waiting]:
        """Up to `most` deliveries of different lanes that may go now. Their lanes wait until `done` or `rest`.

        `held`: is this key in somebody else's hands? Then its lane waits for `unblock`.
        """
        self._wake(now)
        taken: list[Waiting] = []
        while self._ready and len(taken) < most:
            key, _ = self._ready.popitem(last=False)
            if held(key):
                self._blocked.add(key)
            else:
                taken.append(self._lanes[key].queue[0])
        return taken

    def unblock(self, key: str) -> None:
        """The key is in nobody else's hands any more."""
        if key in self._blocked:
            self._blocked.remove(key)
            self._ready[key] = None

    def done(self, waiting: Waiting) -> str | None:
        """The delivery needs nothing more here: its lane goes on.

        Returns the order key of a lane that must be filled from the journal, with `refill`, before it goes on.
        """
        key = waiting.key
        lane = self._lanes[key]
        lane.queue.popleft()
        self._grow(lane, -_size(waiting))
        self._known.discard(waiting.id)
        waiting.settled()
        if lane.queue:
            self._ready[key] = None
            return None
        return self._ask_for_more(key)

    def room_after(self, waiting: Waiting) -> int:
        """How many deliveries to fetch for a lane that ended with this one, as far as the next ones are as large."""
        return max(1, min(self._limit, self._most_bytes // max(1, _size(waiting))))

    def refill(
        self, order_key: str, more: Sequence[Waiting], rest_until: float | None, *, more_to_come: bool
    ) -> str | None:
        """What the journal has of a lane, oldest first; `more_to_come` if that is not all of it.

        Returns the order key again if it must be asked once more: something was added since the journal was asked.
        """
        key = f"k{order_key}"
        lane = self._lanes[key]
        for waiting in more:
            waiting.key = key
        lane.refilling = False
        lane.overflowed = lane.overflowed or more_to_come
        lane.queue.extend(more)
        self._grow(lane, sum(map(_size, more)))
        self._known.update(waiting.id for waiting in more)
        if lane.queue:
            self._wake_later(key, rest_until)
            return None
        return self._ask_for_more(key)

    def _ask_for_more(self, key: str) -> str | None:
        """An empty lane ends, or keeps its place until it is filled: nothing newer may go before what is stored."""
        lane = self._lanes[key]
        if not lane.overflowed:
            del self._lanes[key]
            return None
        lane.overflowed, lane.refilling = False, True
        return key[1:]

    def rest(self, waiting: Waiting, until: float) -> None:
        """The delivery is tried again at `until` (monotonic seconds); its lane waits with it."""
        self._wake_later(waiting.key, until)

    def next_wake(self) -> float | None:
        """When the next resting lane is due, if any rests."""
        return self._resting[0][0] if self._resting else None

    def has_ready(self) -> bool:
        return bool(self._ready)

    def _grow(self, lane: _Lane, size: int) -> None:
        lane.size += size
        self.size += size

    def _wake_later(self, key: str, until: float | None) -> None:
        if until is None:
            self._ready[key] = None
        else:
            heapq.heappush(self._resting, (until, next(self._number), key))

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            _, _, key = heapq.heappop(self._resting)
            self._ready[key] = None


def _size(waiting: Waiting) -> int:
    return len(waiting.pending.delivery.body)
