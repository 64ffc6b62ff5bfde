"""The road: live before batch, one delivery of a key under way over both lanes, order within a lane, nothing lost."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from engine.contracts.journal import PendingDelivery
from engine.model.lane import LANE, Lane, lane_of
from engine.runtime.lanes import Waiting
from engine.runtime.road import Road
from engine.testing.builders import a_delivery

LIVE, BATCH = Lane.LIVE, Lane.BATCH
LIMIT = 3


def waiting(name: str, lane: Lane, key: str | None = None) -> Waiting:
    return Waiting(PendingDelivery(a_delivery(order_key=key, id_=name, meta={LANE: lane})), lambda: None)


def names(taken: list[Waiting]) -> list[str]:
    return [one.id for one in taken]


def test_one_that_is_live_overtakes_all_that_waits_in_the_batch_lane() -> None:
    road = Road(in_order=True)
    for number in range(50):
        road.add(waiting(f"b{number}", BATCH, f"P{number}"))
    road.add(waiting("now", LIVE, "P51"))
    assert names(road.take(1, 0.0)) == ["now"]
    assert names(road.take(2, 0.0)) == ["b0", "b1"]


def test_batch_goes_now_and_then_while_live_never_ends() -> None:
    road = Road(in_order=True)
    road.add(waiting("batch", BATCH))
    for number in range(20):
        road.add(waiting(f"l{number}", LIVE))
    went = [names(road.take(1, 0.0))[0] for _ in range(12)]
    assert went.index("batch") == 8


def test_of_one_key_what_is_live_goes_after_what_is_under_way_and_before_what_waits() -> None:
    road = Road(in_order=True)
    for name in ("b1", "b2"):
        road.add(waiting(name, BATCH, "P"))
    (first,) = road.take(5, 0.0)
    road.add(waiting("now", LIVE, "P"))
    assert road.take(5, 0.0) == []
    road.done(first)
    (now,) = road.take(5, 0.0)
    assert now.id == "now"
    road.done(now)
    assert names(road.take(5, 0.0)) == ["b2"]


def test_what_is_live_does_not_overtake_one_of_its_key_that_waits_for_its_next_attempt() -> None:
    road = Road(in_order=True)
    road.add(waiting("b1", BATCH, "P"))
    (first,) = road.take(1, 0.0)
    road.rest(first, 10.0)
    road.add(waiting("now", LIVE, "P"))
    road.add(waiting("other", LIVE, "Q"))
    assert names(road.take(5, 1.0)) == ["other"]
    assert names(road.take(5, 10.0)) == ["b1"]
    road.done(first)
    assert names(road.take(5, 10.0)) == ["now"]


def test_nor_after_a_restart() -> None:
    road = Road(in_order=True)
    road.add(waiting("b1", BATCH, "P"), rest_until=10.0)
    road.add(waiting("now", LIVE, "P"))
    assert road.take(5, 1.0) == []
    assert names(road.take(5, 10.0)) == ["b1"]


@dataclass
class World:
    """A road with the journal that its lanes overflow into."""

    road: Road = field(default_factory=lambda: Road(in_order=True, lane_limit=LIMIT))
    made: list[tuple[str, Lane, str | None]] = field(default_factory=list)
    stored: dict[str, PendingDelivery] = field(default_factory=dict)
    in_hands: list[Waiting] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    now: float = 0.0

    def add(self, lane: Lane, key: str | None) -> None:
        one = waiting(f"{len(self.made):06d}", lane, key)
        self.made.append((one.id, lane, key))
        self.stored[one.id] = one.pending
        self.road.add(one)

    def take(self, most: int) -> None:
        self.in_hands += self.road.take(most, self.now)
        keys = [one.pending.delivery.order_key or one.id for one in self.in_hands]
        assert len(keys) == len(set(keys)), "one key in two hands"

    def finish(self) -> None:
        one = self.in_hands.pop(0)
        del self.stored[one.id]
        self.finished.append(one.id)
        lane = lane_of(one.pending.delivery.meta)
        key = self.road.done(one)
        while key is not None:
            rest = [
                item
                for _, item in sorted(self.stored.items())
                if item.delivery.order_key == key and lane_of(item.delivery.meta) is lane
            ][:LIMIT]
            more = [Waiting(item, lambda: None) for item in rest]
            key = self.road.refill(lane, key, more, None, more_to_come=len(more) == LIMIT)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.tuples(st.sampled_from(Lane), st.sampled_from(["A", "B", None]))),
        st.tuples(st.just("take"), st.integers(1, 3)),
        st.tuples(st.just("finish"), st.none()),
        st.tuples(st.just("fail"), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.integers(1, 5)),
    ),
    max_size=80,
)


@given(ACTIONS)
def test_no_key_in_two_hands_order_kept_within_a_lane_and_nothing_lost(actions: list[tuple[str, object]]) -> None:
    world = World()
    for name, value in actions:
        if name == "add":
            world.add(*value)  # type: ignore[misc]
        elif name == "take":
            world.take(value)  # type: ignore[arg-type]
        elif name == "wait":
            world.now += value  # type: ignore[operator]
        elif world.in_hands and name == "finish":
            world.finish()
        elif world.in_hands:
            world.road.rest(world.in_hands.pop(0), world.now + value)  # type: ignore[operator]
    while world.stored:
        world.now += 10
        world.take(5)
        assert world.in_hands, "something is stored, but nothing may go"
        world.finish()
    assert len(world.road) == 0
    for lane in Lane:
        for key in ("A", "B"):
            expected = [id_ for id_, its, of in world.made if its is lane and of == key]
            assert [id_ for id_ in world.finished if id_ in expected] == expected


def test_the_road_knows_what_the_bodies_of_each_lane_weigh() -> None:
    road = Road(in_order=True)
    for number, lane in enumerate((BATCH, BATCH, LIVE)):
        delivery = a_delivery(b"x" * 10, order_key=f"P{number}", meta={LANE: lane})
        road.add(Waiting(PendingDelivery(delivery), lambda: None))
    assert (road.bytes_of(BATCH), road.bytes_of(LIVE)) == (20, 10)
    for one in road.take(3, 0.0):
        road.done(one)
    assert road.bytes_of(BATCH) == road.bytes_of(LIVE) == 0
