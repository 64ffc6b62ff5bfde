"""The HTTP listener on real sockets: what a sender is answered, and when."""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from connectors.http_listener import HttpListener, HttpListenerSettings
from engine import sdk
from engine.testing.fakes import MemoryLog, plugin_context

CANARY = b'{"patient": "Zweistein, Franziska", "mrn": "4711-0815"}'
JSON = {"Content-Type": "application/json"}
SECONDS = 20


class Door:
    """A listener that is open, with one place where its arrivals come out."""

    def __init__(self, listener: HttpListener, log: MemoryLog, arrivals: AsyncIterator[sdk.Arrival]) -> None:
        self.listener = listener
        self.log = log
        self.arrivals = arrivals

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}/in"

    async def next(self) -> sdk.Arrival:
        async with asyncio.timeout(SECONDS):
            return await anext(self.arrivals)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for lies in the listener, which has no event for it
            await asyncio.sleep(0)


async def accept_all(arrivals: AsyncIterator[sdk.Arrival], seen: list[sdk.Arrival]) -> None:
    async for arrival in arrivals:
        seen.append(arrival)
        await arrival.settle(sdk.Accepted(f"m{len(seen)}"))


@asynccontextmanager
async def a_door(**settings: Any) -> AsyncIterator[Door]:
    """Open a listener; its `deliveries` is run by a queue, so that tests may take an arrival or let it wait."""
    log = MemoryLog()
    written = {"port": 0, "path": "/in", **settings}
    listener = HttpListener(HttpListenerSettings.model_validate(written), plugin_context(log=log))
    deliveries = listener.deliveries()
    first = asyncio.ensure_future(anext(deliveries))

    async def arrivals() -> AsyncIterator[sdk.Arrival]:
        with suppress(StopAsyncIteration):
            yield await first
            async for arrival in deliveries:
                yield arrival

    try:
        async with asyncio.timeout(SECONDS):
            await listener.opened.wait()
        yield Door(listener, log, arrivals())
    finally:
        async with asyncio.timeout(SECONDS):
            await listener.close()
        first.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await first
        await deliveries.aclose()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
        yield session


