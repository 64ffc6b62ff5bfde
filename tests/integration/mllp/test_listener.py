"""The listener on real sockets: what is stored is answered AA, in order, and nothing is answered before."""

import asyncio

import pytest

from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import ListenerSettings
from engine import sdk
from engine.testing.fakes import plugin_context
from tests.integration.mllp.parties import Door, block, let_run, oru


async def test_a_message_arrives_as_it_came_and_is_answered_aa(door: Door) -> None:
    peer = await door.peer()
    reply = await peer.ask(oru("M1"))
    [arrival] = await door.arrivals(1)
    assert (reply.code, reply.control_id) == ("AA", "M1")
    assert (arrival.body, arrival.shape) == (oru("M1"), sdk.Shape.HL7V2)
    assert arrival.meta == {
        "control_id": "M1",
        "message_type": "ORU^R01",
        "sender": "GLUCO|STM",
        "version": "2.5.1",
        "peer": "127.0.0.1",
    }
    assert arrival.source_key == "GLUCO|STM|M1"
    assert arrival.order_key == "GLUCO|STM|CANARY-4711|STM"


async def test_the_answer_goes_back_to_the_sending_application_with_a_control_id_of_its_own(door: Door) -> None:
    peer = await door.peer()
    ids = set()
    for number in range(3):
        await peer.send(block(oru(f"M{number}")))
        fields = (await peer.raw_answer()).split(b"\r")[0].split(b"|")
        assert fields[2:6] == [b"ISLET", b"LAB", b"GLUCO", b"STM"]
        assert fields[6] == b"20261120101500+0000"
        assert 0 < len(fields[9]) <= 20
        ids.add(fields[9])
    assert len(ids) == 3


async def test_no_answer_before_the_message_is_settled() -> None:
    async with Door(verdict=None) as door:
        waiting, other = await door.peer(), await door.peer()
        await waiting.send(block(oru("M1")))
        [first] = await door.arrivals(1)
        answer = asyncio.create_task(waiting.answer())
        await other.send(block(oru("M2")))
        _, second = await door.arrivals(2)
        await second.settle(sdk.Accepted("id-2"))
        assert (await other.answer()).control_id == "M2"
        await let_run()
        assert not answer.done()
        await first.settle(sdk.Accepted("id-1"))
        assert (await answer).control_id == "M1"


async def test_a_resend_is_answered_as_the_first_time() -> None:
    async with Door(lambda number: sdk.Accepted("id-1", duplicate=number > 0)) as door:
        peer = await door.peer()
        first, again = await peer.ask(oru("M1")), await peer.ask(oru("M1"))
        assert first == again
        assert len({arrival.source_key for arrival in await door.arrivals(2)}) == 1


async def test_a_rejected_message_is_answered_ae_with_the_reason() -> None:
    async with Door(lambda _: sdk.Rejected("no-patient", "PID is missing; send it with PID-3")) as door:
        reply = await (await door.peer()).ask(oru())
        assert (reply.code, reply.control_id, reply.text) == ("AE", "M1", "PID is missing; send it with PID-3")


@pytest.mark.parametrize("code", ["AR", "AE"])
async def test_what_cannot_be_stored_now_is_to_be_sent_again(code: str) -> None:
    async with Door(lambda _: sdk.Deferred(5.0, "disk full"), when_unavailable=code) as door:
        peer = await door.peer()
        for _ in range(2):
            reply = await peer.ask(oru())
            assert reply.code == code
            assert "send it again" in reply.text


async def test_what_cannot_be_stored_now_closes_the_connection_where_the_channel_says_so() -> None:
    verdicts: list[sdk.Verdict] = [sdk.Accepted("id-0"), sdk.Deferred(5.0, "disk full"), sdk.Accepted("id-2")]
    async with Door(lambda number: verdicts[number], when_unavailable="close") as door:
        peer = await door.peer()
        await peer.send(block(oru("M0")) + block(oru("M1")) + block(oru("M2")))
        received = await peer.rest()
        assert b"MSA|AA|M0" in received
        assert received.count(b"\x0b") == 1


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
async def test_segments_may_end_with_cr_lf_or_both(door: Door, end: bytes) -> None:
    content = oru("M7").replace(b"\r", end)
    reply = await (await door.peer()).ask(content)
    assert (reply.code, reply.control_id) == ("AA", "M7")
    assert (await door.arrivals(1))[0].body == content


async def test_a_message_split_at_every_byte_is_the_same_message(door: Door) -> None:
    peer = await door.peer()
    stream = block(oru("M1"))
    for cut in range(1, len(stream)):
        peer.writer.write(stream[:cut])
        await let_run()
        await peer.send(stream[cut:])
        assert (await peer.answer()).code == "AA", f"cut at {cut}"
    assert {arrival.body for arrival in await door.arrivals(len(stream) - 1)} == {oru("M1")}


async def test_joined_messages_are_answered_each_and_in_order(door: Door) -> None:
    peer = await door.peer()
    await peer.send(b"".join(block(oru(f"M{number}")) for number in range(300)))
    assert [(await peer.answer()).control_id for _ in range(300)] == [f"M{number}" for number in range(300)]


