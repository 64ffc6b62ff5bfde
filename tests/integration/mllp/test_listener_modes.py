"""Acknowledgement modes, release 2's commit bytes, and which peers may connect."""

import pytest

from connectors.mllp.settings import ListenerSettings
from engine import sdk
from tests.integration.mllp.parties import Door, Peer, block, let_run, oru


def asking(control_id: str, accept: str, application: str, kind: str = "ORU^R01") -> bytes:
    return oru(control_id, kind).replace(b"|2.5.1\r", f"|2.5.1|||{accept}|{application}\r".encode())


async def code_of(peer: Peer, content: bytes) -> str | None:
    """MSA-1 of the answer to this message; None if the next one is answered first."""
    await peer.send(block(content) + block(oru("NEXT")))
    first = await peer.answer()
    if first.control_id == "NEXT":
        return None
    assert (await peer.answer()).control_id == "NEXT"
    return first.code


@pytest.mark.parametrize(
    ("accept", "application", "stored", "refused"),
    [
        ("AL", "NE", "CA", "CR"),
        ("AL", "AL", "CA", "CR"),
        ("al ", "", "CA", "CR"),
        ("ER", "NE", None, "CR"),
        ("ER", "AL", "AA", "CR"),
        ("SU", "NE", "CA", None),
        ("SU", "AL", "CA", "AR"),
        ("NE", "AL", "AA", "AR"),
        ("NE", "ER", None, "AR"),
        ("NE", "NE", None, None),
        ("", "", "AA", "AR"),
        ("", "2", "AA", "AR"),
        ("", "0", "AA", "AR"),
        ("ACCEPT", "ACKNOLWEDGE", "AA", "AR"),
    ],
)
async def test_a_message_is_answered_as_it_asks_where_the_channel_says_so(
    accept: str, application: str, stored: str | None, refused: str | None
) -> None:
    async with Door(accepts=("ORU",), acknowledge="as_asked") as door:
        peer = await door.peer()
        assert await code_of(peer, asking("M1", accept, application)) == stored
        assert await code_of(peer, asking("A1", accept, application, "ADT^A01")) == refused


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        ("AL", "AL", ["CA", "AA"]),
        ("AL", "SU", ["CA", "AA"]),
        ("SU", "AL", ["CA", "AA"]),
        ("AL", "ER", ["CA"]),
        ("AL", "NE", ["CA"]),
        ("NE", "AL", ["AA"]),
        ("NE", "NE", []),
        ("", "", ["AA"]),
        ("", "AL", ["AA"]),
    ],
)
async def test_a_sender_that_wants_both_answers_gets_both_where_the_channel_says_so(
    accept: str, application: str, codes: list[str]
) -> None:
    async with Door(accepts=("ORU",), acknowledge="both") as door:
        peer = await door.peer()
        await peer.send(block(asking("M1", accept, application)) + block(oru("NEXT")))
        answers = [await peer.answer()]
        while answers[-1].control_id != "NEXT":
            answers.append(await peer.answer())
        assert [answer.code for answer in answers[:-1]] == codes
        await peer.send(block(asking("A1", "AL", "AL", "ADT^A01")) + block(oru("NEXT")))
        assert [(await peer.answer()).code for _ in range(2)] == ["CR", "AA"]


async def test_the_second_answer_is_a_message_of_its_own_that_wants_none() -> None:
    async with Door(acknowledge="both") as door:
        peer = await door.peer()
        await peer.send(block(asking("M1", "AL", "AL")))
        first, second = [(await peer.raw_answer()).split(b"\r")[0].split(b"|") for _ in range(2)]
        assert first[9] != second[9]
        assert second[14:16] == [b"NE", b"NE"]


async def test_an_accept_answer_asks_for_no_answer_itself() -> None:
    async with Door(acknowledge="as_asked") as door:
        peer = await door.peer()
        await peer.send(block(asking("M1", "AL", "NE")))
        msh = (await peer.raw_answer()).split(b"\r")[0].split(b"|")
        assert len(msh) < 15 or not any(msh[14:16])


