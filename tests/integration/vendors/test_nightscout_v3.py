"""Nightscout's API v3 against its simulator: changes by their time, tombstones, pages, tokens that run out."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from clinical.records import Status
from clinical.vendors.nightscout import read_nightscout
from connectors.nightscout.source import NightscoutSettings, NightscoutSource
from engine import sdk
from simulators.dexcom import Scripted
from simulators.nightscout import NightscoutSite
from tests.integration.dexcom.harness import DAY, MINUTE, NOW
from tests.integration.vendors.clouds import PATIENT, Place
from tests.unit.vendors.mutations import WHOSE


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(monkeypatch)


def v3(place: Place, site: NightscoutSite, **settings: Any) -> tuple[Any, dict[str, Any]]:
    place.secret("token", site.access_token)
    account = {
        "name": "anna",
        "patient": PATIENT,
        "base_url": site.base_url,
        "api": "v3",
        "access_token": {"secret": "token"},
    }
    plain = {"accounts": [account], "start": "7d", **settings}
    return lambda said, context: NightscoutSource(NightscoutSettings.model_validate(said), context), plain


def millis(ago: Any) -> int:
    return int((NOW - ago).timestamp() * 1000)


async def test_a_deletion_is_told_however_old_the_document(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.add_entry("e1", millis(30 * DAY), 120)
        site.add_treatment("t1", "2026-11-20T10:00:00.000Z", "Meal Bolus", insulin=2)
        async with place.running(*v3(place, site)) as running:
            await running.pause()
            await place.clock.advance(1)
            site.delete("e1")
            await running.after(299)
    statuses = [[record.status for record in read_nightscout(body, WHOSE).records] for body in running.bodies]
    assert statuses == [[Status.FINAL], [Status.FINAL], [Status.ENTERED_IN_ERROR]]
    assert place.cursors.values["entries-history:anna"] == "2026-11-20T10:15:01Z"


async def test_nothing_new_is_no_message_and_moves_nothing(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.add_entry("e1", millis(5 * MINUTE), 120)
        async with place.running(*v3(place, site)) as running:
            await running.pause()
            await running.after(300)
            await running.after(300)
    assert len(running.bodies) == 1


async def test_pages_are_one_answer(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.page = 2
        for number in range(5):
            site.add_entry(f"e{number}", millis(number * MINUTE), 120)
            await place.clock.advance(1)
        async with place.running(*v3(place, site)) as running:
            await running.pause()
    (body,) = running.bodies
    assert [one["identifier"] for one in json.loads(body)["result"]] == [f"e{number}" for number in range(5)]


async def test_a_token_that_has_run_out_is_got_anew_once(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        site.add_entry("e1", millis(5 * MINUTE), 120)
        async with place.running(*v3(place, site)) as running:
            await running.pause()
            site.expire_tokens()
            site.add_entry("e2", millis(MINUTE), 125)
            await running.after(300)
    assert len(running.bodies) == 2
    assert sum("/authorization/" in seen.path for seen in site.requests) == 2


async def test_a_token_that_is_none_holds_the_site_and_is_not_told(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        make, settings = v3(place, site)
        place.secret("token", "CANARY-token")
        async with place.running(make, settings) as running:
            with pytest.raises(sdk.NeedsOperator) as caught:
                await running.ended()
    assert caught.value.code == "login-refused"
    assert len(site.requests) == 1  # what else is asked for with this token is not tried
    assert "CANARY" not in f"{place.log.events}{caught.value}"


@pytest.mark.parametrize(
    ("answer", "event", "code"),
    [
        (Scripted(500), "fetch_failed", "http-500"),
        (Scripted(429, headers={"Retry-After": "90"}), "throttled", "http-429"),
        (Scripted(302, headers={"Location": "http://127.0.0.1:9/"}), "account_held", "http-302"),
    ],
)
async def test_trouble_is_told_apart(place: Place, answer: Scripted, event: str, code: str) -> None:
    async with NightscoutSite(place.clock.now) as site:
        since = int((NOW - 7 * DAY).timestamp() * 1000)
        site.script(f"/api/v3/entries/history/{since}", answer)
        async with place.running(*v3(place, site)) as running:
            await running.pause()
    assert [one["code"] for one in place.events(event)] == [code]


async def test_rubbish_is_stored_once_where_people_see_it(place: Place) -> None:
    async with NightscoutSite(place.clock.now) as site:
        since = int((NOW - 7 * DAY).timestamp() * 1000)
        site.script(f"/api/v3/entries/history/{since}", Scripted(200, b'{"result": [{"date": 1}]}'))
        async with place.running(*v3(place, site)) as running:
            await running.pause()
    assert running.bodies == [b'{"result": [{"date": 1}]}']
    assert "entries-history:anna" not in place.cursors.values


@pytest.mark.parametrize(
    "keys", [{"api": "v3", "api_secret": {"secret": "a"}}, {"access_token": {"secret": "a"}}, {"api": "v3"}, {}]
)
def test_each_api_has_its_own_key(keys: dict[str, Any]) -> None:
    account = {"name": "anna", "patient": PATIENT, "base_url": "https://ns.example", **keys}
    with pytest.raises(ValidationError, match="needs a"):
        NightscoutSettings.model_validate({"accounts": [account]})
