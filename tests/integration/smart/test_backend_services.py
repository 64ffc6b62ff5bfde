"""SMART Backend Services on real sockets: assertion, token, renewal, refusals, and our JWKS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from connectors.fhir.server import FhirServer, plugin
from connectors.fhir.settings import FhirServerSettings
from connectors.smart.keys import jwks, read_key
from engine import sdk
from engine.testing.fakes import ManualClock, MemoryLog, plugin_context
from tests.integration.fhir.conftest import a_write
from tests.integration.smart.authority import Authority, pem, verified

RSA_KEY = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC_KEY = pem(ec.generate_private_key(ec.SECP384R1()))
SECRET = sdk.Secret(secret="smart-key")
SCOPE = "system/Observation.cu"

Connect = Callable[..., Awaitable[FhirServer]]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISLET_SECRET_SMART_KEY", RSA_KEY)


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    made = Authority()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def connect(authority: Authority, clock: ManualClock, log: MemoryLog) -> AsyncIterator[Connect]:
    opened: list[FhirServer] = []

    async def connect(**smart: Any) -> FhirServer:
        settings = {"client_id": "islet", "key": SECRET, "scope": SCOPE, **smart}
        bound = FhirServerSettings.model_validate({"base": f"{authority.url}/fhir", "smart": settings})
        destination: FhirServer = plugin.implementation(bound, plugin_context(clock=clock, log=log))
        await destination.open()
        opened.append(destination)
        return destination

    yield connect
    for destination in opened:
        await destination.close()


@pytest.mark.parametrize(("key_text", "algorithm"), [(RSA_KEY, "RS384"), (EC_KEY, "ES384")])
async def test_our_key_signs_for_a_token_and_the_token_opens_the_door(
    authority: Authority,
    clock: ManualClock,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    key_text: str,
    algorithm: str,
) -> None:
    monkeypatch.setenv("ISLET_SECRET_SMART_KEY", key_text)
    answer = await (await connect()).send(a_write())
    assert answer.location == "Observation/1"
    assert authority.written == ["Bearer token-1"]
    (form,) = authority.forms
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == SCOPE
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    header, claims = verified(form["client_assertion"], jwks([read_key(SECRET)])["keys"])
    assert (header["alg"], header["typ"]) == (algorithm, "JWT")
    assert claims["iss"] == claims["sub"] == "islet"
    assert claims["aud"] == f"{authority.url}/token"
    assert 0 < claims["exp"] - int(clock.now().timestamp()) <= 300


async def test_a_token_serves_until_shortly_before_it_ends_and_every_assertion_is_new(
    authority: Authority, clock: ManualClock, connect: Connect
) -> None:
    server = await connect()
    await server.send(a_write())
    await clock.advance(269)
    await server.send(a_write())
    assert authority.written == ["Bearer token-1"] * 2
    await clock.advance(2)
    await server.send(a_write())
    assert authority.written[-1] == "Bearer token-2"
    ids = {verified(form["client_assertion"], jwks([read_key(SECRET)])["keys"])[1]["jti"] for form in authority.forms}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("said", "holds_seconds"), [("60", 29), (60.0, 29), (10**18, 86_000), ("soon", 269), (-1, 269)]
)
async def test_a_lifetime_is_read_as_servers_write_it(
    authority: Authority, clock: ManualClock, connect: Connect, said: Any, holds_seconds: int
) -> None:
    authority.expires_in = said
    server = await connect()
    for seconds in (0, holds_seconds, 500):
        await clock.advance(seconds)
        await server.send(a_write())
    assert authority.written == ["Bearer token-1"] * 2 + ["Bearer token-2"]


async def test_calls_at_once_ask_for_one_token(authority: Authority, connect: Connect) -> None:
    server = await connect()
    await asyncio.gather(*(server.send(a_write()) for _ in range(8)))
    assert (len(authority.forms), len(authority.written)) == (1, 8)


@pytest.mark.parametrize("error", ["invalid_client", "invalid_grant"])
@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, None), (20, None), (400, "our clock is 400 s behind"), (-400, "our clock is 400 s ahead of")],
)
async def test_a_refusal_names_clocks_that_differ(
    authority: Authority, clock: ManualClock, connect: Connect, error: str, seconds: int, said: str | None
) -> None:
    theirs = format_datetime(clock.now() + timedelta(seconds=seconds), usegmt=True)
    authority.answer = (400, {"error": error}, {"Date": theirs})
    with pytest.raises(sdk.NeedsOperator) as caught:
        await (await connect()).send(a_write())
    assert ("our clock is" in str(caught.value)) is (said is not None)
    assert (said or "") in str(caught.value)


async def test_a_token_that_the_server_no_longer_accepts_is_replaced_once(
    authority: Authority, connect: Connect
) -> None:
    authority.dead = {"token-1"}
    await (await connect()).send(a_write())
    assert authority.written == ["Bearer token-1", "Bearer token-2"]
    authority.dead = {f"token-{number}" for number in range(9)}
    with pytest.raises(sdk.NeedsOperator):
        await (await connect()).send(a_write())
    assert len(authority.forms) == 4


@pytest.mark.parametrize(
    "error",
    ["invalid_client", "invalid_grant", "invalid_scope", "invalid_request", "unauthorized_client",
     "unsupported_grant_type"],
)  # fmt: skip
async def test_a_refusal_names_what_to_put_right_and_shows_nothing(
    authority: Authority, connect: Connect, error: str
) -> None:
    authority.answer = (400, {"error": error, "error_description": "CANARY"}, {})
    with pytest.raises(sdk.NeedsOperator) as raised:
        await (await connect()).send(a_write())
    assert raised.value.code == f"token-{error.replace('_', '-')}"
    assert "CANARY" not in str(raised.value)
    assert raised.value.detail == "CANARY"
    assert authority.written == []


@pytest.mark.parametrize(
    ("answer", "word", "code"),
    [
        ((503, {}, {}), sdk.Unavailable, "token-unavailable"),
        ((429, {}, {"Retry-After": "7"}), sdk.Throttled, "token-throttled"),
        ((400, {"error": "CANARY"}, {}), sdk.NeedsOperator, "token-refused"),
        ((302, {}, {"Location": "http://127.0.0.1:1/"}), sdk.NeedsOperator, "token-refused"),
        ((200, {"token_type": "bearer"}, {}), sdk.Unavailable, "token-missing"),
        ((200, {"access_token": "t", "token_type": "mac"}, {}), sdk.NeedsOperator, "token-type"),
    ],
)
async def test_other_answers_of_the_token_endpoint_have_their_words(
    authority: Authority, connect: Connect, answer: Any, word: type[sdk.EngineError], code: str
) -> None:
    authority.answer = answer
    with pytest.raises(word) as raised:
        await (await connect()).send(a_write())
    assert raised.value.code == code
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize(
    ("configuration", "word"),
    [
        ((404, {}), sdk.NeedsOperator),
        ((200, {}), sdk.NeedsOperator),
        ((200, {"token_endpoint": "http://elsewhere.example/token"}), sdk.NeedsOperator),
        ((503, {}), sdk.Unavailable),
    ],
)
async def test_discovery_that_leads_nowhere_says_so(
    authority: Authority, connect: Connect, configuration: Any, word: type[sdk.EngineError]
) -> None:
    authority.configuration = configuration
    with pytest.raises(word) as raised:
        await (await connect()).send(a_write())
    assert raised.value.code == "smart-discovery"
    assert authority.forms == []


async def test_a_token_url_that_is_written_needs_no_discovery(authority: Authority, connect: Connect) -> None:
    authority.configuration = (404, {})
    await (await connect(token_url=f"{authority.url}/token", jku="https://islet.example/jwks.json")).send(a_write())
    header, _ = verified(authority.forms[0]["client_assertion"], jwks([read_key(SECRET)])["keys"])
    assert header["jku"] == "https://islet.example/jwks.json"


async def test_fewer_scopes_than_asked_for_are_said(authority: Authority, connect: Connect, log: MemoryLog) -> None:
    authority.extra = {"scope": "system/Device.r"}
    await (await connect()).send(a_write())
    assert any("smart_scope_narrower" in str(line) for line in log.events)


async def test_no_token_key_or_assertion_is_shown(authority: Authority, connect: Connect, log: MemoryLog) -> None:
    server = await connect()
    await server.send(a_write())
    shown = f"{server!r} {vars(server)!r} {read_key(SECRET)!r} {log.events!r}"
    assert "token-1" not in shown
    assert "PRIVATE" not in shown
    assert authority.forms[0]["client_assertion"] not in shown


@pytest.mark.parametrize(
    "text",
    ["CANARY", "", pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
     pem(ec.generate_private_key(ec.SECP256R1()))],
    ids=["no key", "empty", "short", "other curve"],
)  # fmt: skip
async def test_a_key_that_cannot_sign_for_smart_pauses_with_a_remedy(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("ISLET_SECRET_SMART_KEY", text)
    with pytest.raises(sdk.NeedsOperator, match="P-384") as raised:
        await (await connect()).send(a_write())
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": ""}, {"scope": "a  b"}, {"token_url": "http://ehr.example/token"}, {"token_url": "no"},
        {"client_id": ""}, {"typo": 1},
    ],
)  # fmt: skip
def test_settings_that_could_not_work_are_refused(changes: dict[str, Any]) -> None:
    smart = {"client_id": "islet", "key": {"secret": "k"}, "scope": SCOPE, **changes}
    with pytest.raises(ValidationError):
        FhirServerSettings.model_validate({"base": "https://ehr.example/r4", "smart": smart})


def test_one_way_to_sign_in_and_https_for_it() -> None:
    smart = {"client_id": "islet", "key": {"secret": "k"}, "scope": SCOPE}
    both = {"base": "https://ehr.example/r4", "smart": smart, "sign_in": {"bearer": {"secret": "t"}}}
    with pytest.raises(ValidationError, match="either sign_in or smart"):
        FhirServerSettings.model_validate(both)
    with pytest.raises(ValidationError, match="https://"):
        FhirServerSettings.model_validate({"base": "http://ehr.example/r4", "smart": smart})