async def test_answers_leave_in_the_order_of_the_messages_whatever_the_order_of_settling() -> None:
    async with Door(verdict=None, accepts=("ORU^R01",)) as door:
        peer = await door.peer()
        kinds = ["ORU^R01", "ADT^A01", "ORU^R01", "ORU^R01"]
        await peer.send(b"".join(block(oru(f"M{number}", kind)) for number, kind in enumerate(kinds)))
        arrivals = await door.arrivals(3)
        for arrival in reversed(arrivals):
            await arrival.settle(sdk.Accepted("x"))
        replies = [await peer.answer() for _ in range(4)]
        assert [(reply.code, reply.control_id) for reply in replies] == [
            ("AA", "M0"),
            ("AR", "M1"),
            ("AA", "M2"),
            ("AA", "M3"),
        ]


async def test_32_connections_are_served_at_once_and_each_in_its_own_order() -> None:
    async with Door(at_once=20) as door:

        async def talk(name: int) -> list[str]:
            peer = await door.peer()
            await peer.send(b"".join(block(oru(f"{name}-{n}")) for n in range(25)))
            return [(await peer.answer()).control_id for _ in range(25)]

        heard = await asyncio.gather(*(talk(name) for name in range(32)))
        assert heard == [[f"{name}-{n}" for n in range(25)] for name in range(32)]
        assert len(door.taken) == 32 * 25


async def test_a_message_of_20_mb_comes_through_where_the_channel_lets_it() -> None:
    async with Door(max_size="32 MB") as door:
        content = oru("BIG", extra="OBX|2|ED|PDF||" + "A" * 20_000_000 + "\r")
        assert (await (await door.peer()).ask(content)).code == "AA"
        assert (await door.arrivals(1))[0].body == content


@pytest.mark.parametrize(
    ("accept_ack", "application_ack"), [("", ""), ("AL", "NE"), ("NE", "AL"), ("NE", "NE"), ("ER", "AL"), ("0", "2")]
)
async def test_the_answer_is_in_original_mode_whatever_msh_15_and_16_say(
    door: Door, accept_ack: str, application_ack: str
) -> None:
    content = oru().replace(b"|2.5.1\r", f"|2.5.1|||{accept_ack}|{application_ack}\r".encode())
    assert (await (await door.peer()).ask(content)).code == "AA"


async def test_a_message_without_control_id_is_recognised_by_its_body(door: Door) -> None:
    peer = await door.peer()
    assert (await peer.ask(oru(""))).control_id == ""
    await peer.ask(oru(""))
    await peer.ask(oru("", extra="NTE|1||other\r"))
    first, again, other = await door.arrivals(3)
    assert first.source_key == again.source_key != other.source_key


async def test_a_message_without_sender_is_ordered_by_its_peer(door: Door) -> None:
    await (await door.peer()).ask(oru(sender="|"))
    assert str((await door.arrivals(1))[0].order_key).startswith("127.0.0.1|")


async def test_latin_1_names_in_the_header_are_echoed_in_latin_1(door: Door) -> None:
    peer = await door.peer()
    content = oru().replace(b"GLUCO", "GLÜCO".encode("latin-1")).replace(b"|2.5.1\r", b"|2.5.1||||||8859/1\r")
    await peer.send(block(content))
    assert "GLÜCO".encode("latin-1") in await peer.raw_answer()


async def test_a_peer_may_stop_writing_before_it_reads_its_answers() -> None:
    async with Door(verdict=None) as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")) + block(oru("M2")))
        peer.writer.write_eof()
        for arrival in await door.arrivals(2):
            await let_run()
            await arrival.settle(sdk.Accepted("x"))
        received = await peer.rest()
        assert received.index(b"MSA|AA|M1") < received.index(b"MSA|AA|M2")


async def test_a_peer_that_goes_away_before_its_answer_harms_nobody() -> None:
    async with Door(verdict=None) as door:
        leaving, staying = await door.peer(), await door.peer()
        await leaving.send(block(oru("M1")))
        [arrival] = await door.arrivals(1)
        leaving.writer.transport.abort()
        await let_run()
        await arrival.settle(sdk.Accepted("x"))
        await staying.send(block(oru("M2")))
        await (await door.arrivals(2))[1].settle(sdk.Accepted("y"))
        assert (await staying.answer()).control_id == "M2"


async def test_an_arrival_is_settled_once() -> None:
    async with Door(verdict=None) as door:
        await (await door.peer()).send(block(oru()))
        [arrival] = await door.arrivals(1)
        await arrival.settle(sdk.Accepted("x"))
        with pytest.raises(RuntimeError, match="once"):
            await arrival.settle(sdk.Accepted("x"))


async def test_a_port_in_use_is_named_and_tried_again_later() -> None:
    async with Door() as door:
        taken = door.listener.port
        second = MllpListener(ListenerSettings(port=taken), plugin_context())
        with pytest.raises(sdk.Unavailable, match=str(taken)) as caught:
            await anext(second.deliveries())
        assert caught.value.code == "port-in-use"


async def test_after_the_port_is_free_the_same_listener_can_open_it() -> None:
    async with Door() as door:
        second = MllpListener(ListenerSettings(port=door.listener.port), plugin_context())
        with pytest.raises(sdk.Unavailable):
            await anext(second.deliveries())
    waiting = asyncio.ensure_future(anext(second.deliveries()))
    await second.listening.wait()
    await second.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
