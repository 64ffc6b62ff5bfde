"""The HTTP listener on real sockets: who and what stays outside, and what is said of it."""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from connectors.http_listener import HttpListener, HttpListenerSettings
from engine import sdk
from engine.testing.fakes import plugin_context
from tests.integration.http_listener.door import CANARY, HEAD, JSON, SECONDS, a_door, post, raw, refused


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
