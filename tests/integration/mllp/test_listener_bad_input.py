"""Bad input at the listener: refused with a reason or closed with a logged code, never stored, nobody else harmed."""

import asyncio
import socket

import pytest

from clinical.hl7v2 import parse_ack
from engine import sdk
from tests.integration.mllp.parties import CANARY, Door, Peer, block, let_run, oru


async def unharmed(door: Door, other: Peer, control_id: str = "OTHER") -> None:
    """A connection that was there before still works, and only its own message was stored."""
    assert (await other.ask(oru(control_id))).control_id == control_id
    assert [taken.arrival.meta["control_id"] for taken in door.taken] == [control_id]


async def test_a_type_that_is_not_accepted_is_answered_ar_naming_what_is(door: Door) -> None:
    peer, other = await door.peer(), await door.peer()
    reply = await peer.ask(oru("A1", "ADT^A01"))
    assert (reply.code, reply.control_id, reply.error_codes) == ("AR", "A1", ("200",))
    assert "ORU^R01" in reply.text
    await unharmed(door, other)
    assert (await peer.ask(oru("M2"))).code == "AA"


@pytest.mark.parametrize(
    "content",
    [b"", b"PID|1||" + CANARY.encode(), b"hello", b"{}", b"\0\0\0"],
    ids=["empty", "PID", "text", "JSON", "0"],
)
async def test_a_block_without_header_is_answered_ar(door: Door, content: bytes) -> None:
    peer, other = await door.peer(), await door.peer()
    reply = await peer.ask(content)
    assert (reply.code, reply.control_id) == ("AR", "")
    assert "must start with the letters MSH" in reply.text
    assert "no-msh" in door.codes()
    await unharmed(door, other)
    assert (await peer.ask(oru("M2"))).code == "AA"


@pytest.mark.parametrize(
    "junk",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01", oru(), b"x" * 100],
    ids=["HTTP", "TLS", "HL7 without frame", "text"],
)
async def test_bytes_that_are_no_frame_are_answered_ar_and_closed(door: Door, junk: bytes) -> None:
    peer, other = await door.peer(), await door.peer()
    await peer.send(junk)
    await let_run()
    await door.clock.advance(4)
    received = await peer.rest()
    assert parse_ack(received[1:-2]).code == "AR"
    assert "not-mllp" in door.codes()
    await unharmed(door, other)


async def test_a_peer_that_hangs_up_after_junk_is_told_too(door: Door) -> None:
    peer = await door.peer()
    await peer.send(oru())
    peer.writer.write_eof()
    assert parse_ack((await peer.rest())[1:-2]).code == "AR"
    assert "not-mllp" in door.codes()


async def test_endless_junk_is_closed_without_waiting(door: Door) -> None:
    peer, other = await door.peer(), await door.peer()
    await peer.send(b"x" * 70_000)
    assert b"|AR" in await peer.rest()
    await unharmed(door, other)


async def test_junk_between_messages_is_dropped_and_the_messages_are_taken(door: Door) -> None:
    peer = await door.peer()
    await peer.send(b"\r\n\0junk" + block(oru("M1")) + b"\n\0\0more" + block(oru("M2")) + b"\r\n")
    assert [(await peer.answer()).control_id for _ in range(2)] == ["M1", "M2"]
    await door.clock.advance(10)
    assert (await peer.ask(oru("M3"))).code == "AA"
    dropped = [fields for _, event, fields in door.log.events if event == "mllp_bytes_dropped"]
    assert [fields["bytes"] for fields in dropped] == [4]


async def test_an_unfinished_block_is_given_up_when_the_next_one_begins(door: Door) -> None:
    peer = await door.peer()
    await peer.send(b"\x0bMSH|^~\\&|GLUCO|STM|half" + block(oru("M2")))
    assert (await peer.answer()).control_id == "M2"
    assert len(door.taken) == 1


async def test_a_bare_end_before_the_next_block_ends_the_message(door: Door) -> None:
    peer = await door.peer()
    await peer.send(b"\x0b" + oru("M1") + b"\x1c" + block(oru("M2")))
    assert [(await peer.answer()).control_id for _ in range(2)] == ["M1", "M2"]


async def test_a_bare_end_followed_by_silence_ends_the_message(door: Door) -> None:
    peer = await door.peer()
    await peer.send(b"\x0b" + oru("M1") + b"\x1c")
    await let_run()
    assert door.taken == []
    await door.clock.advance(3)
    assert (await peer.answer()).control_id == "M1"


async def test_a_bare_end_followed_by_the_end_of_the_stream_ends_the_message(door: Door) -> None:
    peer = await door.peer()
    await peer.send(b"\x0b" + oru("M1") + b"\x1c")
    peer.writer.write_eof()
    assert b"MSA|AA|M1" in await peer.rest()


