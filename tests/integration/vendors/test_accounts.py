"""People connect their accounts and take them off: the code flow with browser, state and verifier; running sources."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from connectors.cloud.oauth import challenge
from connectors.dexcom.settings import DexcomSettings
from connectors.dexcom.source import DexcomSource
from connectors.fitbit.source import FitbitSettings, FitbitSource
from connectors.nightscout.source import NightscoutSettings, NightscoutSource
from engine import sdk
from engine.cli.callback import Callback, code_of, is_local, waiting
from engine.contracts.consent import ConnectsAccounts
from engine.testing.fakes import plugin_context
from simulators.dexcom import TOKEN_PATH, DexcomCloud, Scripted
from simulators.fitbit import FitbitCloud
from simulators.nightscout import NightscoutSite
from simulators.series import Point
from tests.integration.dexcom.harness import HOUR, MINUTE, NOW, readings
from tests.integration.vendors.clouds import FAST, PATIENT, Place

ELSEWHERE = "https://islet.example/back"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(monkeypatch)
    made.secret("client-id", "islet-client")
    made.secret("client-secret", "islet-secret")
    return made


def plain(cloud: DexcomCloud | FitbitCloud, **settings: Any) -> dict[str, Any]:
    return {
        **FAST,
        "base_url": cloud.base_url,
        "client_id": {"secret": "client-id"},
        "client_secret": {"secret": "client-secret"},
        "accounts": [{"name": "anna", "patient": PATIENT}, {"name": "ben", "patient": PATIENT}],
        **settings,
    }


def make_dexcom(said: Mapping[str, Any], context: sdk.PluginContext) -> DexcomSource:
    return DexcomSource(DexcomSettings.model_validate(said), context)


def of(place: Place, cloud: DexcomCloud) -> DexcomSource:
    """The source as another process has it."""
    return make_dexcom(plain(cloud), plugin_context(place.clock, place.cursors, place.log))


async def browse(url: str) -> str:
    """The address to which the vendor's page sends the browser."""
    async with aiohttp.ClientSession() as browser, browser.get(url, allow_redirects=False) as answer:
        return answer.headers["Location"]


async def connect(place: Place, cloud: DexcomCloud, account: str = "anna") -> None:
    source = of(place, cloud)
    cloud.who_logs_in = account
    consent = source.consent(account, ELSEWHERE)
    assert consent is not None
    await source.connect(account, consent, code_of(await browse(consent.url), consent))


# --- consenting


async def test_an_account_without_a_secret_is_asked_once_its_owner_has_consented(place: Place) -> None:
    async with DexcomCloud(place.clock.now) as cloud:
        cloud.add_account("anna", readings(NOW - HOUR, 3))
        async with place.running(make_dexcom, plain(cloud)) as running:
            with pytest.raises(sdk.NeedsOperator) as caught:
                await running.ended()
        assert caught.value.code == "not-connected"
        assert "islet accounts connect" in caught.value.text
        await connect(place, cloud)
        async with place.running(make_dexcom, plain(cloud)) as running:
            await running.pause()
    assert len(running.arrivals) == 1
    assert "refresh-" not in str(place.cursors.values)


async def test_a_running_source_takes_a_new_consent_up_at_its_next_turn(place: Place) -> None:
    async with DexcomCloud(place.clock.now) as cloud:
        for name in ("anna", "ben"):
            cloud.add_account(name, readings(NOW - HOUR, 3))
        await connect(place, cloud, "ben")
        async with place.running(make_dexcom, plain(cloud)) as running:
            await running.pause()
            assert len(running.arrivals) == 1
            await connect(place, cloud, "anna")
            await running.after(300)
    assert [event["account"] for event in place.events("account_released")] == ["anna"]
    assert len(running.arrivals) == 2


async def test_tokens_go_on_rotating_after_a_consent_and_outlive_a_restart(place: Place) -> None:
    async with DexcomCloud(place.clock.now) as cloud:
        cloud.add_account("anna", readings(NOW - HOUR, 3))
        await connect(place, cloud)
        for _ in range(3):
            async with place.running(make_dexcom, plain(cloud, accounts=plain(cloud)["accounts"][:1])) as running:
                await running.pause()
    assert [seen.status for seen in cloud.requests if seen.path == TOKEN_PATH] == [200] * 4
    assert not place.events("account_held")


