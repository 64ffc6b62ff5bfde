"""Several messages under way, answers that name no message, commit bytes, and receivers that say AR to everything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from pydantic import ValidationError

from clinical.hl7v2 import header
from connectors.mllp.settings import SenderSettings
from engine import sdk
from simulators.hospital import Habit, HospitalReceiver, Say
from tests.integration.mllp.parties import Post, block, failing, let_run, oru

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(handle: Handler) -> AsyncIterator[int]:
    """The port of a server that treats every connection like this, and closes it then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def one(reader: asyncio.StreamReader) -> str:
    """The control id of the next message."""
    return header((await reader.readuntil(b"\x1c\r"))[1:-2]).control_id


def said(code: str, control_id: str) -> bytes:
    return block(f"MSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|{code}|{control_id}\r".encode())


async def test_a_window_of_messages_is_under_way_and_answers_may_come_in_any_order() -> None:
    async def backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(5):
            ids = [await one(reader) for _ in range(4)]
            order.extend(ids)
            for control_id in reversed(ids):
                writer.write(said("AE" if control_id == "M6" else "AA", control_id))

    order: list[str] = []
    async with receiver(backwards) as port, Post(port, window=4, answers={"AE": "review"}) as post:
        sends = [asyncio.ensure_future(post.send(f"M{number}")) for number in range(20)]
        await failing(sends.pop(6), sdk.NeedsReview, "ack-ae")
        assert {answer.location for answer in await asyncio.gather(*sends)} == {f"M{n}" for n in range(20)} - {"M6"}
        assert order == [f"M{number}" for number in range(20)]


async def test_no_more_than_the_window_is_under_way() -> None:
    async with HospitalReceiver([Habit.SILENCE] * 9) as hospital, Post(hospital.port, window=3) as post:
        sends = [asyncio.ensure_future(post.send(f"M{number}")) for number in range(9)]
        await hospital.wait_for(3)
        await let_run()
        assert hospital.control_ids == ["M0", "M1", "M2"]
        await post.sender.close()
        for ended in await asyncio.gather(*sends, return_exceptions=True):
            assert isinstance(ended, sdk.Unavailable)


async def test_a_message_without_an_answer_closes_the_connection_for_all_and_the_same_bytes_go_again() -> None:
    async with HospitalReceiver([Habit.SILENCE] * 3) as hospital, Post(hospital.port, window=3) as post:
        sends = [asyncio.ensure_future(post.send(f"M{number}")) for number in range(3)]
        await hospital.wait_for(3)
        await post.clock.advance(30)
        await failing(sends[0], sdk.Unavailable, "ack-timeout")
        for sending in sends[1:]:
            await failing(sending, sdk.Unavailable, "connection-lost")
        again = await asyncio.gather(*(post.send(f"M{number}") for number in range(3)))
        assert [answer.location for answer in again] == ["M0", "M1", "M2"]
        assert hospital.received[:3] == hospital.received[3:]
        assert hospital.connections == 2


async def test_the_oldest_message_ends_with_what_is_no_answer_and_the_others_go_again_at_once() -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await one(reader) == "M0":
            writer.write(said("AA", "M0"))
            await one(reader)
            await one(reader)
            writer.write(said("AA", "SOMEBODY-ELSE"))
            await reader.read()
        else:
            writer.write(said("AA", "M2"))
            await reader.read()

    async with receiver(odd) as port, Post(port, window=2) as post:
        await post.send("M0")
        sends = [asyncio.ensure_future(post.send(control_id)) for control_id in ("M1", "M2")]
        await failing(sends[0], sdk.Refused, "wrong-control-id")
        assert (await sends[1]).location == "M2"


async def test_messages_with_one_control_id_are_never_under_way_together() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            await one(reader)
            await let_run()
            assert not reader._buffer  # type: ignore[attr-defined]
            writer.write(said("AA", "ACK"))
        await reader.read()

    async with receiver(slow) as port, Post(port, window=8) as post:
        answers = await asyncio.gather(*(post.send("ACK") for _ in range(3)))
        assert [answer.code for answer in answers] == ["AA"] * 3


