"""The waiting room: who leaves when, and in which order."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.contracts.broker import Lease, Ticket
from engine.model.message import ORDER_AT, Message
from engine.runtime.waiting import Stay, WaitingRoom
from engine.testing.builders import STANDS_AT, a_message


class CountedLease:
    """Counts its acknowledgements."""

    ticket = Ticket(("m",))
    redelivered = False

    def __init__(self) -> None:
        self.acks = 0

    async def ack(self) -> None:
        self.acks += 1

    async def return_(self) -> None:
        raise AssertionError("nothing is given back here")


def a_stay(lease: Lease | None = None, guests: int = 1) -> Stay:
    return Stay(lease or CountedLease(), guests)


def at(seconds: float) -> datetime:
    return STANDS_AT + timedelta(seconds=seconds)


def message(name: str, received: float, order_at: int | None, patient: str | None = "p1") -> Message:
    meta = {} if order_at is None else {ORDER_AT: f"{order_at:05d}"}
    return a_message(id_=name, received_at=at(received), meta=meta, order_key=patient)


def leaving(room: WaitingRoom, seconds: float) -> list[str]:
    return [one.id for one, _ in room.take(at(seconds))]


def room_of(*messages: Message, wait: float = 30, most: int = 2000) -> WaitingRoom:
    room = WaitingRoom(wait, most)
    for one in messages:
        room.enter(one, a_stay(), one.received_at)
    return room


def test_a_message_waits_its_time_and_no_longer() -> None:
    room = room_of(message("a", 0, 7))
    assert room.seconds_to_wait(at(10)) == 20
    assert leaving(room, 29.9) == []
    assert leaving(room, 30) == ["a"]
    assert (room.seconds_to_wait(at(31)), len(room)) == (None, 0)


def test_an_earlier_one_that_comes_second_goes_first() -> None:
    room = room_of(message("later", 0, 20), message("earlier", 25, 10))
    assert leaving(room, 30) == ["earlier", "later"]


def test_a_later_one_keeps_waiting_for_what_may_come_between() -> None:
    room = room_of(message("first", 0, 10), message("third", 5, 30))
    assert leaving(room, 30) == ["first"]
    room.enter(message("second", 31, 20), a_stay(), at(31))
    assert leaving(room, 35) == ["second", "third"]


def test_a_backlog_is_put_in_order_though_all_of_it_is_due() -> None:
    room = WaitingRoom(30)
    for name, order_at in [("second", 20), ("first", 10)]:
        room.enter(message(name, 0, order_at), a_stay(), at(500))
    assert leaving(room, 500) == []
    assert leaving(room, 501) == ["first", "second"]


def test_patients_do_not_wait_for_each_other() -> None:
    room = room_of(message("a", 0, 20, "p1"), message("b", 1, 10, "p2"))
    assert leaving(room, 30) == ["a"]
    assert leaving(room, 31) == ["b"]


def test_what_cannot_be_ordered_does_not_wait() -> None:
    room = room_of(message("nobody", 0, 10, None), message("no time", 0, None), message("a", 0, 1))
    assert leaving(room, 0) == ["no time", "nobody"]


def test_a_full_room_lets_the_oldest_go_early() -> None:
    room = room_of(*[message(f"{n}", n, n) for n in range(5)], most=3)
    assert leaving(room, 5) == ["0", "1"]
    assert len(room) == 3


def test_a_message_whose_ticket_comes_twice_is_here_once() -> None:
    room = room_of(message("a", 0, 1), message("a", 0, 1))
    assert leaving(room, 30) == ["a"]
    assert leaving(room, 90) == []


async def test_a_lease_is_acknowledged_when_its_last_message_has_left() -> None:
    lease = CountedLease()
    stay = a_stay(lease, 2)
    await stay.leave()
    assert lease.acks == 0
    await stay.leave()
    assert lease.acks == 1


arrivals = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 29), st.sampled_from(["p1", "p2"])), max_size=30)


@given(arrivals)
def test_whatever_comes_within_the_wait_leaves_in_order_and_nothing_is_lost(
    given_arrivals: list[tuple[int, int, str]],
) -> None:
    """Each message was made at `made` and arrives less than the wait after that."""
    coming = sorted(
        (
            message(f"{number:03d}", made + late, made, patient)
            for number, (made, late, patient) in enumerate(given_arrivals)
        ),
        key=lambda one: one.received_at,
    )
    room, left = WaitingRoom(30), []
    for one in coming:
        left += [guest for guest, _ in room.take(one.received_at)]
        room.enter(one, a_stay(), one.received_at)
    left += [guest for guest, _ in room.take(at(1000))]
    assert sorted(one.id for one in left) == sorted(one.id for one in coming)
    for patient in ("p1", "p2"):
        times = [one.meta[ORDER_AT] for one in left if one.order_key == patient]
        assert times == sorted(times)