@pytest.mark.parametrize("ended", [True, False], ids=["whole", "still coming"])
async def test_an_oversize_message_is_answered_ar_with_its_control_id_and_closed(ended: bool) -> None:
    async with Door(max_size="10 kB") as door:
        peer, other = await door.peer(), await door.peer()
        content = oru("BIG", extra="NTE|1||" + CANARY * 1000)
        await peer.send(block(content) if ended else b"\x0b" + content)
        received = await peer.rest()
        reply = parse_ack(received[1:-2])
        assert (reply.code, reply.control_id) == ("AR", "BIG")
        assert "10000 bytes" in reply.text
        assert "too-large" in door.codes()
        await unharmed(door, other)
        assert door.says_nothing_of_patients()


async def test_messages_before_an_oversize_one_are_answered_first() -> None:
    async with Door(verdict=None, max_size="10 kB") as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")) + block(oru("BIG", extra="x" * 20_000)) + block(oru("M3")))
        [arrival] = await door.arrivals(1)
        await let_run()
        await arrival.settle(sdk.Accepted("x"))
        received = await peer.rest()
        assert received.index(b"MSA|AA|M1") < received.index(b"MSA|AR|BIG")
        assert b"M3" not in received


async def test_an_oversize_sender_gets_its_answer_even_while_it_goes_on_sending() -> None:
    async with Door(max_size="10 kB") as door:
        peer = await door.peer()
        await peer.send(b"\x0b" + oru("BIG"))
        for _ in range(50):
            await peer.send(b"x" * 10_000)
        assert (await peer.answer()).code == "AR"


async def test_silence_inside_a_message_closes_the_connection_and_only_that(door: Door) -> None:
    peer, other = await door.peer(), await door.peer()
    await peer.send(b"\x0bMSH|^~\\&|GLUCO|" + CANARY.encode())
    await let_run()
    await door.clock.advance(29)
    assert "silence-in-frame" not in door.codes()
    await door.clock.advance(5)
    assert await peer.rest() == b""
    assert "silence-in-frame" in door.codes()
    await unharmed(door, other)


async def test_silence_between_messages_is_normal(door: Door) -> None:
    peer = await door.peer()
    await peer.ask(oru("M1"))
    await door.clock.advance(3_600)
    assert (await peer.ask(oru("M2"))).code == "AA"


async def test_silence_between_messages_can_be_limited() -> None:
    async with Door(idle_timeout="60s") as door:
        peer = await door.peer()
        await peer.ask(oru("M1"))
        await door.clock.advance(58)
        await peer.ask(oru("M2"))
        await door.clock.advance(58)
        assert (await peer.ask(oru("M3"))).code == "AA"
        await door.clock.advance(65)
        assert await peer.rest() == b""
        assert door.codes() == ["idle"]


async def test_a_connection_cut_inside_a_message_is_logged_and_nothing_stored(door: Door) -> None:
    peer, other = await door.peer(), await door.peer()
    await peer.send(block(oru("M1"))[:-2])
    await peer.close()
    await door.logged("cut-in-frame")
    await unharmed(door, other)


async def test_an_acknowledgement_is_not_answered(door: Door) -> None:
    peer = await door.peer()
    await peer.send(block(oru("A1", "ACK^R01")) + block(b"\x06") + block(b"\x15"))
    assert (await peer.ask(oru("M1"))).control_id == "M1"
    assert len(door.taken) == 1


async def test_too_many_connections_are_closed_and_the_others_stay() -> None:
    async with Door(max_connections=2) as door:
        first, second = await door.peer(), await door.peer()
        await first.ask(oru("M1"))
        await second.ask(oru("M2"))
        third = await door.peer()
        assert await third.rest() == b""
        assert "too-many-connections" in door.codes()
        assert (await first.ask(oru("M3"))).code == "AA"
        await second.close()
        await let_run()
        fourth = await door.peer()
        assert (await fourth.ask(oru("M4"))).code == "AA"


async def test_a_peer_that_never_reads_its_answers_is_closed(door: Door) -> None:
    sock = socket.create_connection(("127.0.0.1", door.listener.port))
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    content = block(oru(sender="G" * 60_000 + "|STM"))
    with pytest.raises(ConnectionError):
        await loop.sock_sendall(sock, content * 2000)
    sock.close()
    await door.logged("answers-not-read")
    assert (await (await door.peer()).ask(oru("OTHER"))).code == "AA"


async def test_a_peer_in_a_loop_does_not_fill_the_log(door: Door) -> None:
    peer = await door.peer()
    for number in range(120):
        assert (await peer.ask(oru(f"A{number}", "ADT^A01"))).code == "AR"
    counts = [fields["count"] for _, event, fields in door.log.events if event == "mllp_refused"]
    assert counts == [1, 10, 100]
