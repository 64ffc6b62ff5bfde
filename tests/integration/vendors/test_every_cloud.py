"""What every source that asks a cloud owes people when the cloud misbehaves: it waits, or says so, and then goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from connectors.cloud.polling import PollingSource
from connectors.dexcom.settings import DexcomSettings
from connectors.dexcom.source import DexcomSource
from connectors.fitbit.source import FitbitSettings, FitbitSource
from connectors.librelinkup.source import LibreLinkUpSettings, LibreLinkUpSource
from connectors.nightscout.source import NightscoutSettings, NightscoutSource
from engine import sdk
from simulators.dexcom import EGVS_PATH, DexcomCloud, Scripted
from simulators.fitbit import FitbitCloud
from simulators.librelinkup import LibreLinkUpCloud
from simulators.nightscout import NightscoutSite
from tests.integration.dexcom.harness import DAY, GUARD_SECONDS, HOUR, MINUTE, NOW, readings
from tests.integration.vendors.clouds import PATIENT, Place

CLIENT = {"client_id": {"secret": "client-id"}, "client_secret": {"secret": "client-secret"}}
ELSEWHERE = "http://127.0.0.1:9/elsewhere"


class Case(NamedTuple):
    """A source with a cloud that has one reading: how they are made, and the path that is asked for it."""

    cloud: Callable[[Place], Any]
    make: Callable[[Any, sdk.PluginContext], PollingSource]
    settings: Callable[[Place, Any], dict[str, Any]]
    path: str


def dexcom_cloud(place: Place) -> DexcomCloud:
    cloud = DexcomCloud(place.clock.now)
    place.secret("token", cloud.add_account("anna", readings(NOW - HOUR, 1)))
    return cloud


def fitbit_cloud(place: Place) -> FitbitCloud:
    cloud = FitbitCloud(place.clock.now)
    cloud.rates = {NOW - HOUR: 61}
    place.secret("token", cloud.refresh_token)
    return cloud


def llu_cloud(place: Place) -> LibreLinkUpCloud:
    cloud = LibreLinkUpCloud(place.clock.now)
    cloud.points = {NOW - 5 * MINUTE: 120}
    place.secret("email", cloud.email)
    place.secret("password", cloud.password)
    return cloud


def nightscout(place: Place) -> NightscoutSite:
    site = NightscoutSite(place.clock.now)
    site.add_entry("e1", int((NOW - HOUR).timestamp() * 1000), 120)
    place.secret("ns", site.secret)
    place.secret("token", site.access_token)
    return site


def with_client(place: Place, cloud: Any, **more: Any) -> dict[str, Any]:
    place.secret("client-id", "islet-client")
    place.secret("client-secret", "islet-secret")
    account = {"name": "anna", "patient": PATIENT, "refresh_token": {"secret": "token"}}
    return {"base_url": cloud.base_url, **CLIENT, "accounts": [account], **more}


def site_of(site: Any, **key: Any) -> dict[str, Any]:
    return {"accounts": [{"name": "anna", "patient": PATIENT, "base_url": site.base_url, **key}], "start": "1d"}


def follower(_place: Place, cloud: Any) -> dict[str, Any]:
    account = {"name": "anna", "patient": PATIENT, "email": {"secret": "email"}, "password": {"secret": "password"}}
    return {"base_url": cloud.base_url, "accounts": [account]}


def wearer(api: str) -> Callable[[Place, Any], dict[str, Any]]:
    more = {"api": api, "timezone": "UTC", "data": ["heart-rate"], "start": "6h", "window": "1d", "overlap": "1h"}
    return lambda place, cloud: with_client(place, cloud, **more)


def fitbit(said: Any, context: sdk.PluginContext) -> PollingSource:
    return FitbitSource(FitbitSettings.model_validate(said), context)


def of_site(said: Any, context: sdk.PluginContext) -> PollingSource:
    return NightscoutSource(NightscoutSettings.model_validate(said), context)


SINCE = int((NOW - DAY).timestamp() * 1000)
CASES = {
    "dexcom": Case(
        dexcom_cloud,
        lambda said, context: DexcomSource(DexcomSettings.model_validate(said), context),
        with_client,
        EGVS_PATH,
    ),
    "google": Case(fitbit_cloud, fitbit, wearer("google"), "/v4/users/me/dataTypes/heart-rate/dataPoints"),
    "fitbit": Case(fitbit_cloud, fitbit, wearer("fitbit"), "/1/user/-/activities/heart/date/2026-11-20/1d/1min.json"),
    "librelinkup": Case(
        llu_cloud,
        lambda said, context: LibreLinkUpSource(LibreLinkUpSettings.model_validate(said), context),
        follower,
        "/llu/connections/11111111-2222-4000-8000-000000000001/graph",
    ),
    "nightscout v1": Case(
        nightscout, of_site, lambda _, site: site_of(site, api_secret={"secret": "ns"}), "/api/v1/entries.json"
    ),
    "nightscout v3": Case(
        nightscout,
        of_site,
        lambda _, site: site_of(site, api="v3", access_token={"secret": "token"}),
        f"/api/v3/entries/history/{SINCE}",
    ),
}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(monkeypatch)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
async def cloud(case: Case, place: Place) -> AsyncIterator[Any]:
    async with case.cloud(place) as running:
        yield running


def running(place: Place, case: Case, cloud: Any, **more: Any) -> AbstractAsyncContextManager[Any]:
    return place.running(case.make, {**case.settings(place, cloud), **more})


async def until_told(work: Any) -> None:
    """Pauses until the reading is there."""
    wait = await work.pause()
    for _ in range(6):
        if work.arrivals:
            return
        wait = await work.after(wait)
    raise AssertionError("the reading never came")


async def told_of(place: Place, event: str) -> None:
    """Until the log has it; no time passes."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not place.events(event):
            await place.clock.advance(0)
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "event", "code"),
    [
        (Scripted(500), "fetch_failed", "http-500"),
        (Scripted(503, headers={"Retry-After": "90"}), "throttled", "http-503"),
        (Scripted(429, headers={"Retry-After": "90"}), "throttled", "http-429"),
    ],
    ids=lambda value: getattr(value, "status", None) and f"{value.status}{'+' if value.headers else ''}",
)
async def test_it_waits_and_comes_back(
    place: Place, case: Case, cloud: Any, answer: Scripted, event: str, code: str
) -> None:
    cloud.script(case.path, answer)
    async with running(place, case, cloud) as work:
        await until_told(work)
    (told,) = place.events(event)
    assert told["code"] == code
    assert not answer.headers or told["after_seconds"] == 90


