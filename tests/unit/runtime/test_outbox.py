"""Tickets of one queue go in the order in which the work was committed, together where they can."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from engine.contracts.broker import Broker, Ticket
from engine.contracts.journal import Queries
from engine.model.errors import Unavailable
from engine.model.ids import new_id
from engine.runtime.outbox import TICKET_SIZE, Outbox, tickets
from engine.runtime.parts import Part, Role
from engine.testing.fakes import MemoryLog

PART = Part(Role.PROCESS, "adt-in")


class Road:
    """A broker whose confirms come when the test says so, and the journal behind it."""

    def __init__(self) -> None:
        self.published: list[tuple[str, tuple[str, ...]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False
        self.in_journal: list[str] = []

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:
        await self.open.wait()
        if self.broken:
            raise Unavailable("away", code="broker-away")
        self.published += [(queue, ticket.ids) for ticket in tickets]

    async def in_flight(self, channel: str, after: str, limit: int, share: Any, lane: Any) -> Sequence[str]:
        assert channel == PART.channel
        return [id_ for id_ in self.in_journal if id_ > after][:limit]


@pytest.fixture
def road() -> Road:
    return Road()


@pytest.fixture
def outbox(road: Road) -> Outbox:
    made = Outbox(cast(Broker, road), cast(Queries, road), MemoryLog())
    made.serve([PART])
    return made


async def test_what_comes_while_tickets_are_on_the_way_goes_in_one_ticket(road: Road, outbox: Outbox) -> None:
    road.open.clear()
    calls = [asyncio.create_task(outbox.hand_on({PART.queue: [id_]})) for id_ in ("1", "2", "3")]
    await asyncio.sleep(0)
    road.open.set()
    await asyncio.gather(*calls)

    assert [ids for _, ids in road.published] == [("1",), ("2", "3")]


async def test_a_call_returns_when_its_own_tickets_are_confirmed(road: Road, outbox: Outbox) -> None:
    road.open.clear()
    first = asyncio.create_task(outbox.hand_on({PART.queue: ["1"]}))
    await asyncio.sleep(0)
    second = asyncio.create_task(outbox.hand_on({PART.queue: ["2"]}))
    await asyncio.sleep(0)
    assert not first.done()
    assert not second.done()

    road.open.set()
    await second
    assert [ids for _, ids in road.published] == [("1",), ("2",)]


async def test_one_queue_does_not_wait_for_another(road: Road, outbox: Outbox) -> None:
    await outbox.hand_on({"b": ["1"], "a": ["2"]})

    assert sorted(road.published) == [("a", ("2",)), ("b", ("1",))]


async def test_many_ids_are_cut_into_tickets(road: Road, outbox: Outbox) -> None:
    ids = [f"{number:04}" for number in range(TICKET_SIZE + 1)]
    await outbox.hand_on({PART.queue: ids})

    assert [len(one) for _, one in road.published] == [TICKET_SIZE, 1]


async def test_a_queue_that_is_behind_is_filled_from_the_journal_before_anything_newer(
    road: Road, outbox: Outbox
) -> None:
    road.broken = True
    road.in_journal = ["1", "2"]
    await outbox.hand_on({PART.queue: ["2"]})
    road.broken = False
    road.in_journal += ["3"]
    await outbox.hand_on({PART.queue: ["3"]})

    assert road.published == [(PART.queue, ("1", "2", "3"))]


async def test_after_a_doubt_the_queue_is_filled_from_the_journal_before_anything_newer(
    road: Road, outbox: Outbox
) -> None:
    road.in_journal = ["1", "2"]
    outbox.doubt([PART])
    await outbox.hand_on({PART.queue: ["2"]})
    await outbox.hand_on({PART.queue: ["3"]})
    assert road.published == [(PART.queue, ("1", "2")), (PART.queue, ("3",))]


async def test_a_doubt_that_comes_while_tickets_are_on_the_way_is_not_forgotten(road: Road, outbox: Outbox) -> None:
    road.open.clear()
    sending = asyncio.create_task(outbox.hand_on({PART.queue: ["2"]}))
    await asyncio.sleep(0)
    outbox.doubt([PART])
    road.open.set()
    await sending
    road.in_journal = ["1", "2"]
    await outbox.catch_up()
    assert road.published == [(PART.queue, ("2",)), (PART.queue, ("1", "2"))]


async def test_catching_up_fills_only_what_is_behind(road: Road, outbox: Outbox) -> None:
    road.in_journal = ["1"]
    await outbox.hand_on({PART.queue: ["1"]})
    await outbox.catch_up()
    assert road.published == [(PART.queue, ("1",))]

    road.broken = True
    await outbox.hand_on({PART.queue: ["2"]})
    road.broken, road.in_journal = False, ["1", "2"]
    await outbox.catch_up()
    await outbox.catch_up()
    assert road.published == [(PART.queue, ("1",)), (PART.queue, ("1", "2"))]


async def test_a_call_that_is_cancelled_takes_nobodys_tickets_with_it(road: Road, outbox: Outbox) -> None:
    road.in_journal = ["1", "2", "3"]
    road.open.clear()
    gone = asyncio.create_task(outbox.hand_on({PART.queue: ["1"]}))
    await asyncio.sleep(0)
    others = [asyncio.create_task(outbox.hand_on({PART.queue: [id_]})) for id_ in ("2", "3")]
    await asyncio.sleep(0)
    gone.cancel()
    road.open.set()
    await asyncio.gather(gone, *others, return_exceptions=True)

    assert road.published == [(PART.queue, ("1", "2", "3"))]  # out of the journal: nobody knows what had arrived


def test_a_ticket_says_which_trace_and_which_attempt_it_is() -> None:
    id_ = new_id()
    first, second = tickets([id_, *(f"{number:032x}" for number in range(TICKET_SIZE))], attempt=1)

    digits = id_.replace("-", "")
    assert first.headers == {"traceparent": f"00-{digits}-{digits[-16:]}-01", "attempt": "1"}
    assert second.headers["traceparent"].split("-")[1] == second.ids[0]


def test_a_ticket_made_anew_from_the_journal_does_not_guess_its_attempt() -> None:
    (ticket,) = tickets([new_id()])

    assert set(ticket.headers) == {"traceparent"}
