"""The HTTP sender against real servers: well-behaved ones, and those that answer rubbish or nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from connectors.http_listener import HttpListener, HttpListenerSettings
from connectors.http_sender import HttpSender, HttpSenderSettings
from engine import sdk
from engine.testing.builders import a_delivery
from engine.testing.fakes import plugin_context

CANARY = "Zweistein, Franziska"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Sink:
    """Remembers the requests it was sent, with their bodies, and over how many connections they came."""

    def __init__(self, answer: Callable[[], web.Response] = lambda: web.Response(status=202)) -> None:
        self.requests: list[tuple[web.BaseRequest, bytes]] = []
        self.connections: set[int] = set()
        self._answer = answer

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        self.connections.add(id(request.protocol))
        return self._answer()


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_sender(url: str, **settings: Any) -> AsyncIterator[HttpSender]:
    sender = HttpSender(HttpSenderSettings.model_validate({"url": url, **settings}), plugin_context())
    await sender.open()
    try:
        yield sender
    finally:
        await sender.close()


async def test_a_delivery_is_posted_with_its_id_as_idempotency_key_on_every_attempt() -> None:
    sink = Sink()
    delivery = a_delivery(b'{"value": 182}', sdk.Shape.JSON)
    async with serving(sink) as base, a_sender(f"{base}/in?site=stm") as sender:
        assert await sender.send(delivery) == sdk.Answer("202")
        await sender.send(delivery)
    keys = {request.headers["Idempotency-Key"] for request, _ in sink.requests}
    assert keys == {delivery.id}
    request, body = sink.requests[0]
    assert (request.method, request.path_qs, body) == ("POST", "/in?site=stm", delivery.body)
    assert len(sink.connections) == 1  # kept alive


@pytest.mark.parametrize(
    ("shape", "content_type"),
    [
        (sdk.Shape.JSON, "application/json"),
        (sdk.Shape.RECORDS, "application/json"),
        (sdk.Shape.FHIR, "application/fhir+json"),
        (sdk.Shape.HL7V2, "application/hl7-v2"),
        (sdk.Shape.CSV, "text/csv"),
        (sdk.Shape.XML, "application/xml"),
        (sdk.Shape.BYTES, "application/octet-stream"),
    ],
)
async def test_the_content_type_is_the_shapes_unless_it_is_set(shape: sdk.Shape, content_type: str) -> None:
    sink = Sink()
    async with serving(sink) as base:
        async with a_sender(base) as sender:
            await sender.send(a_delivery(b"x", shape))
        async with a_sender(base, content_type="text/plain; charset=utf-8") as sender:
            await sender.send(a_delivery(b"x", shape))
    assert [request.headers["Content-Type"] for request, _ in sink.requests] == [
        content_type,
        "text/plain; charset=utf-8",
    ]


async def test_method_headers_and_credentials_are_sent_and_read_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    settings = {
        "method": "PUT",
        "headers": {"X-Site": "stm", "X-Key": {"secret": "key"}},
        "auth": {"bearer": {"secret": "key"}},
    }
    async with serving(sink) as base, a_sender(base, **settings) as sender:
        for value in ("old", "new"):
            monkeypatch.setenv("ISLET_SECRET_KEY", value)
            await sender.send(a_delivery(b"x"))
        monkeypatch.delenv("ISLET_SECRET_KEY")
        with pytest.raises(sdk.NeedsOperator, match="ISLET_SECRET_KEY"):
            await sender.send(a_delivery(b"x"))
    got = [
        (request.method, request.headers["X-Site"], request.headers["X-Key"], request.headers["Authorization"])
        for request, _ in sink.requests
    ]
    assert got == [("PUT", "stm", "old", "Bearer old"), ("PUT", "stm", "new", "Bearer new")]


@pytest.mark.parametrize(
    ("status", "headers", "raised"),
    [
        (400, {}, sdk.Refused),
        (401, {}, sdk.NeedsOperator),
        (409, {}, sdk.Unavailable),
        (422, {}, sdk.Refused),
        (429, {"Retry-After": "7"}, sdk.Throttled),
        (500, {}, sdk.Unavailable),
        (503, {"Retry-After": "7"}, sdk.Throttled),
    ],
)
async def test_a_refusal_is_raised_with_what_was_said_for_the_journal_only(
    status: int, headers: dict[str, str], raised: type[sdk.EngineError]
) -> None:
    sink = Sink(lambda: web.Response(status=status, headers=headers, text=CANARY + "x" * 10_000))
    async with serving(sink) as base, a_sender(base) as sender:
        with pytest.raises(raised) as caught:
            await sender.send(a_delivery(b"x"))
    assert caught.value.detail == (CANARY + "x" * 10_000)[:4096]
    assert CANARY not in str(caught.value) + repr(caught.value)


async def test_a_short_refusal_keeps_the_connection_and_an_endless_one_does_not_hold_us() -> None:
    short = Sink(lambda: web.Response(status=422, text="no"))
    async with serving(short) as base, a_sender(base) as sender:
        for _ in range(3):
            with pytest.raises(sdk.Refused):
                await sender.send(a_delivery(b"x"))
        assert len(short.connections) == 1

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with serving(endless) as base, a_sender(base) as sender:
        assert (await sender.send(a_delivery(b"x"))).code == "200"


async def test_a_redirect_is_not_followed() -> None:
    sink = Sink(lambda: web.Response(status=307, headers={"Location": "/elsewhere"}))
    async with serving(sink) as base, a_sender(f"{base}/in") as sender:
        with pytest.raises(sdk.Refused, match="redirect"):
            await sender.send(a_delivery(b"x"))
    assert [request.path for request, _ in sink.requests] == ["/in"]


async def test_what_was_made_is_named() -> None:
    sink = Sink(lambda: web.Response(status=201, headers={"Location": "/made/7"}))
    async with serving(sink) as base, a_sender(base) as sender:
        assert await sender.send(a_delivery(b"x")) == sdk.Answer("201", location="/made/7")


async def test_a_hanging_server_is_unavailable_after_the_timeout() -> None:
    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(hang) as base, a_sender(base, timeout="50ms") as sender:
        with pytest.raises(sdk.Unavailable, match=r"within 0\.05 s") as caught:
            await sender.send(a_delivery(b"x"))
    assert caught.value.code == "timed-out"


async def test_a_server_that_is_down_is_unavailable(unused_tcp_port: int) -> None:
    async with a_sender(f"http://127.0.0.1:{unused_tcp_port}/") as sender:
        with pytest.raises(sdk.Unreachable, match=f"127.0.0.1 port {unused_tcp_port}") as caught:
            await sender.send(a_delivery(b"x"))
    assert caught.value.code == "no-connection"


@pytest.mark.parametrize(
    ("rubbish", "code"),
    [
        (b"", "connection-lost"),
        (b"Zweistein\r\n\r\n", "not-http"),
        (b"HTTP/1.1 202 OK\r\nContent-Length: 50\r\n\r\nhalf", "not-http"),
        (b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "not-http"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "not-http"),
        (b"HTTP/1.1 202 OK\r\nX: " + b"x" * 70_000, "not-http"),
        (b"MSH|^~\\&|ACK\r", "not-http"),
    ],
)
async def test_an_answer_that_is_none_is_no_delivery(rubbish: bytes, code: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(rubbish)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, a_sender(f"http://127.0.0.1:{port}/") as sender:
        with pytest.raises(sdk.Unavailable) as caught:
            await sender.send(a_delivery(b"x"))
    assert caught.value.code == code
    assert "Zweistein" not in str(caught.value)


async def test_a_certificate_not_to_be_trusted_needs_the_operator_and_a_trusted_one_serves(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    sink = Sink()
    async with serving(sink, context) as base:
        async with a_sender(base) as sender:
            with pytest.raises(sdk.NeedsOperator, match="tls: ca"):
                await sender.send(a_delivery(b"x"))
        async with a_sender(base, tls={"ca": str(tmp_path / "ca.pem")}) as sender:
            assert (await sender.send(a_delivery(b"x"))).code == "202"


async def test_the_certificate_may_be_for_another_name_that_is_written_down(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("registry.example").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with serving(Sink(), context) as base:
        async with a_sender(base, tls={"ca": str(tmp_path / "ca.pem")}) as sender:
            with pytest.raises(sdk.NeedsOperator):
                await sender.send(a_delivery(b"x"))
        named = {"ca": str(tmp_path / "ca.pem"), "server_name": "registry.example"}
        async with a_sender(base, tls=named) as sender:
            assert (await sender.send(a_delivery(b"x"))).code == "202"


async def test_close_is_safe_without_open_and_twice() -> None:
    sender = HttpSender(HttpSenderSettings(url="http://127.0.0.1:1/"), plugin_context())
    await sender.close()
    await sender.open()
    await sender.close()
    await sender.close()


async def test_what_the_sender_sends_the_listener_takes_and_knows_again() -> None:
    listener = HttpListener(HttpListenerSettings(port=0, shape="fhir"), plugin_context())
    seen: list[sdk.Arrival] = []

    async def accept() -> None:
        async for arrival in listener.deliveries():
            repeat = any(other.source_key == arrival.source_key for other in seen)
            seen.append(arrival)
            await arrival.settle(sdk.Accepted("m1", duplicate=repeat))

    accepting = asyncio.create_task(accept())
    await listener.opened.wait()
    delivery = a_delivery(b'{"resourceType": "Observation"}', sdk.Shape.FHIR)
    async with a_sender(f"http://127.0.0.1:{listener.port}/") as sender:
        assert [(await sender.send(delivery)).code for _ in range(2)] == ["202", "202"]
    await listener.close()
    await accepting
    assert [(arrival.body, arrival.source_key) for arrival in seen] == [(delivery.body, delivery.id)] * 2