async def test_a_code_is_good_once(place: Place) -> None:
    async with DexcomCloud(place.clock.now) as cloud:
        cloud.add_account("anna")
        cloud.who_logs_in = "anna"
        source = of(place, cloud)
        consent = source.consent("anna", ELSEWHERE)
        assert consent is not None
        code = code_of(await browse(consent.url), consent)
        await source.connect("anna", consent, code)
        before = dict(place.cursors.values)
        with pytest.raises(sdk.Refused) as caught:
            await source.connect("anna", consent, code)
    assert (caught.value.code, place.cursors.values) == ("code-refused", before)


async def test_an_account_that_the_settings_do_not_name_is_not_connected(place: Place) -> None:
    async with DexcomCloud(place.clock.now) as cloud:
        with pytest.raises(sdk.Refused) as caught:
            of(place, cloud).consent("carl", ELSEWHERE)
    assert caught.value.code == "unknown-account"


@pytest.mark.parametrize("api", ["google", "fitbit"])
async def test_a_verifier_is_proved_where_the_vendor_checks_one(place: Place, api: str) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        cloud.rates = {NOW - HOUR: 61}
        said = plain(
            cloud, api=api, timezone="UTC", data=["heart-rate"], accounts=[{"name": "anna", "patient": PATIENT}]
        )

        def make(settings: Mapping[str, Any], context: sdk.PluginContext) -> FitbitSource:
            return FitbitSource(FitbitSettings.model_validate(settings), context)

        source = make(said, plugin_context(place.clock, place.cursors, place.log))
        consent = source.consent("anna", ELSEWHERE)
        assert consent is not None
        assert consent.verifier is not None
        assert f"code_challenge={challenge(consent.verifier)}" in consent.url
        code = code_of(await browse(consent.url), consent)
        stolen = sdk.Consent(consent.url, ELSEWHERE, consent.state, "another-verifier")
        with pytest.raises(sdk.Refused):
            await source.connect("anna", stolen, code)
        await source.connect("anna", consent, code)
        async with place.running(make, said) as running:
            await running.pause()
    assert len(running.arrivals) == 1


