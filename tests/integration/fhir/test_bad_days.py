"""Servers that are away, slow, wrong or curious; and what may not leak to them or to a log."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest
import trustme

from clinical.records import PatientRef, Status
from connectors.fhir.server import FhirServer, plugin
from connectors.fhir.settings import FhirServerSettings
from engine import sdk
from engine.testing.builders import a_delivery
from engine.testing.fakes import MemoryLog, plugin_context
from simulators.fhir_faults import Deed
from simulators.fhir_server import FhirServer as Simulator
from tests.integration.fhir.conftest import Connect, a_write, writes
from tests.unit.fhir.builders import a_reading

TOKEN = "CANARY-token"
CANARY = a_reading(
    reading_id="CANARY-reading", patient=PatientRef(system="stm", value="CANARY-mrn"), notes=("CANARY-note",)
)


async def test_a_hanging_server_is_given_up_after_the_time_out(server: Simulator, connect: Connect) -> None:
    destination = await connect(timeout="100ms")
    server.hang()
    waiting = asyncio.create_task(destination.send(a_write()))
    await server.wait_for_hanging()
    with pytest.raises(sdk.Unavailable) as caught:
        await waiting
    assert caught.value.code == "timed-out"
    assert (await (await connect()).send(a_write())).code == "201"


async def test_a_batch_on_a_hanging_server_is_one_time_out(server: Simulator, connect: Connect) -> None:
    server.fail(400, on=["batch"])
    server.hang(None, on=["create"])
    results = await (await connect(timeout="2s", batch={"up_to": 5})).send_many(writes(5))
    assert [getattr(result, "code", None) for result in results] == ["timed-out"] * 5
    assert server.counts["requests"] == 2


async def test_cancelling_a_send_cancels_it(server: Simulator, connect: Connect) -> None:
    server.hang()
    waiting = asyncio.create_task((await connect()).send(a_write()))
    await server.wait_for_hanging()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_server_that_is_away_is_unreachable_until_it_is_back(connect: Connect) -> None:
    gone = Simulator()
    await gone.start()
    port, base = gone.port, gone.base_url
    await gone.stop()
    destination = await connect(base=base)
    with pytest.raises(sdk.Unreachable, match="no connection to 127"):
        await destination.send(a_write())
    back = Simulator()
    await back.start(port)
    assert (await destination.send(a_write())).code == "201"
    await back.stop()


@pytest.mark.parametrize(
    ("deed", "code"),
    [(Deed.DROP, "connection-lost"), (Deed.RUBBISH, "unclear-answer"), (Deed.CUT, "connection-lost")],
)
@pytest.mark.parametrize("interaction", ["create", "update"])
async def test_an_answer_that_is_none_is_asked_for_again(
    server: Simulator, connect: Connect, deed: Deed, code: str, interaction: str
) -> None:
    destination = await connect()
    server.spoil(deed)
    with pytest.raises(sdk.Unavailable) as caught:
        await destination.send(a_write(interaction=interaction))
    assert caught.value.code == code
    assert (await destination.send(a_write(interaction=interaction))).code in ("200", "201")
    assert len(server.observations) == 1


async def test_what_is_no_http_at_all_is_unavailable(connect: Connect) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x0bMSH|^~\\&|hello\x1c\r")
        writer.close()

    other = await asyncio.start_server(talk, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
    with pytest.raises(sdk.Unavailable) as caught:
        await (await connect(base=base)).send(a_write())
    assert caught.value.code == "connection-lost"
    other.close()
    await other.wait_closed()


async def test_connections_are_kept_alive(server: Simulator, connect: Connect) -> None:
    ports: set[Any] = set()

    async def note(request: aiohttp.web.Request) -> aiohttp.web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return aiohttp.web.Response(status=201)

    async with Listening(note) as base:
        destination = await connect(base=base)
        for delivery in writes(5):
            await destination.send(delivery)
    assert len(ports) == 1


# --- what leaves us


class Listening:
    """An HTTP server of one handler, for looking at what is sent."""

    def __init__(self, handler: Any, tls: ssl.SSLContext | None = None) -> None:
        app = aiohttp.web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        self._runner = aiohttp.web.AppRunner(app, access_log=None)
        self._tls = tls

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await aiohttp.web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISLET_SECRET_STM_FHIR", TOKEN)


@pytest.mark.usefixtures("secrets")
async def test_the_token_signs_in_and_a_revoked_one_needs_an_operator(
    server: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = TOKEN
    destination = await connect(sign_in={"bearer": {"secret": "stm-fhir"}})
    assert (await destination.send(a_write())).code == "201"
    server.token = "another"
    with pytest.raises(sdk.NeedsOperator) as caught:
        await destination.send(a_write())
    assert caught.value.code == "http-401"
    assert TOKEN not in f"{caught.value} {caught.value!r}"
    monkeypatch.setenv("ISLET_SECRET_STM_FHIR", "another")
    assert (await destination.send(a_write())).code == "200", "a corrected secret is used without a restart"


async def test_a_missing_secret_needs_an_operator_and_nothing_is_sent(server: Simulator, connect: Connect) -> None:
    destination = await connect(sign_in={"bearer": {"secret": "no-such-secret"}})
    with pytest.raises(sdk.NeedsOperator, match="no-such-secret"):
        await destination.send(a_write())
    assert server.counts["requests"] == 0


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_so_no_token_goes_elsewhere(connect: Connect, status: int) -> None:
    asked: list[str] = []

    async def elsewhere(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append(request.path)
        return aiohttp.web.Response(status=201)

    async with Listening(elsewhere) as other:

        async def redirect(_: aiohttp.web.Request) -> aiohttp.web.Response:
            return aiohttp.web.Response(status=status, headers={"Location": f"{other}/steal"})

        async with Listening(redirect) as base:
            destination = await connect(base=base, sign_in={"bearer": {"secret": "stm-fhir"}})
            with pytest.raises(sdk.Unavailable, match="redirect"):
                await destination.send(a_write())
    assert asked == []


@pytest.mark.usefixtures("secrets")
async def test_further_headers_are_sent_and_ours_are_right(connect: Connect) -> None:
    heard: list[Any] = []

    async def hear(request: aiohttp.web.Request) -> aiohttp.web.Response:
        heard.append(request.headers.copy())
        return aiohttp.web.Response(status=201)

    async with Listening(hear) as base:
        headers = {"x-site": "stm", "x-api-key": {"secret": "stm-fhir"}}
        await (await connect(base=base, headers=headers)).send(a_write())
    (headers_heard,) = heard
    assert headers_heard["x-site"] == "stm"
    assert headers_heard["x-api-key"] == TOKEN
    assert headers_heard["Content-Type"] == headers_heard["Accept"] == "application/fhir+json"
    assert headers_heard["If-None-Exist"] == "identifier=urn:islet:reading|r-1"
    assert "Authorization" not in headers_heard


async def test_by_default_no_identifier_is_in_any_address(server: Simulator, connect: Connect) -> None:
    asked: list[str] = []

    async def relay(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append(str(request.rel_url))
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, server.base_url + request.path_qs, data=await request.read(), headers=request.headers
            ) as answer,
        ):
            return aiohttp.web.Response(
                status=answer.status, body=await answer.read(), headers={"Content-Type": answer.content_type}
            )

    async with Listening(relay) as base:
        destination = await connect(base=base, batch={"up_to": 2})
        await destination.send(a_write(CANARY))
        await destination.send(a_write(CANARY, "update"))
        await destination.send_many([a_write(CANARY), a_write()])
    assert asked == ["/Observation", "/Observation/_search", "/Observation/1", "/"]


@pytest.mark.usefixtures("secrets")
async def test_nothing_of_a_patient_reaches_a_log_or_an_exceptions_text(
    server: Simulator, connect: Connect, log: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.token = TOKEN
    told: list[str] = []
    said = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "CANARY", "diagnostics": "CANARY", "expression": ["CANARY"]}],
    }
    for update_by in ("search", "conditional"):
        destination = await connect(
            update_by=update_by, sign_in={"bearer": {"secret": "stm-fhir"}}, batch={"up_to": 2}, timeout="100ms"
        )
        for interaction in ("create", "update"):
            delivery = a_write(CANARY, interaction, status=Status.CORRECTED)
            for order in (
                lambda: server.fail(422, resource=said),
                lambda: server.fail(302, headers={"Location": "https://CANARY.invalid/CANARY"}),
                lambda: server.fail(500, resource=said),
                lambda: server.spoil(Deed.DROP, 2),  # aiohttp repeats a PUT once when a kept connection is closed
                lambda: server.spoil(Deed.CUT),
                lambda: server.spoil(Deed.RUBBISH),
                server.hang,
            ):
                order()  # type: ignore[no-untyped-call]
                told.append(await failure(destination, delivery))
                order()  # type: ignore[no-untyped-call]
                told += [repr(result) for result in await destination.send_many([delivery, a_write()])]
                server.faults.clear()
        told.append(await failure(destination, a_delivery(b"CANARY", sdk.Shape.FHIR)))
        told.append(repr(delivery))
    assert "CANARY" not in "\n".join([*told, repr(log.events), caplog.text])


async def failure(destination: FhirServer, delivery: sdk.Delivery) -> str:
    """All that could be printed of the exception, with what it was raised from."""
    with pytest.raises(sdk.EngineError) as caught:
        await destination.send(delivery)
    shown, error = [], caught.value
    while error is not None:
        shown += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)  # type: ignore[assignment]
    return "\n".join(shown)


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca, tmp_path / "ca.pem"


async def test_a_server_with_a_certificate_of_the_named_authority_is_trusted(
    connect: Connect, authority: tuple[trustme.CA, Path]
) -> None:
    ca, file = authority

    async def take(_: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(status=201, headers={"Location": "Observation/1"})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    async with Listening(take, context) as base:
        assert (await (await connect(base=base, tls={"ca": file})).send(a_write())).location == "Observation/1"
        with pytest.raises(sdk.NeedsOperator) as caught:
            await (await connect(base=base)).send(a_write())
        assert caught.value.code == "tls-certificate"


async def test_a_certificate_file_that_cannot_be_read_is_told_on_opening(tmp_path: Path) -> None:
    settings = FhirServerSettings(base="https://fhir.example", tls={"ca": tmp_path / "none.pem"})
    destination = plugin.implementation(settings, plugin_context())
    with pytest.raises(sdk.NeedsOperator, match=r"none\.pem"):
        await destination.open()
    await destination.close()


async def test_closing_is_safe_without_opening_and_twice(server: Simulator) -> None:
    destination = plugin.implementation(FhirServerSettings(base=server.base_url), plugin_context())
    await destination.close()
    await destination.open()
    await destination.close()
    await destination.close()