async def test_an_answer_that_is_too_big_is_not_taken(place: Place, case: Case, cloud: Any) -> None:
    cloud.script(case.path, Scripted(200, b"[" + b" " * 40_000 + b"]"))
    async with running(place, case, cloud, largest="30 kB") as work:
        await until_told(work)
    assert place.events("fetch_failed")[0]["code"] == "answer-too-large"


async def test_a_redirect_is_not_followed_with_the_token(place: Place, case: Case, cloud: Any) -> None:
    cloud.script(case.path, Scripted(302, headers={"Location": ELSEWHERE}))
    async with running(place, case, cloud):
        await told_of(place, "account_held")
    assert place.events("account_held")[0]["code"] == "http-302"


async def test_rubbish_loses_nothing(place: Place, case: Case, cloud: Any) -> None:
    """It is stored once where people see it, or is an error that is waited for; then the reading comes."""
    cloud.script(case.path, Scripted(200, b"<html>CANARY</html>"))
    async with running(place, case, cloud) as work:
        wait = await work.pause()
        rubbish = [body for body in work.bodies if b"<html>" in body]
        assert rubbish or place.events("fetch_failed")
        for _ in range(4):
            wait = await work.after(wait)
    assert len([body for body in work.bodies if b"<html>" not in body]) == 1
    assert "CANARY" not in str(place.log.events)


async def test_a_late_reading_is_found_and_a_restart_asks_from_the_cursor(place: Place, case: Case, cloud: Any) -> None:
    async with running(place, case, cloud) as work:
        await until_told(work)
    assert place.cursors.values
    late = NOW - HOUR - timedelta(minutes=20)
    if isinstance(cloud, DexcomCloud):
        cloud.add_readings("anna", readings(late, 1, 150))
    elif isinstance(cloud, FitbitCloud):
        cloud.rates[late] = 150
    elif isinstance(cloud, LibreLinkUpCloud):
        cloud.points[late] = 150
    else:
        await place.clock.advance(1)
        cloud.add_entry("e0", int(late.timestamp() * 1000), 150)
    async with running(place, case, cloud) as again:
        await again.pause()
    assert len(again.bodies) == 1
    assert b"150" in again.bodies[0]