def test_a_challenge_is_that_of_the_standard() -> None:
    """RFC 7636 appendix B."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


# --- taking off


async def test_an_account_that_is_taken_off_is_not_asked_again_from_that_moment(place: Place) -> None:
    async with DexcomCloud(place.clock.now) as cloud:
        for name in ("anna", "ben"):
            cloud.add_account(name, readings(NOW - HOUR, 3))
            await connect(place, cloud, name)
        async with place.running(make_dexcom, plain(cloud)) as running:
            await running.pause()
            await of(place, cloud).withdraw("anna")
            asked = len(cloud.requests)
            cloud.add_readings("anna", [Point(NOW + MINUTE, 120)])
            await running.after(300)
            await running.after(300)
            assert {seen.account for seen in cloud.requests[asked:]} == {"ben"}
            await connect(place, cloud, "anna")
            await running.after(300)
    assert [event["code"] for event in place.events("account_held")] == ["withdrawn"]
    assert len(running.arrivals) == 3
    assert await of(place, cloud).is_withdrawn("anna") is False


def _fitbit(place: Place, cloud: FitbitCloud, api: str) -> FitbitSource:
    said = plain(cloud, api=api, timezone="UTC", accounts=[{"name": "anna", "patient": PATIENT}])
    return FitbitSource(FitbitSettings.model_validate(said), plugin_context(place.clock, place.cursors, place.log))


async def _connected(source: FitbitSource) -> FitbitSource:
    consent = source.consent("anna", ELSEWHERE)
    assert consent is not None
    await source.connect("anna", consent, code_of(await browse(consent.url), consent))
    return source


@pytest.mark.parametrize("api", ["google", "fitbit"])
async def test_the_vendor_is_told_of_the_end_where_it_documents_how(place: Place, api: str) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        source = await _connected(_fitbit(place, cloud, api))
        await source.withdraw("anna")
        assert cloud.revoked
        await source.withdraw("anna")  # there is no token any more, and nobody is asked
    assert [seen.path for seen in cloud.requests].count("/revoke" if api == "google" else "/oauth2/revoke") == 1
    assert await source.is_withdrawn("anna")


@pytest.mark.parametrize("api", ["google", "fitbit"])
async def test_a_token_that_has_gone_already_needs_no_telling(place: Place, api: str) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        source = await _connected(_fitbit(place, cloud, api))
        cloud.rotations += 1
        await source.withdraw("anna")
    assert await source.is_withdrawn("anna")


async def test_a_vendor_that_cannot_be_told_is_said_when_all_else_is_done(place: Place) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        source = await _connected(_fitbit(place, cloud, "google"))
        cloud.script("/revoke", Scripted(500, b""))
        with pytest.raises(sdk.Unavailable) as failed:
            await source.withdraw("anna")
    assert failed.value.code == "revoke-failed"
    assert "remove the app" in failed.value.text
    assert await source.is_withdrawn("anna")
    assert json.loads(place.cursors.values["refresh:anna"]).get("locked") is None


async def test_a_site_with_a_key_is_taken_off_and_brought_back_too(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        place.secret("ns", site.secret)
        account = {"name": "anna", "patient": PATIENT, "base_url": site.base_url, "api_secret": {"secret": "ns"}}
        settings = NightscoutSettings.model_validate({**FAST, "accounts": [account]})
        source = NightscoutSource(settings, plugin_context(place.clock, place.cursors, place.log))
        assert isinstance(source, ConnectsAccounts)
        await source.withdraw("anna")
        async with place.running(
            lambda said, context: NightscoutSource(NightscoutSettings.model_validate(said), context),
            {"accounts": [account]},
        ) as running:
            with pytest.raises(sdk.NeedsOperator, match="taken off"):
                await running.ended()
        assert site.requests == []
        assert source.consent("anna", ELSEWHERE) is None
        await source.connect("anna", None, None)
        assert not await source.is_withdrawn("anna")


# --- the browser


def a_consent(redirect: str = ELSEWHERE) -> sdk.Consent:
    return sdk.Consent("https://vendor.example", redirect, "the-state")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("code=c&state=other", "state-differs"),
        ("code=c", "state-differs"),
        ("error=access_denied&state=the-state", "consent-refused"),
        ("state=the-state", "consent-refused"),
    ],
)
def test_an_answer_that_is_none_is_refused(query: str, code: str) -> None:
    with pytest.raises(sdk.Refused) as caught:
        code_of(f"{ELSEWHERE}?{query}", a_consent())
    assert caught.value.code == code


def test_only_this_machine_waits_for_a_browser() -> None:
    assert is_local("http://127.0.0.1:8765/callback")
    assert not is_local(ELSEWHERE)
    assert not is_local("http://localhost/callback")


async def test_the_page_takes_one_code_and_is_not_fooled(unused_tcp_port: int) -> None:
    consent = a_consent(f"http://127.0.0.1:{unused_tcp_port}/callback")
    async with waiting(consent) as callback, aiohttp.ClientSession() as browser:
        assert isinstance(callback, Callback)
        statuses = []
        for query in ("code=evil&state=guess", "code=good&state=the-state", "code=late&state=the-state"):
            async with browser.get(f"{consent.redirect_uri}?{query}") as answer:
                statuses.append(answer.status)
        assert await callback.code(5) == "good"
    assert statuses == [400, 200, 200]


async def test_who_says_no_is_heard(unused_tcp_port: int) -> None:
    consent = a_consent(f"http://127.0.0.1:{unused_tcp_port}/callback")
    async with waiting(consent) as callback, aiohttp.ClientSession() as browser:
        async with browser.get(f"{consent.redirect_uri}?error=access_denied&state=the-state") as answer:
            assert answer.status == 400
        with pytest.raises(sdk.Refused, match="did not agree"):
            await callback.code(5)