@pytest.mark.parametrize("fits", [True, False])
async def test_an_answer_that_names_no_message_counts_only_where_the_channel_says_so(fits: bool) -> None:
    async def nameless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one(reader)
        writer.write(said("AA", ""))
        await reader.read()

    async with receiver(nameless) as port, Post(port, empty_msa_2=fits) as post:
        if fits:
            assert (await post.send("M1")).code == "AA"
        else:
            await failing(post.send("M1"), sdk.Refused, "wrong-control-id")


async def test_a_commit_byte_delivers_where_the_channel_says_so_and_answers_behind_it_change_nothing() -> None:
    async def release_2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for code in ("AA", "AE"):
            control_id = await one(reader)
            writer.write(block(b"\x06") + said(code, control_id))
        await one(reader)
        writer.write(block(b"\x06"))
        await reader.read()

    async with receiver(release_2) as port, Post(port, delivered_by="commit") as post:
        for control_id in ("M1", "M2", "M3"):
            assert await post.send(control_id) == sdk.Answer("CA", location=control_id)
        assert [fields["code"] for _, _, fields in post.log.events] == ["answer-after-commit"]  # the AE


@pytest.mark.parametrize("by", ["answer", "commit"])
async def test_a_message_that_is_not_committed_goes_again_over_the_same_connection(by: str) -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one(reader)
        writer.write(block(b"\x15"))
        writer.write(block(b"\x06") + said("AA", await one(reader)))
        await reader.read()

    async with receiver(full) as port, Post(port, delivered_by=by) as post:
        await failing(post.send("M1"), sdk.Unavailable, "not-committed")
        assert (await post.send("M1")).location == "M1"


async def test_a_receiver_that_says_ar_to_everything_is_sent_less_and_less_until_it_says_something_else() -> None:
    async with HospitalReceiver([Say("AR")] * 6) as hospital, Post(hospital.port) as post:
        sent_at = []
        for number in range(9):
            sending = asyncio.ensure_future(post.send(f"M{number}"))
            while not sending.done():
                await let_run()
                if not sending.done() and len(hospital.received) == number:
                    await post.clock.advance(0.5)
            sent_at.append(post.clock.monotonic())
            assert isinstance(sending.exception(), sdk.Unavailable) is (number < 6)
        assert [after - before for before, after in pairwise(sent_at)] == [0, 1, 2, 4, 8, 16, 0, 0]


async def test_a_pause_between_messages_is_kept() -> None:
    async with HospitalReceiver() as hospital, Post(hospital.port, pause_between="2s", connections=2) as post:
        await post.send("M1")
        second, third = (asyncio.ensure_future(post.send(control_id)) for control_id in ("M2", "M3"))
        await let_run()
        assert hospital.control_ids == ["M1"]
        await post.clock.advance(2)
        await second
        await let_run()
        assert hospital.control_ids == ["M1", "M2"]
        await post.clock.advance(2)
        await third


@pytest.mark.parametrize("nameless", [{"delivered_by": "commit"}, {"empty_msa_2": True}])
def test_a_window_needs_answers_that_name_their_message(nameless: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="window must be 1"):
        SenderSettings.model_validate({"host": "h", "port": 1, "window": 2, **nameless})


async def test_a_message_that_is_sent_twice_under_one_id_keeps_its_bytes() -> None:
    async with HospitalReceiver([Habit.HANG_UP]) as hospital, Post(hospital.port, window=4) as post:
        await failing(post.send(body=oru("M1", extra="NTE|1||x\r")), sdk.Unavailable, "connection-lost")
        await post.send(body=oru("M1", extra="NTE|1||x\r"))
        assert hospital.received[0] == hospital.received[1]


@pytest.mark.parametrize("rest", [b"", b"\r"])
async def test_an_answer_that_ends_with_a_bare_1c_is_an_answer(rest: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            await reader.readuntil(b"\x1c\r")
            writer.write(rest if number else b"")  # the 0D of the answer before
            writer.write(f"\x0bMSH|^~\\&|EHR\rMSA|AA|M{number}\r\x1c".encode())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        for number in range(2):
            assert (await post.send(f"M{number}")).location == f"M{number}"


async def test_an_empty_answer_does_not_hide_the_one_behind_it() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.write(block(b"") + block(b"MSH|^~\\&|EHR\rMSA|AA|M1\r"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Post(server.sockets[0].getsockname()[1]) as post:
        await failing(post.send("M1"), sdk.Unavailable, "rubbish")
