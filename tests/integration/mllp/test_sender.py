"""The sender against receivers of every habit: a message is delivered when its own answer says so, and only then."""

import asyncio

import pytest

from clinical.hl7v2 import header
from engine import sdk
from simulators.hospital import AA, Habit, HospitalReceiver, Say
from tests.integration.mllp.parties import CANARY, Post, failing, let_run, oru


async def test_an_aa_is_a_delivery_named_by_the_control_id(hospital: HospitalReceiver) -> None:
    async with Post(hospital.port) as post:
        assert await post.send("M1") == sdk.Answer("AA", location="M1")
        assert hospital.received == [oru("M1")]


async def test_the_connection_is_kept_for_the_next_message(hospital: HospitalReceiver) -> None:
    async with Post(hospital.port) as post:
        for number in range(20):
            assert (await post.send(f"M{number}")).location == f"M{number}"
        await post.clock.advance(86_400)
        await post.send("M20")
        assert hospital.connections == 1
        assert hospital.distinct == 21


@pytest.mark.parametrize("habit", [Habit.IN_PIECES, Habit.TWICE])
async def test_an_answer_in_pieces_or_twice_is_an_answer(habit: Habit) -> None:
    async with HospitalReceiver([habit] * 5) as hospital, Post(hospital.port) as post:
        for number in range(5):
            assert (await post.send(f"M{number}")).location == f"M{number}"
        assert (hospital.connections, hospital.distinct) == (1, 5)


@pytest.mark.parametrize(
    ("said", "word", "code"),
    [
        (Say("AE", CANARY, "102"), sdk.Refused, "ack-ae-102"),
        (Say("AR", CANARY), sdk.Unavailable, "ack-ar-207"),
        (Say("CE"), sdk.Refused, "ack-ce"),
        (Say("CR"), sdk.Refused, "ack-cr"),
        (Say("AE", CANARY, "204"), sdk.NeedsReview, "ack-ae-204"),
    ],
)
async def test_a_negative_answer_is_what_the_table_says_and_its_words_stay_in_the_journal(
    said: Say, word: type[sdk.EngineError], code: str
) -> None:
    async with HospitalReceiver([said]) as hospital, Post(hospital.port, answers={"AE: 204": "review"}) as post:
        error = await failing(post.send("M1"), word, code)
        assert error.detail == said.text
        assert (await post.send("M2")).code == "AA"
        assert hospital.connections == 1


async def test_ca_is_a_delivery_too() -> None:
    async with HospitalReceiver([Say("CA")]) as hospital, Post(hospital.port) as post:
        assert (await post.send()).code == "CA"


async def test_on_silence_the_connection_is_closed_and_the_same_bytes_go_again() -> None:
    async with HospitalReceiver([Habit.SILENCE]) as hospital, Post(hospital.port, wait_for_ack="10s") as post:
        sending = asyncio.ensure_future(post.send("M1"))
        await hospital.wait_for(1)
        await post.clock.advance(9)
        assert not sending.done()
        await post.clock.advance(1)
        error = await failing(sending, sdk.Unavailable, "ack-timeout")
        assert "10 s" in error.text
        assert (await post.send("M1")).location == "M1"
        assert hospital.received[0] == hospital.received[1]
        assert hospital.connections == 2


