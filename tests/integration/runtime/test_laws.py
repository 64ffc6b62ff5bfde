"""The laws of the data path, each against a whole engine. A docstring says what breaks the law in question."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.contracts.journal import Journal
from engine.contracts.plugins import Transaction
from engine.journal import tables
from engine.model.errors import InvalidMessage, Refused, Unavailable
from engine.model.message import Message
from engine.model.outcome import Accepted, Aside, Deferred, Drop
from engine.model.settings import NoSettings
from engine.plugins.plugin import stateful_step, transformer
from engine.runtime.audit import finished
from engine.testing.harness import Gate, GatedJournal, RunningEngine, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "islet.db"


class Gated:
    """Keeps hold of the gated journal that an engine is given."""

    journal: GatedJournal

    def __call__(self, inner: Journal) -> Journal:
        self.journal = GatedJournal(inner)
        return self.journal

    def gate(self, method: str) -> Gate:
        return self.journal.gate(method)


def step(function: Callable[[Message], Any]) -> tuple[Any, NoSettings]:
    return transformer("under_test")(lambda message, _settings: function(message)), NoSettings()


def refuse(message: Message, bad: bytes = b"bad") -> Message:
    if message.body != bad:
        return message
    raise InvalidMessage("it is wrong", code="wrong", path="OBX[2]-6")


async def test_law_1_a_source_is_settled_only_after_the_commit(store: Path) -> None:
    """Broken: settle before `writer.accept` in ingest."""
    source, gated = HandSource(), Gated()
    async with an_engine([a_channel(source_part=source)], store, wrap=gated) as engine:
        gate = gated.gate("accept")
        verdict = source.offer(b"x")
        await gate.reached.wait()
        await engine.settle_down()
        assert not verdict.done()
        assert await engine.messages() == []
        gate.open()
        accepted = await verdict
        assert isinstance(accepted, Accepted)
        assert [message["id"] for message in await engine.messages()] == [accepted.message_id]


async def test_law_1_what_cannot_be_stored_is_deferred_and_the_engine_goes_on(store: Path) -> None:
    """Broken: settle with Accepted whatever the journal says."""
    source, gated = HandSource(), Gated()
    async with an_engine([a_channel(source_part=source)], store, wrap=gated) as engine:

        async def full() -> None:
            raise Unavailable("the disk is full", code="journal-full")

        gated.journal.before["accept"] = full
        assert isinstance(await source.give(b"x", source_key="1"), Deferred)
        assert ("error", "store_unavailable", {"channel": "test", "code": "journal-full", "count": 1}) in (
            engine.log.events
        )
        assert await engine.messages() == []
        del gated.journal.before["accept"]
        again = await source.give(b"x", source_key="1")
        assert isinstance(again, Accepted)
        assert not again.duplicate


async def test_law_2_a_lease_is_acknowledged_only_after_the_outcome(store: Path) -> None:
    """Broken: acknowledge the lease first in `Process._work`."""
    source, gated = HandSource(), Gated()
    async with an_engine([a_channel(source_part=source)], store, wrap=gated) as engine:
        gate = gated.gate("commit_outcomes")
        await source.give(b"x")
        await gate.reached.wait()
        assert await engine.tools.broker.depth("islet.test") == 1
        gate.open()
        await engine.until(lambda: _empty(engine, "islet.test"))
        assert await engine.states() == {"filtered": 1} or await engine.states() == {"transformed": 1}


async def test_law_2_a_delivery_s_lease_is_acknowledged_only_after_its_outcome(store: Path) -> None:
    """Broken: `_Held.settled` before the outcomes are committed."""
    source, sink, gated = HandSource(), ScriptedDestination(), Gated()
    plan = a_channel(source_part=source, destinations=[a_destination(sink)])
    async with an_engine([plan], store, wrap=gated) as engine:
        gate = gated.gate("commit_deliveries")
        await source.give(b"x")
        await gate.reached.wait()
        await engine.settle_down()
        assert sink.sent == [b"x"]
        assert await engine.tools.broker.depth("islet.test.to.out") == 1
        gate.open()
        await engine.until(lambda: _empty(engine, "islet.test.to.out"))
        assert await engine.delivery_states() == {"sent": 1}


async def _empty(engine: RunningEngine, queue: str) -> bool:
    return await engine.tools.broker.depth(queue) == 0


async def test_law_3_cancelled_calls_settle_nothing_and_come_again_with_the_same_id(store: Path) -> None:
    """Broken: treat CancelledError as a failure of the destination in `Dispatch._send`."""
    source, hanging, sink = HandSource(), ScriptedDestination(), ScriptedDestination()
    hanging.gate = asyncio.Event()
    plan = a_channel(source_part=source, destinations=[a_destination(hanging)])
    async with an_engine([plan], store, grace_seconds=0) as engine:
        await source.give(b"x")
        await hanging.until(lambda d: len(d.calls) == 1)
    plan = a_channel(source_part=HandSource(), destinations=[a_destination(sink)])
    async with an_engine([plan], store) as engine:
        await engine.until(engine.idle)
        (row,) = await engine.deliveries()
        assert (row["state"], row["attempts"]) == ("sent", 1)
        assert [call.id for call in sink.calls] == [hanging.calls[0].id]


async def test_law_4_a_failed_step_stops_its_message_and_only_that(store: Path) -> None:
    """Broken: let `run_steps` go on with the message after an error."""
    source, sink = HandSource(), ScriptedDestination()
    after: list[bytes] = []

    def notes(message: Message) -> Message:
        after.append(message.body)
        return message

    plan = a_channel(source_part=source, steps=[step(refuse), step(notes)], destinations=[a_destination(sink)])
    async with an_engine([plan], store) as engine:
        await asyncio.gather(*(source.give(body) for body in (b"good", b"bad", b"fine")))
        await engine.until(engine.idle)
        assert after == [b"good", b"fine"]
        assert sorted(sink.sent) == [b"fine", b"good"]
        held = [message for message in await engine.messages() if message["state"] == "held"]
        assert [(row["body"], row["code"], row["path"]) for row in held] == [(b"bad", "wrong", "OBX[2]-6")]
        assert (await engine.books()).balance


async def test_law_5_every_copy_ends_in_one_state_and_the_books_balance(store: Path) -> None:
    """Broken: drop a child from `commit_outcomes`; the audit names the message."""
    source = HandSource()
    sinks = [ScriptedDestination(), ScriptedDestination([Refused("no", code="no")])]

    def fan_out(message: Message) -> Any:
        if message.body == b"drop":
            return Drop("not wanted")
        if message.body == b"bad":
            return refuse(message)
        part = Aside(InvalidMessage("odd", code="odd"), b"part", message.shape)
        return [message.but(body=b"1"), message.but(body=b"2"), part]

    first = a_channel(source_part=source, steps=[step(fan_out)], feeds=["next"])
    following = a_channel("next", destinations=[a_destination(sinks[0], "a"), a_destination(sinks[1], "b")])
    async with an_engine([first, following], store) as engine:
        for body in (b"x", b"drop", b"bad", b"x"):
            await source.give(body, source_key=body.decode())
        await engine.until(engine.idle)
        result = await engine.books()
        assert result.balance, result
        assert dict(result.copies) == {
            "delivered": 3, "filtered": 1, "duplicate": 1, "held": 3, "deferred": 0, "in review": 0, "in flight": 0,
        }  # fmt: skip
        assert result.received == 4
        lost = next(message for message in await engine.messages() if message["parent_id"])
        delete = text("DELETE FROM message WHERE id = :id").bindparams(id=lost["id"])
        async with engine.tools.journal.writer.transaction() as tx:
            await tx.execute(delete)
        assert not (await engine.books()).balance


async def test_law_6_a_key_commits_with_the_outcome_it_guards(store: Path) -> None:
    """Broken: write the key in a transaction of its own before the outcome's."""
    source, gated = HandSource(), Gated()
    entered = Gate()

    @stateful_step("remembers")
    async def remembers(message: Message, _settings: NoSettings, tx: Transaction) -> Message:
        row = {"channel": "key", "name": message.body.decode(), "value": "seen", "at": 0}
        await tx.execute(tables.cursor.insert(), [row])
        if not entered.reached.is_set():
            await entered.pass_()
        return message

    sink = ScriptedDestination()

    def plan() -> Any:
        return a_channel(source_part=source, steps=[(remembers, NoSettings())], destinations=[a_destination(sink)])

    async with an_engine([plan()], store, wrap=gated, grace_seconds=0) as engine:
        await source.give(b"x")
        await entered.reached.wait()  # the key is written, the outcome is not, and the engine ends here
    async with an_engine([plan()], store) as engine:
        await engine.until(engine.idle)
        assert await engine.tools.journal.queries.cursor("key", "x") == "seen"
        assert sink.sent == [b"x"]
        assert await engine.states() == {"transformed": 1}