async def test_a_message_that_wants_no_answer_and_cannot_be_stored_ends_the_connection() -> None:
    async with Door(lambda _: sdk.Deferred(1.0, "disk full"), acknowledge="as_asked") as door:
        peer = await door.peer()
        await peer.send(block(asking("M1", "NE", "NE")))
        assert await peer.rest() == b""


async def test_commit_bytes_come_when_the_message_is_stored_and_not_before() -> None:
    async with Door(verdict=None, commit_bytes=True) as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")))
        [arrival] = await door.arrivals(1)
        await let_run()
        assert not peer.reader._buffer  # type: ignore[attr-defined]
        await arrival.settle(sdk.Accepted("x"))
        assert await peer.raw_answer() == block(b"\x06")
        assert (await peer.answer()).control_id == "M1"


@pytest.mark.parametrize("verdict", [sdk.Rejected("no", "wrong"), sdk.Deferred(1.0, "disk full")])
async def test_what_is_not_stored_is_not_committed(verdict: sdk.Verdict) -> None:
    async with Door(lambda _: verdict, commit_bytes=True) as door:
        peer = await door.peer()
        await peer.send(block(oru("M1")))
        assert await peer.raw_answer() == block(b"\x15")
        assert (await peer.answer()).code in ("AE", "AR")


async def test_commit_bytes_are_all_that_is_written_where_no_answer_is_asked_for() -> None:
    async with Door(commit_bytes=True, acknowledge="as_asked") as door:
        peer = await door.peer()
        await peer.send(block(asking("M1", "NE", "NE")) + block(oru("M2")))
        raw = [await peer.raw_answer() for _ in range(3)]
        assert raw[:2] == [block(b"\x06")] * 2
        assert b"MSA|AA|M2" in raw[2]


async def test_a_message_that_is_refused_again_and_again_is_told_to_be_left_off(door: Door) -> None:
    codes = []
    for _ in range(7):
        peer = await door.peer()  # the count is not the connection's
        codes.append((await peer.ask(oru("A1", "ADT^A01"))).code)
    assert codes == ["AR"] * 5 + ["AE"] * 2
    assert door.taken == []


@pytest.mark.parametrize(("allowed", "gets_in"), [(["127.0.0.0/8"], True), (["10.0.0.0/8", "192.0.2.7"], False)])
async def test_only_allowed_addresses_get_in(allowed: list[str], gets_in: bool) -> None:
    async with Door(allow=allowed) as door:
        peer = await door.peer()
        if gets_in:
            assert (await peer.ask(oru())).code == "AA"
        else:
            assert await peer.rest() == b""
            assert door.codes() == ["address-not-allowed"]


async def test_the_newest_connection_of_an_address_ends_the_ones_before_and_they_get_what_is_owed() -> None:
    async with Door(verdict=None, newest_wins=True) as door:
        old = await door.peer()
        await old.send(block(oru("M1")))
        [arrival] = await door.arrivals(1)
        new = await door.peer()
        await new.send(block(oru("M2")))
        _, second = await door.arrivals(2)
        await old.send(block(oru("M3")))
        await arrival.settle(sdk.Accepted("x"))
        assert b"MSA|AA|M1" in await old.rest()
        await second.settle(sdk.Accepted("x"))
        assert (await new.answer()).control_id == "M2"
        assert door.codes() == ["replaced"]
        assert len(door.taken) == 2


async def test_connections_of_one_address_live_side_by_side_unless_the_channel_says_so(door: Door) -> None:
    first, second = await door.peer(), await door.peer()
    assert (await second.ask(oru("M2"))).code == "AA"
    assert (await first.ask(oru("M1"))).code == "AA"


def test_a_list_of_certificates_without_an_authority_to_ask_for_them_is_refused() -> None:
    with pytest.raises(ValueError, match="client_ca"):
        ListenerSettings(port=2575, allow_certificates=("lab.stm.example",))