async def test_an_answer_that_comes_too_late_meets_a_closed_door() -> None:
    answer_now, closed = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        await answer_now.wait()
        writer.write(b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|M1\r\x1c\r")
        assert await reader.read() == b""
        closed.set()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        sending = asyncio.ensure_future(post.send("M1"))
        await let_run()
        await post.clock.advance(30)
        await failing(sending, sdk.Unavailable, "ack-timeout")
        await let_run()
        assert not post.sender._clients  # closed before the answer and before any other message
        answer_now.set()


async def test_a_late_answer_on_a_new_connection_is_not_taken_for_the_next_message() -> None:
    """A receiver that answers message 1, given up before, when message 2 comes."""
    heard: list[bytes] = []

    async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\x1c\r"))
        if b"|M1|" not in heard[-1]:
            for control_id in (b"M1", b"M2"):
                writer.write(b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|%b|%b\r\x1c\r" % (b"AE", control_id))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(behind, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1], answers={"AE": "delivered"}) as post:
        sending = asyncio.ensure_future(post.send("M1"))
        await let_run()
        await post.clock.advance(30)
        await failing(sending, sdk.Unavailable, "ack-timeout")
        assert (await post.send("M2")).location == "M2"
        assert [fields["code"] for _, _, fields in post.log.events] == ["late-answer"]


@pytest.mark.parametrize(
    ("habit", "word", "code"),
    [
        (Habit.HANG_UP, sdk.Unavailable, "connection-lost"),
        (Habit.HALF_AN_ANSWER, sdk.Unavailable, "connection-lost"),
        (Habit.WRONG_ID, sdk.Refused, "wrong-control-id"),
        (Habit.RUBBISH, sdk.Unavailable, "rubbish"),
    ],
)
async def test_what_is_no_answer_ends_the_connection_and_the_next_message_gets_its_own(
    habit: Habit, word: type[sdk.EngineError], code: str
) -> None:
    async with HospitalReceiver([habit]) as hospital, Post(hospital.port) as post:
        await failing(post.send("M1"), word, code)
        assert (await post.send("M1")).location == "M1"
        assert hospital.received[0] == hospital.received[1]
        assert hospital.connections == 2


async def test_a_kept_connection_that_closes_as_we_send_is_replaced_at_once() -> None:
    script: list[Say | Habit] = [AA, Habit.HANG_UP]
    async with HospitalReceiver(script) as hospital, Post(hospital.port) as post:
        await post.send("M1")
        assert (await post.send("M2")).location == "M2"
        assert hospital.control_ids == ["M1", "M2", "M2"]
        assert hospital.connections == 2


async def test_a_kept_connection_that_closes_is_not_replaced_where_silence_means_hold() -> None:
    script: list[Say | Habit] = [AA, Habit.HANG_UP]
    async with HospitalReceiver(script) as hospital, Post(hospital.port, answers={"no_answer": "hold"}) as post:
        await post.send("M1")
        await failing(post.send("M2"), sdk.Refused, "connection-lost")
        assert hospital.control_ids == ["M1", "M2"]


async def test_a_receiver_that_closes_after_every_answer_gets_every_message_without_a_pause() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await reader.readuntil(b"\x1c\r")
        heard.append(header(message[1:]).control_id)
        writer.write(b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|%b\r\x1c\r" % heard[-1].encode())
        writer.close()

    heard: list[str] = []
    server = await asyncio.start_server(once, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        for number in range(30):
            assert (await post.send(f"M{number}")).code == "AA"
    assert heard == [f"M{number}" for number in range(30)]


async def test_the_table_decides_about_silence_wrong_ids_and_rubbish_too() -> None:
    table = {"no_answer": "review", "wrong_control_id": "retry", "rubbish": "hold"}
    script = [Habit.HANG_UP, Habit.WRONG_ID, Habit.RUBBISH]
    async with HospitalReceiver(script) as hospital, Post(hospital.port, answers=table) as post:
        await failing(post.send(), sdk.NeedsReview, "connection-lost")
        await failing(post.send(), sdk.Unavailable, "wrong-control-id")
        await failing(post.send(), sdk.Refused, "rubbish")


async def test_an_answer_of_endless_bytes_is_rubbish() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.write(b"\x0b" + b"x" * 1_100_000)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        await failing(post.send(), sdk.Unavailable, "rubbish")


async def test_a_commit_byte_before_the_answer_is_passed_over() -> None:
    async def release_2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.write(b"\x0b\x06\x1c\r\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|M1\r\x1c\r")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(release_2, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        assert (await post.send("M1")).code == "AA"


async def test_a_receiver_that_will_not_answer_any_more_is_not_waited_for() -> None:
    """It stops writing, but neither reads on nor closes."""
    release = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write_eof()
        await release.wait()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        body = oru(extra="NTE|1||" + "x" * 30_000_000)
        async with asyncio.timeout(20):  # the kernel gives a peer that does not read a minute
            await failing(post.send(body=body), sdk.Unavailable, "connection-lost")
        release.set()


async def test_nobody_there_is_unavailable_and_a_receiver_that_comes_back_is_found_again() -> None:
    hospital = HospitalReceiver()
    await hospital.start()
    async with Post(hospital.port) as post:
        await post.send("M1")
        await hospital.stop()
        await failing(post.send("M2"), sdk.Unreachable, "not-connected")
        await hospital.start()
        assert (await post.send("M2")).location == "M2"
        assert hospital.control_ids == ["M1", "M2"]
    await hospital.stop()


async def test_a_receiver_that_never_finishes_connecting_is_given_up() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1], tls={}, connect_within="5s") as post:
        sending = asyncio.ensure_future(post.send())
        await let_run()
        await post.clock.advance(5)
        await failing(sending, sdk.Unreachable, "connect-timeout")


async def test_an_unknown_host_is_unavailable() -> None:
    async with Post(2575, host="no-such-host.invalid") as post:
        await failing(post.send(), sdk.Unreachable, "unknown-host")


async def test_one_connection_has_one_message_under_way_and_keeps_the_order_of_the_calls(
    hospital: HospitalReceiver,
) -> None:
    async with Post(hospital.port) as post:
        answers = await asyncio.gather(*(post.send(f"M{number}") for number in range(50)))
        assert [answer.location for answer in answers] == [f"M{number}" for number in range(50)]
        assert hospital.control_ids == [f"M{number}" for number in range(50)]
        assert hospital.connections == 1


async def test_more_connections_carry_messages_side_by_side() -> None:
    script: list[Say | Habit] = [Habit.SILENCE, Habit.SILENCE, AA]
    async with HospitalReceiver(script) as hospital, Post(hospital.port, connections=3) as post:
        stuck = [asyncio.ensure_future(post.send(f"S{number}")) for number in range(2)]
        await hospital.wait_for(2)
        assert (await post.send("M1")).location == "M1"
        assert hospital.connections == 3
        await post.clock.advance(30)
        for sending in stuck:
            await failing(sending, sdk.Unavailable, "ack-timeout")


async def test_a_cancelled_send_closes_its_connection() -> None:
    async with HospitalReceiver([Habit.SILENCE]) as hospital, Post(hospital.port) as post:
        sending = asyncio.ensure_future(post.send("M1"))
        await hospital.wait_for(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await post.send("M2")).location == "M2"
        assert hospital.connections == 2


async def test_closing_ends_what_is_under_way_and_nothing_is_sent_afterwards() -> None:
    async with HospitalReceiver([Habit.SILENCE]) as hospital, Post(hospital.port) as post:
        sending = asyncio.ensure_future(post.send("M1"))
        await hospital.wait_for(1)
        await post.sender.close()
        await failing(sending, sdk.Unavailable, "connection-lost")
        await post.sender.close()
        await failing(post.send("M2"), sdk.Unavailable, "closed")
        assert hospital.control_ids == ["M1"]


async def test_closing_works_without_opening() -> None:
    await Post(2575).sender.close()


async def test_a_message_that_cannot_be_sent_never_reaches_the_wire(hospital: HospitalReceiver) -> None:
    async with Post(hospital.port) as post:
        await failing(post.send(body=b"PID|1||" + CANARY.encode()), sdk.InvalidMessage, "no-msh")
        await failing(post.send(body=oru("")), sdk.InvalidMessage, "no-control-id")
        assert hospital.connections == 0
