"""Nightscout, LibreLinkUp and Fitbit against their simulators: logins, windows, pages, expiry, throttling, rubbish."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.vendors.fitbit import read_fitbit
from clinical.vendors.nightscout import read_nightscout
from connectors.fitbit.source import FitbitSettings, FitbitSource
from connectors.librelinkup.source import LibreLinkUpSettings, LibreLinkUpSource, address_of
from connectors.nightscout.source import NightscoutSettings, NightscoutSource
from engine import sdk
from simulators.dexcom import Scripted
from simulators.fitbit import FitbitCloud
from simulators.librelinkup import LibreLinkUpCloud
from simulators.nightscout import NightscoutSite
from tests.integration.dexcom.harness import HOUR, MINUTE, NOW
from tests.integration.vendors.clouds import PATIENT, Place
from tests.unit.vendors.mutations import WHOSE

IN_UTC = replace(WHOSE, zone=ZoneInfo("UTC"))
ENTRIES = "/api/v1/entries.json"
GRAPH = "/llu/connections/11111111-2222-4000-8000-000000000001/graph"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(monkeypatch)


# --- Nightscout


def nightscout(place: Place, site: NightscoutSite, **settings: Any) -> tuple[Any, dict[str, Any]]:
    place.secret("ns", site.secret)
    account = {"name": "anna", "patient": PATIENT, "base_url": site.base_url, "api_secret": {"secret": "ns"}}
    plain = {"accounts": [account], "start": "1d", "window": "1d", "overlap": "1h", **settings}
    return lambda said, context: NightscoutSource(NightscoutSettings.model_validate(said), context), plain


def millis(ago: timedelta) -> int:
    return int((NOW - ago).timestamp() * 1000)


async def test_entries_and_treatments_come_with_their_own_cursors(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.add_entry("e1", millis(10 * MINUTE), 120)
        site.add_treatment("t1", "2026-11-20T10:00:00.000Z", "Meal Bolus", insulin=2)
        async with place.running(*nightscout(place, site)) as running:
            await running.pause()
            site.add_entry("e1", millis(10 * MINUTE), 121)  # changed afterwards
            await running.after(300)
    assert [len(read_nightscout(body, WHOSE).records) for body in running.bodies] == [1, 1, 1]
    assert json.loads(running.bodies[-1])[0]["sgv"] == 121
    assert place.cursors.values["entries:anna"] == "2026-11-20T10:05:00Z"
    assert place.cursors.values["treatments:anna"] == "2026-11-20T10:00:00Z"
    assert running.arrivals[0].meta["patient_value"] == "CANARY-PATIENT"


async def test_late_entries_are_found_within_the_overlap(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.add_entry("e1", millis(5 * MINUTE), 120)
        async with place.running(*nightscout(place, site)) as running:
            await running.pause()
            site.add_entry("e0", millis(50 * MINUTE), 110)
            await running.after(300)
    assert [one["_id"] for one in json.loads(running.bodies[-1])] == ["e1", "e0"]


async def test_a_wrong_secret_holds_the_account_until_it_is_changed(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        make, settings = nightscout(place, site)
        place.secret("ns", "wrong")
        async with place.running(make, settings) as running:
            with pytest.raises(sdk.NeedsOperator) as caught:
                await running.ended()
    assert caught.value.code == "consent-ended"
    assert {event["code"] for event in place.events("account_held")} == {"consent-ended"}


@pytest.mark.parametrize(
    ("answer", "event", "code"),
    [
        (Scripted(500), "fetch_failed", "http-500"),
        (Scripted(429, headers={"Retry-After": "90"}), "throttled", "http-429"),
    ],
)
async def test_trouble_is_waited_for(place: Place, answer: Scripted, event: str, code: str) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.add_entry("e1", millis(5 * MINUTE), 120)
        site.script(ENTRIES, answer)
        async with place.running(*nightscout(place, site)) as running:
            wait = await running.pause()
            await running.after(wait)
            while not running.arrivals:
                await running.after(300)
    assert [one["code"] for one in place.events(event)] == [code]


async def test_rubbish_is_stored_once_where_people_see_it(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.script(ENTRIES, Scripted(200, b"<html>"), Scripted(200, b"<html>"))
        async with place.running(*nightscout(place, site)) as running:
            await running.pause()
            await running.after(300)
    assert running.bodies == [b"<html>"]
    assert "entries:anna" not in place.cursors.values


# --- LibreLinkUp


def llu(place: Place, cloud: LibreLinkUpCloud, **settings: Any) -> tuple[Any, dict[str, Any]]:
    place.secret("email", cloud.email)
    place.secret("password", cloud.password)
    account = {"name": "anna", "patient": PATIENT, "email": {"secret": "email"}, "password": {"secret": "password"}}
    plain = {"base_url": cloud.base_url, "accounts": [account], **settings}
    return lambda said, context: LibreLinkUpSource(LibreLinkUpSettings.model_validate(said), context), plain


async def test_a_login_in_the_wrong_region_is_sent_on(place: Place) -> None:
    async with LibreLinkUpCloud(place.clock.now, region="eu2") as cloud:
        cloud.points = {NOW - 5 * MINUTE: 120}
        async with place.running(*llu(place, cloud)) as running:
            await running.pause()
    (body,) = running.bodies
    assert [seen.path for seen in cloud.requests] == [
        "/llu/auth/login",
        "/eu2/llu/auth/login",
        "/eu2/llu/connections",
        f"/eu2{GRAPH}",
    ]
    assert json.loads(body)["data"]["graphData"][0]["ValueInMgPerDl"] == 120
    assert b"jwt" not in body  # the ticket carries names
    assert place.cursors.values["graph:anna"] == "2026-11-20T10:10:00Z"


async def test_an_expired_session_logs_in_anew_once(place: Place) -> None:
    async with LibreLinkUpCloud(place.clock.now) as cloud:
        cloud.points = {NOW - 5 * MINUTE: 120}
        async with place.running(*llu(place, cloud)) as running:
            await running.pause()
            cloud.expire_sessions()
            cloud.points[NOW] = 125
            await running.after(300)
    assert len(running.bodies) == 2
    assert sum(seen.path.endswith("login") for seen in cloud.requests) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "other"}, "login-refused"),
        ({"step": "tou"}, "step-needed"),
        ({"step": "pp"}, "step-needed"),
        ({"status": 4}, "llu-refused"),
        ({"people": []}, "connection-missing"),
        ({"people": ["a", "b"]}, "connection-missing"),
        ({"oldest_version": "9.0.0"}, "version-too-old"),
    ],
)
async def test_what_a_person_must_do_is_said(place: Place, change: dict[str, Any], code: str) -> None:
    async with LibreLinkUpCloud(place.clock.now) as cloud:
        make, settings = llu(place, cloud)
        for name, value in change.items():
            setattr(cloud, name, value)
        async with place.running(make, settings) as running:
            with pytest.raises(sdk.NeedsOperator) as caught:
                await running.ended()
    assert caught.value.code == code
    assert "CANARY" not in f"{place.log.events}{caught.value}"


async def test_throttling_waits_as_long_as_it_is_told(place: Place) -> None:
    async with LibreLinkUpCloud(place.clock.now) as cloud:
        cloud.script("/llu/auth/login", Scripted(429, headers={"Retry-After": "120"}))
        async with place.running(*llu(place, cloud)) as running:
            assert await running.pause() == 120


def test_a_login_goes_to_known_regions_only() -> None:
    assert address_of("eu2") == "https://api-eu2.libreview.io"
    assert address_of("evil.example/") is None


# --- Fitbit and Google


def fitbit(place: Place, cloud: FitbitCloud, **settings: Any) -> tuple[Any, dict[str, Any]]:
    place.secret("client-id", cloud.client[0])
    place.secret("client-secret", cloud.client[1])
    place.secret("token", cloud.refresh_token)
    plain = {
        "base_url": cloud.base_url,
        "client_id": {"secret": "client-id"},
        "client_secret": {"secret": "client-secret"},
        "timezone": "UTC",
        "data": ["heart-rate"],
        "start": "12h",
        "window": "1d",
        "overlap": "1h",
        "accounts": [{"name": "anna", "patient": PATIENT, "refresh_token": {"secret": "token"}}],
        **settings,
    }
    return lambda said, context: FitbitSource(FitbitSettings.model_validate(said), context), plain


@pytest.mark.parametrize("api", ["google", "fitbit"])
async def test_heart_rates_come_from_either_api(place: Place, api: str) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        cloud.rates = {NOW - n * HOUR: 60 + n for n in range(1, 6)}  # three pages at Google's
        async with place.running(*fitbit(place, cloud, api=api)) as running:
            await running.pause()
    (body,) = running.bodies
    assert len(read_fitbit(body, WHOSE if api == "google" else IN_UTC).records) == 5
    assert place.cursors.values["heart-rate:anna"] == "2026-11-20T09:15:00Z"


async def test_refresh_tokens_rotate_and_are_kept_encrypted(place: Place) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        make, settings = fitbit(place, cloud)
        async with place.running(make, settings) as running:
            await running.pause()
        assert (cloud.rotations, "refresh-1" in str(place.cursors.values)) == (1, False)
        async with place.running(make, settings) as running:  # the secret still holds the first token
            await running.pause()
        assert cloud.rotations == 2
        assert not place.events("account_held")


async def test_an_expired_access_token_is_renewed_once(place: Place) -> None:
    async with FitbitCloud(place.clock.now) as cloud, place.running(*fitbit(place, cloud)) as running:
        await running.pause()
        cloud.expire_access_tokens()
        await running.after(300)
    assert cloud.rotations == 2
    assert [seen.status for seen in cloud.requests[-3:]] == [401, 200, 200]


async def test_a_person_who_revokes_is_asked_no_more(place: Place) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        make, settings = fitbit(place, cloud, data=["heart-rate", "steps"])
        async with place.running(make, settings) as running:
            await running.pause()
            cloud.revoked = True
            await place.clock.advance(300)
            with pytest.raises(sdk.NeedsOperator) as caught:
                await running.ended()
    assert caught.value.code == "consent-ended"
    assert [event["code"] for event in place.events("account_held")] == ["consent-ended"] * 2
    assert cloud.requests[-1].status == 400  # after the refused refresh nothing is asked


async def test_an_unknown_client_asks_for_an_operator(place: Place) -> None:
    async with FitbitCloud(place.clock.now) as cloud:
        make, settings = fitbit(place, cloud)
        place.secret("client-secret", "other")
        async with place.running(make, settings) as running:
            with pytest.raises(sdk.NeedsOperator) as caught:
                await running.ended()
    assert caught.value.code == "client-refused"