async def test_law_6_what_a_failing_step_wrote_is_undone_and_its_neighbours_stand(store: Path) -> None:
    """Broken: no savepoint around the steps."""
    source = HandSource()

    @stateful_step("remembers")
    async def remembers(message: Message, _settings: NoSettings, tx: Transaction) -> Message:
        row = {"channel": "key", "name": message.body.decode(), "value": "seen", "at": 0}
        await tx.execute(tables.cursor.insert(), [row])
        return refuse(message)

    plan = a_channel(source_part=source, steps=[(remembers, NoSettings())], destinations=[])
    async with an_engine([plan], store) as engine:
        await asyncio.gather(*(source.give(body) for body in (b"a", b"bad", b"b")))
        await engine.until(engine.idle)
        queries = engine.tools.journal.queries
        assert [await queries.cursor("key", name) for name in ("a", "bad", "b")] == ["seen", None, "seen"]


async def test_law_6_one_of_several_parts_is_set_aside_and_what_a_step_wrote_for_it_undone(store: Path) -> None:
    """Broken: no savepoint around each of several messages."""
    source, sink = HandSource(), ScriptedDestination()

    @stateful_step("remembers")
    async def remembers(message: Message, _settings: NoSettings, tx: Transaction) -> Message:
        row = {"channel": "key", "name": message.body.decode(), "value": "seen", "at": 0}
        await tx.execute(tables.cursor.insert(), [row])
        return refuse(message)

    steps = [step(lambda message: [message.but(body=part) for part in message.body.split()]), (remembers, NoSettings())]
    plan = a_channel(source_part=source, steps=steps, destinations=[a_destination(sink)])
    async with an_engine([plan], store) as engine:
        await source.give(b"a bad b")
        await engine.until(engine.idle)
        queries = engine.tools.journal.queries
        assert [await queries.cursor("key", name) for name in ("a", "bad", "b")] == ["seen", None, "seen"]
        assert sorted(sink.sent) == [b"a", b"b"]
        assert await engine.states() == {"transformed": 1, "held": 1}


