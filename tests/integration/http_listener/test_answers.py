"""The HTTP listener on real sockets: what a sender is answered, and when."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from engine import sdk
from tests.integration.http_listener.door import CANARY, a_door, post, until


async def accept_all(arrivals: AsyncIterator[sdk.Arrival], seen: list[sdk.Arrival]) -> None:
    async for arrival in arrivals:
        seen.append(arrival)
        await arrival.settle(sdk.Accepted(f"m{len(seen)}"))


async def test_a_message_is_answered_202_only_once_it_was_accepted(client: aiohttp.ClientSession) -> None:
    async with a_door() as door:
        posting = asyncio.ensure_future(post(client, door.url, CANARY, Idempotency_Key="k1"))
        arrival = await door.next()
        assert not posting.done()
        assert (arrival.body, arrival.shape, arrival.source_key, arrival.order_key) == (
            CANARY,
            sdk.Shape.JSON,
            "k1",
            None,
        )
        assert arrival.meta["content_type"] == "application/json"
        await arrival.settle(sdk.Accepted("m1"))
        status, answer, _ = await posting
        assert (status, answer) == (202, {"id": "m1"})


@pytest.mark.parametrize(
    ("verdict", "status", "answer", "retry_after"),
    [
        (sdk.Accepted("m1", duplicate=True), 202, {"id": "m1", "duplicate": True}, None),
        (
            sdk.Rejected("no-such-type", "send results only"),
            422,
            {"code": "no-such-type", "text": "send results only"},
            None,
        ),
        (sdk.Deferred(2.5, "the store is full"), 503, {"code": "try-again", "text": "the store is full"}, "3"),
    ],
)
async def test_every_other_verdict_has_its_answer(
    client: aiohttp.ClientSession, verdict: sdk.Verdict, status: int, answer: dict[str, object], retry_after: str | None
) -> None:
    async with a_door() as door:
        posting = asyncio.ensure_future(post(client, door.url))
        await (await door.next()).settle(verdict)
        got = await posting
        assert (got[0], got[1], got[2].get("Retry-After")) == (status, answer, retry_after)


async def test_the_order_key_comes_from_the_header_that_the_settings_name(client: aiohttp.ClientSession) -> None:
    async with a_door(order_key_header="X-Patient", idempotency_header="X-Message") as door:
        posting = asyncio.ensure_future(post(client, door.url, X_Patient="p1", X_Message="m9"))
        arrival = await door.next()
        assert (arrival.source_key, arrival.order_key) == ("m9", "p1")
        await arrival.settle(sdk.Accepted("m1"))
        await posting


async def test_who_finds_no_place_waits_and_is_not_turned_away(client: aiohttp.ClientSession) -> None:
    async with a_door(at_once=2) as door:
        postings = [asyncio.ensure_future(post(client, door.url, b"%d" % number)) for number in range(5)]
        in_hand = [await door.next(), await door.next()]
        third = asyncio.ensure_future(door.next())
        await until(lambda: len(door.listener._patience) == 3)  # the other three have come, and wait
        assert not third.done()
        for arrival in in_hand:
            await arrival.settle(sdk.Accepted("m"))
        for taken in (third, door.next(), door.next()):
            in_hand.append(await taken)
            await in_hand[-1].settle(sdk.Accepted("m"))
        assert [(await posting)[0] for posting in postings] == [202] * 5
        assert sorted(arrival.body for arrival in in_hand) == [b"0", b"1", b"2", b"3", b"4"]


async def test_many_senders_on_kept_connections_are_each_answered_their_own(client: aiohttp.ClientSession) -> None:
    async with a_door() as door:
        seen: list[sdk.Arrival] = []
        accepting = asyncio.ensure_future(accept_all(door.arrivals, seen))
        answers = await asyncio.gather(*(post(client, door.url, b"%d" % number) for number in range(100)))
        ids = {int(answer["id"][1:]) - 1: number for number, (_, answer, _) in enumerate(answers)}
        assert {at: int(arrival.body) for at, arrival in enumerate(seen)} == ids
        accepting.cancel()
