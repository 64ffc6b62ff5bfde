"""Our key set over HTTP, where a run answers it: servers that fetch it, and the change of a key without a pause."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from connectors.smart.keys import read_key
from connectors.smart.publishing import PATH, jwks_route
from connectors.smart.settings import BackendServices
from connectors.smart.tokens import assertion
from engine import sdk
from engine.cli.keys import clients_of, print_keys
from engine.config.loader import load
from engine.observability.health import Health, serving
from engine.plugins.registry import discover
from engine.testing.fakes import ManualClock, MemoryLog
from tests.integration.smart.authority import pem, verified

OLD = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
NEW = pem(ec.generate_private_key(ec.SECP384R1()))
KEY, OTHER = {"secret": "old"}, {"secret": "new"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISLET_SECRET_OLD", OLD)
    monkeypatch.setenv("ISLET_SECRET_NEW", NEW)


def a_client(**changes: Any) -> BackendServices:
    return BackendServices.model_validate(
        {"client_id": "islet", "key": KEY, "scope": "system/Observation.cu", **changes}
    )


class Published:
    """The health port of a run whose configuration can change."""

    def __init__(self) -> None:
        self.clients = [a_client()]
        self.log = MemoryLog()
        self.url = ""

    async def answer(self) -> tuple[int, dict[str, Any], str]:
        async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
            return answer.status, await answer.json(), answer.headers["Cache-Control"]

    async def keys(self) -> list[dict[str, str]]:
        held: list[dict[str, str]] = (await self.answer())[1]["keys"]
        return held

    def signed(self) -> str:
        """As a call for a token would sign now."""
        client = self.clients[0]
        return assertion(
            client, read_key(client.key, client.kid), "https://ehr.example/token", ManualClock().now(), "j"
        )


@pytest.fixture
async def published() -> AsyncIterator[Published]:
    made = Published()
    async with serving(Health(), "127.0.0.1", 0, [jwks_route(lambda: made.clients, made.log)]) as port:
        made.url = f"http://127.0.0.1:{port}{PATH}"
        yield made


async def test_a_key_is_changed_while_every_assertion_can_be_verified(published: Published) -> None:
    """A server that fetched the set before a step still knows the key that is signed with after it."""
    cached = await published.keys()
    for step in (
        {"key": KEY, "also_publish": [{"key": OTHER}]},
        {"key": OTHER, "also_publish": [{"key": KEY}]},
        {"key": OTHER},
    ):
        before = published.signed()
        published.clients = [a_client(**step)]
        now = await published.keys()
        for jwt, known in ((before, cached), (published.signed(), cached), (published.signed(), now)):
            assert verified(jwt, known)[1]["iss"] == "islet"
        cached = now
    assert [key["alg"] for key in cached] == ["ES384"]


async def test_without_the_overlap_a_server_with_the_old_set_knows_nobody(published: Published) -> None:
    cached = await published.keys()
    published.clients = [a_client(key=OTHER)]
    with pytest.raises((InvalidSignature, ValueError)):
        verified(published.signed(), cached)


async def test_the_set_says_how_long_it_may_be_kept_and_holds_no_private_part(published: Published) -> None:
    published.clients = [a_client(also_publish=[{"key": OTHER}]), a_client()]
    status, held, cache = await published.answer()
    assert (status, cache) == (200, "public, max-age=300")
    assert [key["kty"] for key in held["keys"]] == ["RSA", "EC"]  # what two channels share, once
    assert all(not {"d", "p", "q", "dp", "dq", "qi"} & key.keys() for key in held["keys"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"also_publish": [{"key": {"secret": "not-there"}}]}, "secret-missing"),
        ({"kid": "k", "also_publish": [{"key": OTHER, "kid": "k"}]}, "smart-kid"),
    ],
)
async def test_a_part_of_the_set_is_never_given_for_the_whole(
    published: Published, changes: dict[str, Any], code: str
) -> None:
    published.clients = [a_client(**changes)]
    assert await published.answer() == (503, {"error": code}, "no-store")
    assert any("smart_keys_unreadable" in str(event) for event in published.log.events)


async def test_a_secret_that_is_changed_shows_at_the_next_fetch(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await published.keys()
    monkeypatch.setenv("ISLET_SECRET_OLD", NEW)
    assert [key["kty"] for key in before + await published.keys()] == ["RSA", "EC"]


CHANNEL = """\
channel: {name}
description: x
source: {{type: channel, shape: fhir}}
destinations:
  - name: ehr
    type: fhir_server
    base: https://ehr.example/r4
    smart: {{client_id: islet, key: {{secret: {secret}}}, scope: system/Observation.cu}}
"""


def a_project(folder: Path, *secrets: str) -> Path:
    (folder / "channels").mkdir()
    for number, secret in enumerate(secrets):
        text = CHANNEL.format(name=f"out-{number}", secret=secret)
        (folder / "channels" / f"out-{number}.yaml").write_text(text, "utf-8")
    return folder


def test_the_keys_of_all_channels_are_found(tmp_path: Path) -> None:
    loaded = load(a_project(tmp_path, "old", "new"), discover(), {})
    assert loaded.configuration is not None, loaded.problems
    assert [client.key for client in clients_of(loaded.configuration)] == [sdk.Secret(secret=s) for s in ("old", "new")]


def test_the_verb_prints_them_and_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert print_keys(a_project(tmp_path, "old"), {}) == 0
    shown = capsys.readouterr().out
    assert '"kty": "RSA"' in shown
    (tmp_path / "channels" / "out-0.yaml").write_text(CHANNEL.format(name="out-0", secret="not-there"), "utf-8")
    assert print_keys(tmp_path, {}) == 1
    assert "ISLET_SECRET_NOT_THERE" in capsys.readouterr().err
