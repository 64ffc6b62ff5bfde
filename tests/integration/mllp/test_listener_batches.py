"""Several messages in a block: each is stored as it came, and answered as the channel says."""

import pytest

from engine import sdk
from tests.integration.mllp.parties import Door, Peer, block, let_run, oru

HEADS = b"FHS|^~\\&|GLUCO|STM|ISLET|LAB\rBHS|^~\\&|GLUCO|STM|ISLET|LAB|20261120||||B77\r"


def batch(*messages: bytes, count: int | None = None) -> bytes:
    return HEADS + b"".join(messages) + f"BTS|{len(messages) if count is None else count}\rFTS|1\r".encode()


THREE = (oru("M1"), oru("M2"), oru("M3"))


def verdicts(*codes: str) -> list[sdk.Verdict]:
    known: dict[str, sdk.Verdict] = {
        "A": sdk.Accepted("x"),
        "E": sdk.Rejected("no", "it is wrong"),
        "R": sdk.Deferred(1.0, "not now"),
    }
    return [known[code] for code in codes]


async def heard(peer: Peer) -> list[tuple[str, str]]:
    """All that comes until the other side closes: MSA-1 and MSA-2 of each block."""
    peer.writer.write_eof()
    lines = (await peer.rest()).replace(b"\x1c\r", b"\r").split(b"\r")
    found = [line.decode().split("|") for line in lines if line.startswith(b"MSA|")]
    return [(fields[1], fields[2]) for fields in found]


@pytest.mark.parametrize(
    "content",
    [batch(*THREE), b"".join(THREE), HEADS + b"".join(THREE), batch(*THREE).replace(b"\r", b"\r\n")],
    ids=["batch", "several MSH", "no trailers", "CRLF"],
)
async def test_each_message_of_a_block_arrives_as_it_came_and_is_answered(door: Door, content: bytes) -> None:
    peer = await door.peer()
    await peer.send(block(content))
    assert [(await peer.answer()).control_id for _ in range(3)] == ["M1", "M2", "M3"]
    bodies = [arrival.body for arrival in await door.arrivals(3)]
    assert [body.replace(b"\n", b"") for body in bodies] == list(THREE)
    assert all(body in content for body in bodies)
    assert (await peer.ask(oru("M4"))).control_id == "M4"


async def test_a_message_of_a_batch_that_is_not_taken_is_refused_alone(door: Door) -> None:
    peer = await door.peer()
    await peer.send(block(batch(oru("M1"), oru("A1", "ADT^A01"), oru("M3"))))
    answers = [await peer.answer() for _ in range(3)]
    assert [(answer.code, answer.control_id) for answer in answers] == [("AA", "M1"), ("AR", "A1"), ("AA", "M3")]


@pytest.mark.parametrize(
    ("mode", "codes", "answers"),
    [
        ("each", "AEA", [("AA", "M1"), ("AE", "M2"), ("AA", "M3")]),
        ("errors", "AEA", [("AE", "M2")]),
        ("errors", "AAA", []),
        ("none", "AEA", []),
        ("one", "AAA", [("AA", "B77")]),
        ("one", "AEA", [("AE", "B77")]),
        ("one", "ARE", [("AR", "B77")]),
    ],
)
async def test_a_batch_is_answered_as_the_channel_says(mode: str, codes: str, answers: list[tuple[str, str]]) -> None:
    said = verdicts(*codes)
    async with Door(lambda number: said[number], batches=mode) as door:
        peer = await door.peer()
        await peer.send(block(batch(*THREE)))
        await door.arrivals(3)
        assert await heard(peer) == answers


async def test_one_answer_for_all_comes_only_when_the_last_message_is_stored() -> None:
    async with Door(verdict=None, batches="one") as door:
        peer = await door.peer()
        await peer.send(block(batch(*THREE)))
        arrivals = await door.arrivals(3)
        for arrival in (arrivals[2], arrivals[0]):
            await arrival.settle(sdk.Accepted("x"))
        await let_run()
        assert not peer.reader._buffer  # type: ignore[attr-defined]
        await arrivals[1].settle(sdk.Accepted("x"))
        assert (await peer.answer()).control_id == "B77"


async def test_a_batch_whose_answer_nobody_wants_ends_the_connection_if_it_cannot_be_stored() -> None:
    async with Door(lambda _: sdk.Deferred(1.0, "disk full"), batches="none") as door:
        peer = await door.peer()
        await peer.send(block(batch(*THREE)))
        assert await peer.rest() == b""


async def test_a_batch_that_lacks_messages_is_not_answered_as_whole() -> None:
    async with Door(batches="one") as door:
        peer = await door.peer()
        await peer.send(block(batch(*THREE, count=5)))
        answer = await peer.answer()
        assert (answer.code, answer.control_id) == ("AE", "B77")
        assert "BTS-1 says 5" in answer.text
        assert "batch-count" in door.codes()
        assert len(door.taken) == 3


async def test_a_batch_without_messages_is_refused(door: Door) -> None:
    peer = await door.peer()
    assert (await peer.ask(HEADS + b"BTS|0\r")).code == "AR"
    assert "empty-batch" in door.codes()
    assert (await peer.ask(oru("M1"))).code == "AA"


async def test_batches_can_be_refused_whole() -> None:
    async with Door(batches="refuse") as door:
        peer = await door.peer()
        for content in (batch(*THREE), b"".join(THREE)):
            answer = await peer.ask(content)
            assert (answer.code, answer.error_codes) == ("AR", ("100",))
            assert "of its own" in answer.text
        assert door.taken == []


async def test_a_batch_of_more_messages_than_may_be_unanswered_is_taken_bit_by_bit() -> None:
    async with Door(verdict=None, at_once=4) as door:
        peer = await door.peer()
        await peer.send(block(batch(*(oru(f"M{number}") for number in range(30)))))
        for settled in range(30):
            expected = min(30, 4 + settled)
            arrivals = await door.arrivals(expected)
            await let_run()
            assert len(door.taken) == expected
            await arrivals[settled].settle(sdk.Accepted("x"))
            assert (await peer.answer()).control_id == f"M{settled}"


async def test_commit_bytes_stand_for_a_whole_block() -> None:
    said = verdicts("A", "A", "A", "A", "E", "A")
    async with Door(lambda number: said[number], commit_bytes=True) as door:
        peer = await door.peer()
        await peer.send(block(batch(*THREE)) + block(batch(*THREE)))
        raw = [await peer.raw_answer() for _ in range(8)]
        assert raw[3] == block(b"\x06")
        assert raw[7] == block(b"\x15")
        assert all(b"MSA|" in raw[place] for place in (0, 1, 2, 4, 5, 6))


async def test_an_idle_dsc_trailer_is_part_of_its_message_and_a_real_fragment_is_refused(door: Door) -> None:
    peer = await door.peer()
    for number in range(2):
        assert (await peer.ask(oru(f"T{number}", extra="DSC|1|F\r"))).code == "AA"
    assert (await door.arrivals(1))[0].body.endswith(b"DSC|1|F\r")
    second = oru("T3").replace(b"|2.5.1\r", b"|2.5.1||1\r")
    answer = await peer.ask(second)
    assert (answer.code, answer.control_id, answer.error_codes) == ("AR", "T3", ("100",))
    assert "fragment" in door.codes()
    assert (await peer.ask(second)).code == "AA"  # alone, MSH-14 is anybody's guess
