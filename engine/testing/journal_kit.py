"""The journal's contract as tests. Subclass `JournalContract` and give the fixture `journal`, open and empty."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from engine.contracts.journal import Child, DeliveryOutcome, Failure, Journal, ProcessOutcome, Receipt
from engine.journal import tables
from engine.model.delivery import Delivery
from engine.model.errors import EngineError, Refused
from engine.model.ids import new_id
from engine.model.lane import LANE, Lane, lane_of
from engine.model.message import Message, Shape
from engine.model.outcome import Answer
from engine.model.share import WHOLE, shard_of, shares
from engine.model.states import DeliveryState, MessageState
from engine.testing.builders import STANDS_AT, a_message

FAILURE = Failure("no-unit", "there is no unit", "OBX[1]-6", "what the peer said", "0123456789ab")


def a_delivery_of(message: Message, body: bytes = b"out", order_key: str | None = None) -> Delivery:
    return Delivery(
        new_id(), message.id, message.origin_id, message.channel, "out", Shape.BYTES, body, {"a": "b"}, order_key
    )


async def accepted(journal: Journal, *bodies: bytes, **fields: Any) -> Sequence[Message]:
    messages = [a_message(body, **fields) for body in bodies]
    await journal.writer.accept(messages)
    return messages


async def delivering(journal: Journal, *deliveries: Delivery, message: Message) -> None:
    outcome = ProcessOutcome(message.id, MessageState.TRANSFORMED, deliveries=deliveries)
    assert await journal.writer.commit_outcomes([outcome]) == [message.id]


async def count(journal: Journal, table: Any) -> int:
    rows = await journal.queries.all(select(func.count()).select_from(table))
    return int(rows[0][0])


async def state_of(journal: Journal, table: str, id_: str) -> str:
    row = await journal.queries.row(table, id_)
    assert row is not None
    return str(row["state"])


class JournalContract:
    """What every journal promises."""

    # --- accept

    async def test_what_is_accepted_is_there_whole_and_in_flight(self, journal: Journal) -> None:
        message = a_message(b"\x00body", meta={"a": "ä"}, source_key="S|1", order_key="P1")
        assert await journal.writer.accept([message]) == [Receipt(message.id)]
        first, again = await journal.queries.pending([message.id]), await journal.queries.pending([message.id])
        assert list(first) == list(again) == [message], "from memory the first time, from the store the second"

    async def test_messages_come_back_in_the_order_they_were_received(self, journal: Journal) -> None:
        messages = await accepted(journal, b"1", b"2", b"3")
        asked = [messages[index].id for index in (2, 0, 1)]
        await journal.queries.pending(asked)
        assert [m.body for m in await journal.queries.pending(asked)] == [b"1", b"2", b"3"]

    async def test_large_messages_are_read_in_portions_also_when_only_the_store_knows_them(
        self, journal: Journal
    ) -> None:
        ids = [message.id for message in await accepted(journal, b"1" * 60, b"2" * 60, b"3" * 30, b"4" * 10)]
        expected = [ids[:1], ids[1:]]
        assert [list(some) for some in await journal.queries.portions(ids, 100)] == expected
        await journal.queries.pending(ids)  # which takes them out of memory
        assert [list(some) for some in await journal.queries.portions(ids, 100)] == expected

    async def test_the_same_key_and_body_is_a_duplicate_stored_without_its_body(self, journal: Journal) -> None:
        (first,) = await accepted(journal, b"x", source_key="S|1")
        second = a_message(b"x", source_key="S|1")
        assert await journal.writer.accept([second]) == [Receipt(second.id, duplicate_of=first.id)]
        row = await journal.queries.row("message", second.id)
        assert row is not None
        assert (row["state"], row["duplicate_of"], row["body"]) == ("duplicate", first.id, b"")
        assert await journal.queries.pending([second.id]) == []

    async def test_a_duplicate_in_the_same_call_is_recognised(self, journal: Journal) -> None:
        first, second = a_message(b"x", source_key="S|1"), a_message(b"x", source_key="S|1")
        receipts = await journal.writer.accept([first, second])
        assert receipts[1].duplicate_of == first.id

    async def test_the_same_key_with_another_body_is_stored_and_marked(self, journal: Journal) -> None:
        await accepted(journal, b"x", source_key="S|1")
        second = a_message(b"y", source_key="S|1", meta={"port": "1"})
        (receipt,) = await journal.writer.accept([second])
        assert receipt.duplicate_of is None
        assert receipt.key_reused
        marked = {"port": "1", "control-id-reused": "yes"}
        for _ in ("from memory", "from the store"):
            (pending,) = await journal.queries.pending([second.id])
            assert pending.meta == marked
        third = a_message(b"y", source_key="S|1")
        assert (await journal.writer.accept([third]))[0].duplicate_of == second.id

    async def test_keys_of_different_channels_are_apart_and_no_key_is_never_a_duplicate(self, journal: Journal) -> None:
        await accepted(journal, b"x", source_key="S|1")
        other = a_message(b"x", source_key="S|1", channel="other")
        free = [a_message(b"x"), a_message(b"x")]
        receipts = await journal.writer.accept([other, *free])
        assert [receipt.duplicate_of for receipt in receipts] == [None, None, None]

    async def test_a_message_that_cannot_be_stored_leaves_no_key_behind(self, journal: Journal) -> None:
        """Law 6: a key committed by itself would turn the re-send into a duplicate of nothing."""
        (there,) = await accepted(journal, b"x")
        with pytest.raises(EngineError):
            await journal.writer.accept([a_message(b"y", source_key="S|1", id_=there.id)])
        again = a_message(b"y", source_key="S|1")
        assert await journal.writer.accept([again]) == [Receipt(again.id)]

    async def test_a_request_at_fault_harms_no_other_of_the_same_commit(self, journal: Journal) -> None:
        """Broken on purpose once: answering the whole commit with the failure of one."""
        (there,) = await accepted(journal, b"x")
        good = [a_message(b"%d" % number) for number in range(20)]
        calls = [journal.writer.accept([message]) for message in good]
        bad = journal.writer.accept([a_message(b"y", id_=there.id)])
        results = await asyncio.gather(*calls[:10], bad, *calls[10:], return_exceptions=True)
        assert [r for r in results if isinstance(r, BaseException)] == [results[10]]
        assert isinstance(results[10], EngineError)
        assert results[10].code == "journal-refused"
        assert await count(journal, tables.message) == 21

    # --- outcomes

    async def test_an_outcome_comes_with_its_children_and_deliveries(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")
        child = message.but(body=b"child").child("next", message, STANDS_AT)
        aside = message.but(body=b"part").child("test", message, STANDS_AT)
        delivery = a_delivery_of(message)
        outcome = ProcessOutcome(
            message.id,
            MessageState.TRANSFORMED,
            children=[Child(child), Child(aside, MessageState.HELD, FAILURE)],
            deliveries=[delivery],
        )
        assert await journal.writer.commit_outcomes([outcome]) == [message.id]
        assert await journal.queries.pending([message.id]) == []
        for _ in ("from memory", "from the store"):
            assert list(await journal.queries.pending([child.id, aside.id])) == [child]
            (pending,) = await journal.queries.pending_deliveries([delivery.id])
            assert pending.delivery == delivery
        held = await journal.queries.row("message", aside.id)
        assert held is not None
        assert (held["code"], held["path"], held["detail"]) == ("no-unit", "OBX[1]-6", "what the peer said")

    async def test_a_second_outcome_for_a_message_leaves_nothing_behind(self, journal: Journal) -> None:
        """Law 6. Broken on purpose once: without the guard on the state there are two deliveries."""
        (message,) = await accepted(journal, b"x")
        await delivering(journal, a_delivery_of(message), message=message)
        child = message.child("next", message, STANDS_AT)
        late = ProcessOutcome(
            message.id, MessageState.TRANSFORMED, children=[Child(child)], deliveries=[a_delivery_of(message)]
        )
        assert await journal.writer.commit_outcomes([late]) == []
        assert await count(journal, tables.delivery) == 1
        assert await count(journal, tables.message) == 1
        assert await journal.queries.pending([child.id]) == []

    async def test_two_outcomes_for_one_message_in_one_call_count_once(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")
        twice = [
            ProcessOutcome(message.id, MessageState.TRANSFORMED, deliveries=[a_delivery_of(message)]) for _ in range(2)
        ]
        assert await journal.writer.commit_outcomes(twice) == [message.id]
        assert await count(journal, tables.delivery) == 1

    # --- deliveries

    async def test_a_retry_keeps_its_due_time_and_counts_its_attempts(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")
        delivery, due = a_delivery_of(message), STANDS_AT + timedelta(seconds=7, microseconds=1)
        await delivering(journal, delivery, message=message)
        await journal.queries.pending_deliveries([delivery.id])
        retry = DeliveryOutcome(delivery.id, DeliveryState.RETRY, 1, failure=FAILURE, due_at=due)
        await journal.writer.commit_deliveries([retry])
        (pending,) = await journal.queries.pending_deliveries([delivery.id])
        assert pending.due_at == due
        assert pending.delivery == replace(delivery, attempt=2)

    async def test_only_deliveries_in_flight_change(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")
        delivery = a_delivery_of(message)
        await delivering(journal, delivery, message=message)
        sent = DeliveryOutcome(delivery.id, DeliveryState.SENT, 1, answer=Answer("201", "Observation/7", True, "said"))
        await journal.writer.commit_deliveries([sent])
        await journal.writer.commit_deliveries([DeliveryOutcome(delivery.id, DeliveryState.HELD, 2, failure=FAILURE)])
        row = await journal.queries.row("delivery", delivery.id)
        assert row is not None
        assert (row["state"], row["answer_code"], row["answer_location"]) == ("sent", "201", "Observation/7")

    async def test_a_lane_is_what_is_in_flight_of_one_key_oldest_first(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")
        ours = [a_delivery_of(message, b"%d" % n, "P1") for n in range(4)]
        await delivering(journal, *ours, a_delivery_of(message, b"other", "P2"), message=message)
        await journal.writer.commit_deliveries([DeliveryOutcome(ours[0].id, DeliveryState.SENT, 1, Answer("AA"))])
        lane = await journal.queries.lane("test", "out", "P1", 2)
        assert [item.delivery.body for item in lane] == [b"1", b"2"]

    async def test_the_newest_that_was_sent_is_known_by_key_and_lane(self, journal: Journal) -> None:
        earlier, later = await accepted(journal, b"x", b"y")
        sent, sent_later, waiting = (a_delivery_of(one, b"", "P1") for one in (later, earlier, later))
        in_batch = replace(a_delivery_of(earlier, b"", "P1"), meta={LANE: Lane.BATCH})
        await delivering(journal, sent_later, in_batch, message=earlier)
        await delivering(journal, sent, waiting, a_delivery_of(later, b"", "P2"), message=later)
        done = [DeliveryOutcome(one.id, DeliveryState.SENT, 1, Answer("AA")) for one in (sent, sent_later, in_batch)]
        await journal.writer.commit_deliveries(done)
        found = await journal.queries.newest_sent("test", "out", ["P1", "P2", "P3"], "")
        expected = [("P1", Lane.BATCH, in_batch.id, earlier.id), ("P1", Lane.LIVE, sent_later.id, later.id)]
        assert sorted(found) == expected
        assert not await journal.queries.newest_sent("test", "out", ["P1"], max(sent_later.id, in_batch.id))
        assert not await journal.queries.newest_sent("test", "elsewhere", ["P1"], "")

    # --- transactions

    async def test_a_transaction_commits_rows_and_outcome_together(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")
        async with journal.writer.transaction() as tx:
            await tx.execute(tables.cursor.insert().values(channel="c", name="n", value="1", at=0))
            rows = await tx.execute(select(tables.cursor.c.value))
            assert [row[0] for row in rows] == ["1"]
            assert await journal.queries.cursor("c", "n") is None, "nobody else sees it before the commit"
            outcome = ProcessOutcome(message.id, MessageState.FILTERED, reason="r")
            assert await tx.commit_outcomes([outcome]) == [message.id]
        assert await journal.queries.cursor("c", "n") == "1"
        assert await state_of(journal, "message", message.id) == "filtered"

    async def test_a_transaction_that_raises_leaves_nothing(self, journal: Journal) -> None:
        (message,) = await accepted(journal, b"x")

        async def failing() -> None:
            async with journal.writer.transaction() as tx:
                await tx.execute(tables.cursor.insert().values(channel="c", name="n", value="1", at=0))
                await tx.commit_outcomes([ProcessOutcome(message.id, MessageState.FILTERED)])
                raise KeyError("no")

        with pytest.raises(KeyError):
            await failing()
        assert await journal.queries.cursor("c", "n") is None
        assert await state_of(journal, "message", message.id) == "received"

    async def test_a_savepoint_undoes_only_what_is_in_it(self, journal: Journal) -> None:
        async def failing(tx: Any) -> None:
            async with tx.savepoint():
                await tx.execute(tables.cursor.insert().values(channel="c", name="inside", value="1", at=0))
                raise KeyError("no")

        async with journal.writer.transaction() as tx:
            await tx.execute(tables.cursor.insert().values(channel="c", name="outside", value="1", at=0))
            with pytest.raises(KeyError):
                await failing(tx)
        assert await journal.queries.cursor("c", "inside") is None
        assert await journal.queries.cursor("c", "outside") == "1"

    async def test_a_row_that_is_refused_is_the_steps_own_fault_and_shows_no_value(self, journal: Journal) -> None:
        row = tables.cursor.insert().values(channel="CANARY", name="n", value="1", at=0)
        async with journal.writer.transaction() as tx:
            await tx.execute(row)
            with pytest.raises(EngineError) as caught:
                await tx.execute(row)
            assert caught.value.code == "journal-refused"
            assert "CANARY" not in f"{caught.value} {caught.value!r}"

    async def test_many_rows_of_one_insert_are_all_there_or_none_and_show_no_value(self, journal: Journal) -> None:
        rows = [{"channel": "CANARY", "name": f"n{number}", "value": 'a\t"ä\\N', "at": number} for number in range(50)]
        async with journal.writer.transaction() as tx:
            await tx.execute(tables.cursor.insert(), rows)
        c = tables.cursor.c
        found = await journal.queries.all(select(c.channel, c.name, c.value, c.at).order_by(c.at))
        assert [dict(row._mapping) for row in found] == rows
        fresh = [{**row, "name": f"{row['name']}-again"} for row in rows[1:]]
        async with journal.writer.transaction() as tx:
            with pytest.raises(EngineError) as caught:
                async with tx.savepoint():
                    await tx.execute(tables.cursor.insert(), [*fresh, rows[0]])
        assert caught.value.code == "journal-refused"
        assert "CANARY" not in f"{caught.value} {caught.value!r}"
        assert await count(journal, tables.cursor) == len(rows)

    # --- several engines on one journal

    async def test_the_work_is_cut_into_shares_and_equal_keys_are_in_the_same(self, journal: Journal) -> None:
        messages = [
            message for key in range(20) for message in await accepted(journal, b"1", b"2", order_key=f"P{key}")
        ]
        of_share = [await journal.queries.in_flight("test", "", 100, share) for share in shares(4)]
        assert sorted(id_ for ids in of_share for id_ in ids) == sorted(message.id for message in messages)
        share_of = {id_: number for number, ids in enumerate(of_share) for id_ in ids}
        for message in messages:
            assert share_of[message.id] == shard_of(message.order_key, message.id) % 4
        (message,) = await accepted(journal, b"x", order_key="A")
        delivery = a_delivery_of(message, order_key="A")
        await delivering(journal, delivery, message=message)
        found = [await journal.queries.deliveries_in_flight("test", "out", "", 10, share) for share in shares(4)]
        assert found[shard_of("A", "") % 4] == [delivery.id]
        assert sum(map(len, found)) == 1

    async def test_what_is_in_flight_is_in_its_own_lane(self, journal: Journal) -> None:
        live = a_message(b"l", order_key="A")
        batch = a_message(b"b", order_key="A", meta={LANE: Lane.BATCH})
        await journal.writer.accept([batch, live])
        assert list(await journal.queries.in_flight("test", "", 10)) == [live.id]
        assert list(await journal.queries.in_flight("test", "", 10, WHOLE, Lane.BATCH)) == [batch.id]
        (read,) = await journal.queries.pending([batch.id])
        assert lane_of(read.meta) is Lane.BATCH
        delivery = replace(a_delivery_of(batch, order_key="A"), meta=batch.meta)
        await delivering(journal, delivery, message=batch)
        asked = journal.queries.deliveries_in_flight
        assert list(await asked("test", "out", "", 10, WHOLE, Lane.BATCH)) == [delivery.id]
        assert not await asked("test", "out", "", 10)
        (waits,) = await journal.queries.lane("test", "out", "A", 10, Lane.BATCH)
        assert waits.delivery.id == delivery.id
        assert not await journal.queries.lane("test", "out", "A", 10)

    async def test_a_lease_has_one_holder_and_its_token_grows_with_each_new_one(self, journal: Journal) -> None:
        writer = journal.writer
        assert await writer.take_lease("part", "A", 60.0) == 1
        assert await writer.take_lease("part", "A", 60.0) == 1
        assert await writer.take_lease("part", "B", 60.0) is None
        assert list(await writer.renew_leases("A", 60.0)) == ["part"]
        assert list(await journal.queries.lease_holders("pa")) == ["A"]
        await writer.drop_lease("part", "B")
        assert await writer.take_lease("part", "B", 60.0) is None, "only its holder can drop it"
        await writer.drop_lease("part", "A")
        assert list(await journal.queries.lease_holders("pa")) == []
        assert await writer.take_lease("part", "B", 60.0) == 2
        assert list(await writer.renew_leases("A", 60.0)) == []

    async def test_a_lease_that_has_run_out_is_free_and_is_not_renewed(self, journal: Journal) -> None:
        writer = journal.writer
        assert await writer.take_lease("part", "A", 0.0) == 1
        assert list(await writer.renew_leases("A", 60.0)) == []
        assert await writer.take_lease("part", "B", 60.0) == 2
        assert await writer.take_lease("part", "A", 60.0) is None

    async def test_a_cursor_is_not_moved_by_somebody_whose_lease_another_has_had_since(self, journal: Journal) -> None:
        writer = journal.writer
        old = await writer.take_lease("ingest/c", "A", 0.0)
        new = await writer.take_lease("ingest/c", "B", 60.0)
        assert old is not None
        assert new is not None
        await writer.put_cursor("c", "n", "new", ("ingest/c", new))
        with pytest.raises(Refused, match="lease-lost"):
            await writer.put_cursor("c", "n", "old", ("ingest/c", old))
        assert await journal.queries.cursor("c", "n") == "new"

    async def test_a_transaction_locks_what_is_still_in_flight(self, journal: Journal) -> None:
        open_, done = await accepted(journal, b"1", b"2")
        await journal.writer.commit_outcomes([ProcessOutcome(done.id, MessageState.FILTERED)])
        async with journal.writer.transaction() as tx:
            assert set(await tx.lock([open_.id, done.id])) == {open_.id}

    # --- the rest

    async def test_cursors_are_kept_by_channel_and_name(self, journal: Journal) -> None:
        await journal.writer.put_cursor("a", "n", "1")
        await journal.writer.put_cursor("b", "n", "2")
        await journal.writer.put_cursor("a", "n", "3")
        assert await journal.queries.cursor("a", "n") == "3"
        assert await journal.queries.cursor("b", "n") == "2"

    async def test_the_last_command_to_a_channel_stands_and_reports_leave_it_alone(self, journal: Journal) -> None:
        await journal.writer.report_channel("a", "running")
        assert await journal.queries.channel_commands() == {}
        await journal.writer.command_channel("a", "paused")
        await journal.writer.command_channel("a", "stopped")
        await journal.writer.report_channel("a", "stopped")
        assert await journal.queries.channel_commands() == {"a": "stopped"}

    async def test_release_puts_back_what_waits_with_fresh_attempts_and_nothing_else(self, journal: Journal) -> None:
        held, done = await accepted(journal, b"held", b"done")
        await journal.writer.commit_outcomes(
            [
                ProcessOutcome(held.id, MessageState.HELD, failure=FAILURE),
                ProcessOutcome(done.id, MessageState.TRANSFORMED, deliveries=[d := a_delivery_of(done)]),
            ]
        )
        await journal.writer.commit_deliveries([DeliveryOutcome(d.id, DeliveryState.HELD, 3, failure=FAILURE)])
        await journal.queries.pending_deliveries([d.id])
        await journal.writer.release([held.id, done.id], [d.id])
        assert [m.id for m in await journal.queries.pending([held.id, done.id])] == [held.id]
        (pending,) = await journal.queries.pending_deliveries([d.id])
        assert pending.delivery.attempt == 1

    async def test_what_is_in_flight_is_listed_page_by_page(self, journal: Journal) -> None:
        messages = await accepted(journal, b"1", b"2", b"3")
        first = await journal.queries.in_flight("test", "", 2)
        assert list(first) == [messages[0].id, messages[1].id]
        assert list(await journal.queries.in_flight("test", first[-1], 2)) == [messages[2].id]