async def test_law_7_a_parent_is_finished_only_when_all_its_children_are(store: Path) -> None:
    """Broken: look only at messages in `finished`."""
    source, quick, slow = HandSource(), ScriptedDestination(), ScriptedDestination()
    slow.gate = asyncio.Event()
    first = a_channel(source_part=source, feeds=["next"])
    following = a_channel("next", destinations=[a_destination(quick, "quick"), a_destination(slow, "slow")])
    async with an_engine([first, following], store) as engine:
        accepted = await source.give(b"x")
        assert isinstance(accepted, Accepted)
        await quick.until(lambda d: d.sent == [b"x"])
        await slow.until(lambda d: len(d.calls) == 1)
        await engine.until(lambda: _sent(engine, 1))
        assert not await finished(engine.tools.journal.queries, accepted.message_id)
        slow.gate.set()
        await engine.until(engine.idle)
        assert await finished(engine.tools.journal.queries, accepted.message_id)
        assert not await finished(engine.tools.journal.queries, "no such message")


async def _sent(engine: RunningEngine, count: int) -> bool:
    return (await engine.delivery_states()).get("sent", 0) == count


async def test_law_8_a_full_intake_takes_no_more_and_drops_nothing(store: Path) -> None:
    """Broken: no room taken in `_take_all`; all fifty are taken at once."""
    source, gated = HandSource(), Gated()
    async with an_engine([a_channel(source_part=source, holds_up_to=7)], store, wrap=gated) as engine:
        gate = gated.gate("accept")
        verdicts = [source.offer(b"%d" % number) for number in range(50)]
        await gate.reached.wait()
        await engine.settle_down()
        assert source.taken == 7
        assert not any(verdict.done() for verdict in verdicts)
        gate.open()
        assert all([isinstance(await verdict, Accepted) for verdict in verdicts])
        assert [message["body"] for message in await engine.messages()] == [b"%d" % number for number in range(50)]


async def test_law_8_a_hanging_destination_is_called_no_more_than_it_may_be_at_once(store: Path) -> None:
    """Broken: no slot taken in `_pump`."""
    source, sink = HandSource(), ScriptedDestination()
    sink.gate = asyncio.Event()
    async with an_engine([a_channel(source_part=source, destinations=[a_destination(sink, at_once=3)])], store) as e:
        await asyncio.gather(*(source.give(b"%d" % number) for number in range(30)))
        await sink.until(lambda d: len(d.calls) == 3)
        await e.settle_down()
        assert len(sink.calls) == 3
        sink.gate.set()
        await e.until(e.idle)
        assert sorted(sink.sent) == sorted(b"%d" % number for number in range(30))
