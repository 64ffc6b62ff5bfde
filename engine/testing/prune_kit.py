"""Pruning as tests, for every journal. Subclass `PruneContract` and give the fixture `journal`, open and empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import delete, select

from engine.contracts.journal import Child, DeliveryOutcome, Failure, Journal, ProcessOutcome, Receipt
from engine.journal import outlook, tables
from engine.model.delivery import Delivery
from engine.model.message import Message, Shape
from engine.model.outcome import Answer
from engine.model.retention import DAY, Retention
from engine.model.states import DeliveryState, MessageState
from engine.runtime.audit import books
from engine.runtime.prune import Pruned, PrunePlan, perform_prune, plan_prune
from engine.testing.builders import STANDS_AT, a_message, an_id
from engine.testing.fakes import ManualClock

KEPT: Final = {"test": Retention(30 * DAY, 400 * DAY), "brief": Retention(7 * DAY, 40 * DAY)}
FAILURE: Final = Failure("away", "it was away", None, "CANARY: what the peer said", "0123456789ab")


@dataclass(frozen=True, slots=True)
class Family:
    """A message, what it became in a second channel, and two deliveries, of which one was tried twice."""

    message: Message
    child: Message
    first: Delivery
    second: Delivery

    @property
    def ids(self) -> dict[str, list[str]]:
        return {"message": [self.message.id, self.child.id], "delivery": [self.first.id, self.second.id]}


async def a_family(
    journal: Journal,
    days_old: float,
    *,
    channels: tuple[str, str] = ("test", "test"),
    ends: DeliveryState = DeliveryState.SENT,
    child_days_old: float | None = None,
) -> Family:
    """Through, but for the second delivery, which ends as told."""
    made = STANDS_AT - timedelta(days=days_old)
    later = made if child_days_old is None else STANDS_AT - timedelta(days=child_days_old)
    id_ = an_id(made)
    message = a_message(
        b"CANARY body",
        channel=channels[0],
        id_=id_,
        received_at=made,
        source_key=f"S|{id_}",
        order_key="P1",
        meta={"control_id": "M1"},
    )
    child = replace(message.child(channels[1], message, later), id=an_id(later))
    deliveries = [
        Delivery(an_id(later), of.id, message.id, of.channel, "out", Shape.BYTES, b"CANARY out")
        for of in (message, child)
    ]
    await journal.writer.accept([message])
    await journal.writer.commit_outcomes(
        [ProcessOutcome(message.id, MessageState.TRANSFORMED, children=[Child(child)], deliveries=deliveries[:1])]
    )
    await journal.writer.commit_outcomes(
        [ProcessOutcome(child.id, MessageState.TRANSFORMED, deliveries=deliveries[1:])]
    )
    answer = Answer("AA", detail="CANARY answer")
    first, second = (delivery.id for delivery in deliveries)
    await journal.writer.commit_deliveries(
        [
            DeliveryOutcome(first, DeliveryState.SENT, 1, answer),
            DeliveryOutcome(second, DeliveryState.RETRY, 1, failure=FAILURE),
        ]
    )
    if ends is not DeliveryState.RETRY:
        last = (
            DeliveryOutcome(second, ends, 2, answer)
            if ends is DeliveryState.SENT
            else DeliveryOutcome(second, ends, 2, failure=FAILURE)
        )
        await journal.writer.commit_deliveries([last])
    return Family(message, child, *deliveries)


async def rows_of(journal: Journal, family: Family) -> list[Mapping[str, Any]]:
    """The rows of it that are there, messages first."""
    rows = [await journal.queries.row(table, id_) for table, ids in family.ids.items() for id_ in ids]
    return [row for row in rows if row is not None]


async def planned(journal: Journal, kept: Mapping[str, Retention] = KEPT) -> PrunePlan:
    return await plan_prune(journal, kept, STANDS_AT)


async def prune(journal: Journal, kept: Mapping[str, Retention] = KEPT) -> Pruned:
    return await perform_prune(journal, await planned(journal, kept), ManualClock())


async def everything(journal: Journal) -> Sequence[Any]:
    """All that is stored of messages, as it is."""
    found: list[Any] = []
    for table in (tables.message, tables.delivery, tables.attempt, tables.source_key):
        found += [tuple(row) for row in await journal.queries.all(select(table).order_by(*table.primary_key))]
    return found


class PruneContract:
    """What pruning promises on every journal."""

    async def test_a_body_whose_time_is_up_is_emptied_with_what_peers_said_and_marked(self, journal: Journal) -> None:
        old, young = await a_family(journal, 31), await a_family(journal, 29)
        assert await prune(journal) == Pruned(bodies=4)
        for row in await rows_of(journal, old):
            assert (bytes(row["body"]), row["detail"], row.get("answer_detail")) == (b"", None, None)
            assert row["pruned_at"] is not None
            assert row["meta"] != "", "what is known of it stays"
        assert all(row["body"] and row["pruned_at"] is None for row in await rows_of(journal, young))
        c = tables.attempt.c
        details = dict(await journal.queries.all(select(c.delivery_id, c.detail)))
        assert details == {old.second.id: None, young.second.id: FAILURE.detail}

    async def test_each_channels_copies_have_their_own_time(self, journal: Journal) -> None:
        family = await a_family(journal, 10, channels=("test", "brief"))
        await prune(journal)
        message, child, first, second = await rows_of(journal, family)
        assert (message["pruned_at"], first["pruned_at"]) == (None, None)
        assert b"" == bytes(child["body"]) == bytes(second["body"])

    async def test_a_family_goes_whole_with_its_keys_and_attempts_and_the_books_balance(self, journal: Journal) -> None:
        old, young = await a_family(journal, 401), await a_family(journal, 399)
        before = await books(journal.queries)
        assert before.balance
        assert await prune(journal) == Pruned(bodies=8, messages=2, deliveries=2)
        assert await rows_of(journal, old) == []
        assert len(await rows_of(journal, young)) == 4
        after = await books(journal.queries)
        assert after.balance
        assert after.pruned == 4
        assert (after.received, after.multiplied) == (before.received, before.multiplied) == (2, 2)
        assert (after.copies, after.channels) == (before.copies, before.channels)
        keys = await journal.queries.all(select(tables.source_key.c.message_id))
        assert [row[0] for row in keys] == [young.message.id]
        attempts = await journal.queries.all(select(tables.attempt.c.delivery_id))
        assert [row[0] for row in attempts] == [young.second.id]
        again = a_message(b"CANARY body", source_key=old.message.source_key)
        assert await journal.writer.accept([again]) == [Receipt(again.id)], "its key has gone with it"

    async def test_what_waits_keeps_its_whole_family_until_it_is_handled(self, journal: Journal) -> None:
        """Broken on purpose once: looking at the family's messages and not at its deliveries."""
        waiting = [
            await a_family(journal, 500, ends=state)
            for state in DeliveryState
            if state is not DeliveryState.SENT and state is not DeliveryState.QUEUED
        ]
        in_flight = a_message(b"CANARY body", id_=an_id(STANDS_AT - timedelta(days=500)))
        await journal.writer.accept([in_flight])
        before = await everything(journal)
        assert await prune(journal) == Pruned()
        assert await everything(journal) == before
        handled = waiting[1]
        await journal.writer.release([], [handled.second.id])
        assert await prune(journal) == Pruned()
        await journal.writer.commit_deliveries(
            [DeliveryOutcome(handled.second.id, DeliveryState.SENT, 1, Answer("AA"))]
        )
        assert await prune(journal) == Pruned(bodies=4, messages=2, deliveries=2)
        assert (await books(journal.queries)).balance

    async def test_a_message_that_is_held_itself_keeps_what_it_was_made_from(self, journal: Journal) -> None:
        made = STANDS_AT - timedelta(days=500)
        message = a_message(b"CANARY body", id_=an_id(made))
        part = replace(message.child("test", message, made), id=an_id(made))
        await journal.writer.accept([message])
        outcome = ProcessOutcome(
            message.id, MessageState.TRANSFORMED, children=[Child(part, MessageState.REVIEW, FAILURE)]
        )
        await journal.writer.commit_outcomes([outcome])
        before = await everything(journal)
        assert await prune(journal) == Pruned()
        assert await everything(journal) == before

    async def test_a_family_stays_while_one_of_it_has_time_left(self, journal: Journal) -> None:
        """So no copy loses the message that it was made from, and the way from a result to what came in stays."""
        mixed = await a_family(journal, 100, channels=("brief", "test"))
        late = await a_family(journal, 450, child_days_old=399)
        brief = await a_family(journal, 41, channels=("brief", "brief"))
        assert await prune(journal) == Pruned(bodies=12, messages=2, deliveries=2)
        assert [len(await rows_of(journal, family)) for family in (mixed, late, brief)] == [4, 4, 0]
        assert (await books(journal.queries)).balance

    async def test_duplicates_and_what_was_filtered_go_by_themselves(self, journal: Journal) -> None:
        made = STANDS_AT - timedelta(days=401)
        first, repeat = (a_message(b"x", id_=an_id(made), received_at=made, source_key="S|1") for _ in range(2))
        await journal.writer.accept([first])
        await journal.writer.accept([repeat])
        await journal.writer.commit_outcomes([ProcessOutcome(first.id, MessageState.FILTERED, reason="r")])
        before = await books(journal.queries)
        assert await prune(journal) == Pruned(bodies=2, messages=2)
        after = await books(journal.queries)
        assert after.balance
        assert after.copies == before.copies

    async def test_channels_that_nobody_has_named_are_left_alone(self, journal: Journal) -> None:
        gone = await a_family(journal, 4000, channels=("gone", "gone"))
        half = await a_family(journal, 4000, channels=("test", "gone"))
        plan = await planned(journal)
        assert plan.unknown == {"gone": 3}
        await prune(journal)
        assert all(row["body"] for row in await rows_of(journal, gone))
        assert len(await rows_of(journal, half)) == 4
        assert await prune(journal, {}) == Pruned()

    async def test_the_plan_says_what_then_happens_and_why_the_rest_stays(self, journal: Journal) -> None:
        await a_family(journal, 401)
        await a_family(journal, 401, ends=DeliveryState.HELD)
        await a_family(journal, 100, channels=("brief", "test"))
        await a_family(journal, 1)
        before = await everything(journal)
        plan = await planned(journal)
        assert await everything(journal) == before, "a plan changes nothing"
        bodies = {(one.channel, one.kind, one.what): one.count for one in plan.bodies}
        assert bodies == {
            ("test", "message", outlook.GOES): 3,
            ("test", "delivery", outlook.GOES): 3,
            ("brief", "message", outlook.GOES): 1,
            ("brief", "delivery", outlook.GOES): 1,
            ("test", "message", outlook.EVIDENCE_OF): 2,
            ("test", "delivery", outlook.EVIDENCE_OF): 2,
        }
        rows = {(one.channel, one.kind, one.what): one.count for one in plan.rows}
        assert rows == {
            ("test", "message", outlook.GOES): 2,
            ("test", "delivery", outlook.GOES): 2,
            ("test", "message", outlook.EVIDENCE_OF): 2,
            ("test", "delivery", outlook.EVIDENCE_OF): 2,
            ("brief", "message", outlook.FAMILY): 1,
            ("brief", "delivery", outlook.FAMILY): 1,
        }
        assert await perform_prune(journal, plan, ManualClock()) == Pruned(bodies=8, messages=2, deliveries=2)
        assert (await planned(journal)).empty

    async def test_many_go_in_portions_and_a_second_run_finds_nothing(self, journal: Journal) -> None:
        made = STANDS_AT - timedelta(days=401)
        many = [a_message(b"x", id_=an_id(made), received_at=made) for _ in range(1203)]
        await journal.writer.accept(many)
        await journal.writer.commit_outcomes([ProcessOutcome(one.id, MessageState.FILTERED) for one in many])
        assert await prune(journal) == Pruned(bodies=1203, messages=1203)
        assert await prune(journal) == Pruned()
        result = await books(journal.queries)
        assert result.balance
        assert (result.received, result.copies["filtered"], result.pruned) == (1203, 1203, 1203)

    async def test_the_books_name_a_copy_that_is_gone_without_being_counted(self, journal: Journal) -> None:
        family = await a_family(journal, 1)
        assert (await books(journal.queries)).balance
        async with journal.writer.transaction() as tx:
            await tx.execute(delete(tables.delivery).where(tables.delivery.c.id == family.second.id))
        assert (await books(journal.queries)).problems == [f"message {family.child.id} became 1 copies, 0 are there"]
        async with journal.writer.transaction() as tx:
            await tx.execute(delete(tables.message).where(tables.message.c.id == family.message.id))
        assert f"message {family.child.id} has no parent that made it" in (await books(journal.queries)).problems

    async def test_what_was_done_is_written_down(self, journal: Journal) -> None:
        await prune(journal)
        await a_family(journal, 401)
        await prune(journal)
        c = tables.operation.c
        rows = await journal.queries.all(select(c.verb, c.touched))
        assert [tuple(row) for row in rows] == [
            ("prune", '{"bodies":4,"messages":2,"deliveries":2,"partitions":0,"moved":0}')
        ]