async def post(client: aiohttp.ClientSession, url: str, body: bytes = b"{}", **headers: str) -> tuple[int, Any, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(url, data=body, headers={**JSON, **named}) as response:
        return response.status, await response.json(), response.headers


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


async def refused(client: aiohttp.ClientSession, door: Door, method: str, url: str, **request: Any) -> tuple[int, str]:
    async with client.request(method, url, **request) as response:
        code = (await response.json())["code"]
        assert ("warning", "http-refused", {"code": code, "status": response.status}) in door.log.events
        return response.status, code


async def test_the_door_refuses_by_path_method_type_size_and_key_before_anything_is_taken(
    client: aiohttp.ClientSession,
) -> None:
    async with a_door(max_size="100 B") as door:
        base = door.url.removesuffix("/in")
        assert await refused(client, door, "POST", base + "/out", headers=JSON) == (404, "no-such-path")
        assert await refused(client, door, "GET", door.url) == (405, "method-not-allowed")
        assert await refused(client, door, "PUT", door.url, data=b"{}", headers=JSON) == (405, "method-not-allowed")
        assert await refused(client, door, "POST", door.url, data=b"{}") == (415, "content-type")
        latin = {"Content-Type": "application/json; charset=latin-1"}
        assert await refused(client, door, "POST", door.url, data=b"{}", headers=latin) == (415, "charset")
        long = {**JSON, "Idempotency-Key": "x" * 256}
        assert await refused(client, door, "POST", door.url, data=b"{}", headers=long) == (400, "key-too-long")
        big = await refused(client, door, "POST", door.url, data=b"x" * 101, headers=JSON)
        assert big == (413, "too-large")
        posting = asyncio.ensure_future(post(client, door.url, b"x" * 100))
        arrival = await door.next()
        assert len(arrival.body) == 100  # the first that got in; the longest that may
        await arrival.settle(sdk.Accepted("m1"))
        assert (await posting)[0] == 202


async def test_a_body_without_a_stated_length_or_packed_is_measured_as_it_comes(client: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10

    async with a_door(max_size="100 B") as door:
        assert await refused(client, door, "POST", door.url, data=chunks(), headers=JSON) == (413, "too-large")
        packed = {**JSON, "Content-Encoding": "gzip"}
        bomb = gzip.compress(b"x" * 1_000_000)
        big = await refused(client, door, "POST", door.url, data=bomb[:90] + bomb[90:], headers=packed)
        assert big == (413, "too-large")
        broken = await refused(client, door, "POST", door.url, data=b"no gzip at all", headers=packed)
        assert broken == (400, "body-cut")
        posting = asyncio.ensure_future(
            client.post(door.url, data=gzip.compress(CANARY[:80]), headers={**packed, "Connection": "close"})
        )
        arrival = await door.next()
        assert arrival.body == CANARY[:80]
        await arrival.settle(sdk.Accepted("m1"))
        assert (await posting).status == 202


@pytest.mark.parametrize(
    ("auth", "right", "scheme"),
    [
        ({"bearer": {"secret": "door"}}, "Bearer open-sesame", "Bearer"),
        ({"user": "stm", "password": {"secret": "door"}}, "Basic c3RtOm9wZW4tc2VzYW1l", "Basic"),
    ],
)
async def test_who_shows_no_right_credentials_stays_outside(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, auth: dict[str, object], right: str, scheme: str
) -> None:
    monkeypatch.setenv("ISLET_SECRET_DOOR", "open-sesame")
    async with a_door(auth=auth) as door:
        for wrong in ({}, {"Authorization": f"{scheme} wrong"}):
            async with client.post(door.url, data=b"{}", headers={**JSON, **wrong}) as response:
                assert (response.status, response.headers["WWW-Authenticate"]) == (401, scheme)
                assert "open-sesame" not in await response.text()
        posting = asyncio.ensure_future(post(client, door.url, Authorization=right))
        await (await door.next()).settle(sdk.Accepted("m1"))
        assert (await posting)[0] == 202


async def test_a_missing_secret_keeps_the_door_shut_and_asks_for_the_operator() -> None:
    settings = HttpListenerSettings.model_validate({"port": 0, "auth": {"bearer": {"secret": "nowhere"}}})
    listener = HttpListener(settings, plugin_context())
    with pytest.raises(sdk.NeedsOperator, match="ISLET_SECRET_NOWHERE"):
        await anext(listener.deliveries())
    await listener.close()


async def test_a_secret_that_goes_away_later_lets_nobody_in_and_loses_nothing(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISLET_SECRET_DOOR", "open-sesame")
    async with a_door(auth={"bearer": {"secret": "door"}}) as door:
        monkeypatch.delenv("ISLET_SECRET_DOOR")
        status, _, headers = await post(client, door.url, Authorization="Bearer open-sesame")
        assert (status, headers["Retry-After"]) == (503, "5")


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


async def raw(door: Door, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
    writer.write(request)
    await writer.drain()
    return reader, writer


HEAD = b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def test_a_body_that_is_cut_is_not_a_message(client: aiohttp.ClientSession) -> None:
    async with a_door() as door:
        _, writer = await raw(door, HEAD + b'Content-Length: 50\r\n\r\n{"half":')
        writer.close()
        await writer.wait_closed()
        posting = asyncio.ensure_future(post(client, door.url, b'{"whole": 1}'))
        arrival = await door.next()
        assert arrival.body == b'{"whole": 1}'
        await arrival.settle(sdk.Accepted("m1"))
        assert (await posting)[0] == 202


async def test_a_sender_that_stops_inside_a_body_gives_its_place_back(client: aiohttp.ClientSession) -> None:
    async with a_door(receive_within="50ms", at_once=1) as door:
        reader, writer = await raw(door, HEAD + b'Content-Length: 50\r\n\r\n{"half":')
        posting = asyncio.ensure_future(post(client, door.url))
        async with asyncio.timeout(SECONDS):
            assert b" 408 " in await reader.readline()
        await (await door.next()).settle(sdk.Accepted("m1"))
        assert (await posting)[0] == 202
        writer.close()


async def test_a_sender_that_asks_before_it_sends_is_told_to_go_on_or_not(client: aiohttp.ClientSession) -> None:
    async with a_door(max_size="100 B") as door:
        reader, writer = await raw(door, HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        await (await door.next()).settle(sdk.Accepted("m1"))
        assert b" 202 " in await reader.readline()
        writer.close()
        reader, writer = await raw(door, HEAD + b"Expect: 100-continue\r\nContent-Length: 101\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            assert b" 413 " in await reader.readline()
        writer.close()


async def test_closing_answers_what_is_in_hand_and_sends_the_others_away(client: aiohttp.ClientSession) -> None:
    async with a_door(at_once=2) as door:
        in_hand = asyncio.ensure_future(post(client, door.url, b'"in hand"'))
        arrival = await door.next()
        reader, writer = await raw(door, HEAD + b'Content-Length: 50\r\n\r\n{"half":')  # takes the second place
        waiting = asyncio.ensure_future(post(client, door.url, b'"waiting for a place"'))
        await until(lambda: len(door.listener._patience) == 2)
        await door.listener.close()
        assert (await waiting)[0] == 503
        async with asyncio.timeout(SECONDS):
            assert b" 503 " in await reader.readline()
        with pytest.raises(ConnectionRefusedError):
            await raw(door, b"")
        assert not in_hand.done()
        await arrival.settle(sdk.Accepted("m1"))
        assert (await in_hand)[:2] == (202, {"id": "m1"})
        with pytest.raises(StopAsyncIteration):
            await door.next()
        writer.close()


async def test_what_was_received_but_not_yet_yielded_when_closing_is_to_come_again(
    client: aiohttp.ClientSession,
) -> None:
    async with a_door() as door:
        first = asyncio.ensure_future(post(client, door.url, b"1"))
        arrival = await door.next()
        second = asyncio.ensure_future(post(client, door.url, b"2"))
        await until(lambda: not door.listener._queue.empty())
        await door.listener.close()
        status, _, headers = await second
        assert (status, headers["Retry-After"]) == (503, "5")
        await arrival.settle(sdk.Accepted("m1"))
        assert (await first)[0] == 202


async def test_close_is_safe_twice_and_without_open() -> None:
    listener = HttpListener(HttpListenerSettings(port=0), plugin_context())
    await listener.close()
    await listener.close()
    with pytest.raises(StopAsyncIteration):
        await anext(listener.deliveries())


async def test_a_taken_port_is_told_with_what_to_do() -> None:
    async with a_door() as door:
        other = HttpListener(HttpListenerSettings(port=door.listener.port), plugin_context())
        with pytest.raises(sdk.Unavailable, match=rf"127.0.0.1 port {door.listener.port}.*change host or port"):
            await anext(other.deliveries())


async def test_many_senders_on_kept_connections_are_each_answered_their_own(client: aiohttp.ClientSession) -> None:
    async with a_door() as door:
        seen: list[sdk.Arrival] = []
        accepting = asyncio.ensure_future(accept_all(door.arrivals, seen))
        answers = await asyncio.gather(*(post(client, door.url, b"%d" % number) for number in range(100)))
        ids = {int(answer["id"][1:]) - 1: number for number, (_, answer, _) in enumerate(answers)}
        assert {at: int(arrival.body) for at, arrival in enumerate(seen)} == ids
        accepting.cancel()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}


async def test_tls_with_a_client_certificate(
    authority: trustme.CA, certificate: dict[str, str], tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with a_door(tls={**certificate, "client_ca": str(tmp_path / "ca.pem")}) as door:
        url = door.url.replace("http:", "https:")
        stranger = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await client.post(url, data=b"{}", headers=JSON, ssl=stranger)
        known = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        authority.issue_cert("sender").configure_cert(known)
        posting = asyncio.ensure_future(client.post(url, data=b"{}", headers=JSON, ssl=known))
        await (await door.next()).settle(sdk.Accepted("m1"))
        async with await posting as response:
            assert response.status == 202


@pytest.mark.parametrize("broken", ["certificate", "key"])
async def test_a_certificate_that_cannot_be_used_asks_for_the_operator(
    certificate: dict[str, str], tmp_path: Path, broken: str
) -> None:
    (tmp_path / "no.pem").write_text("nothing here")
    tls = {**certificate, broken: str(tmp_path / "no.pem")}
    listener = HttpListener(HttpListenerSettings.model_validate({"port": 0, "tls": tls}), plugin_context())
    with pytest.raises(sdk.NeedsOperator, match=r"no\.pem"):
        await anext(listener.deliveries())


async def test_nothing_that_a_sender_writes_reaches_a_log(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_door(max_size="30 B") as door:
        await post(client, door.url, CANARY)
        await post(client, door.url + "/Zweistein", b"{}")
        for request in (
            b"Zweistein 4711-0815\r\n\r\n",
            b"POST /in HTTP/1.1\r\nZweistein 4711-0815\r\n\r\n",
            HEAD + b"Content-Length: Zweistein\r\n\r\n",
        ):
            reader, writer = await raw(door, request)
            async with asyncio.timeout(SECONDS):
                assert b" 400 " in await reader.readline()
            writer.close()
        posting = asyncio.ensure_future(post(client, door.url, b'"Zweistein"', Idempotency_Key="4711-0815"))
        arrival = await door.next()
        await arrival.settle(sdk.Rejected("no", "no"))
        await posting
    written = caplog.text + repr(door.log.events) + repr(arrival)
    assert "Zweistein" not in written
    assert "4711" not in written
