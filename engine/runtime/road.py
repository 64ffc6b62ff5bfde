"""The road to one destination: two lanes of deliveries, live and batch, each with its order per key.

What is live goes first, with a place for batch now and then (`runtime.turns`). A key has one delivery under way at a
time over both lanes, also while that one waits for its next attempt; so what is live overtakes what waits in the
batch lane, and never what has been begun. Pure bookkeeping, as `runtime.lanes`.
"""

from collections.abc import Sequence

from engine.model.lane import Lane
from engine.runtime.lanes import Lanes, Waiting
from engine.runtime.turns import Preference


class Road:
    """Two `Lanes` that know of each other."""

    def __init__(self, *, in_order: bool, lane_limit: int = 200) -> None:
        self._lanes = {lane: Lanes(in_order=in_order, lane_limit=lane_limit) for lane in Lane}
        self._begun: dict[str, Lane] = {}
        self._preference = Preference()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def bytes_of(self, lane: Lane) -> int:
        """Of the bodies that are here of one lane."""
        return self._lanes[lane].size

    def add(self, waiting: Waiting, rest_until: float | None = None) -> None:
        """As `Lanes.add`, in its own lane. One that is not due yet has been begun, in an earlier run."""
        lanes = self._of(waiting)
        if rest_until is not None:
            self._begun.setdefault(lanes.key_of(waiting.pending), waiting.lane)
        lanes.add(waiting, rest_until)

    def take(self, most: int, now: float) -> list[Waiting]:
        """Up to `most` deliveries of different keys that may go now."""
        taken: list[Waiting] = []
        for lane in self._preference.order():
            lanes = self._lanes[lane]
            some = lanes.take(most - len(taken), now, lambda key, lane=lane: self._begun.get(key, lane) is not lane)  # type: ignore[misc]
            for one in some:
                self._begun[one.key] = lane
            taken += some
        if taken:
            first = taken[0].lane
            self._preference.went(first, other_waits=self._lanes[_other(first)].has_ready())
        return taken

    def done(self, waiting: Waiting) -> str | None:
        """As `Lanes.done`; the other lane may go on with this key."""
        self._begun.pop(waiting.key, None)
        self._lanes[_other(waiting.lane)].unblock(waiting.key)
        return self._of(waiting).done(waiting)

    def refill(
        self, lane: Lane, order_key: str, more: Sequence[Waiting], rest_until: float | None, *, more_to_come: bool
    ) -> str | None:
        """As `Lanes.refill`."""
        if rest_until is not None:
            self._begun.setdefault(f"k{order_key}", lane)
        return self._lanes[lane].refill(order_key, more, rest_until, more_to_come=more_to_come)

    def room_after(self, waiting: Waiting) -> int:
        """As `Lanes.room_after`."""
        return self._of(waiting).room_after(waiting)

    def rest(self, waiting: Waiting, until: float) -> None:
        """As `Lanes.rest`: its key waits with it, in both lanes."""
        self._of(waiting).rest(waiting, until)

    def next_wake(self) -> float | None:
        """When the next resting delivery is due, if any rests."""
        return min((due for lanes in self._lanes.values() if (due := lanes.next_wake()) is not None), default=None)

    def _of(self, waiting: Waiting) -> Lanes:
        return self._lanes[waiting.lane]


def _other(lane: Lane) -> Lane:
    return Lane.BATCH if lane is Lane.LIVE else Lane.LIVE
