"""The simulated cloud keeps Dexcom's rules where a client can tell, and loses no reading that it was given."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from clinical.records import Detection, Glucose, decode
from engine import sdk
from engine.testing.builders import a_message
from simulators.dexcom import EGVS_PATH, TOKEN_PATH, DexcomCloud
from simulators.series import HIGH, LOW, Point, glucose_series
from tests.builders import glucoses
from tests.integration.dexcom.harness import DAY, HOUR, MINUTE, NOW, Place, readings
from transformers.dexcom_egvs_to_records import dexcom_egvs_to_records

CLIENT = {"client_id": "islet-client", "client_secret": "islet-secret"}


class Caller:
    """Talks to the cloud without the source."""

    def __init__(self, cloud: DexcomCloud, session: aiohttp.ClientSession) -> None:
        self.cloud = cloud
        self.session = session

    async def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        data = {"grant_type": "refresh_token", **CLIENT, **form}
        async with self.session.post(self.cloud.base_url + TOKEN_PATH, data=data) as response:
            return response.status, await response.json()

    async def egvs(self, token: str, start: str, end: str) -> tuple[int, dict[str, Any]]:
        query, headers = {"startDate": start, "endDate": end}, {"Authorization": f"Bearer {token}"}
        async with self.session.get(self.cloud.base_url + EGVS_PATH, params=query, headers=headers) as response:
            return response.status, await response.json()


@pytest_asyncio.fixture(loop_scope="function")
async def caller(place: Place) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(place.cloud, session)


async def test_a_refresh_token_works_once(place: Place, caller: Caller) -> None:
    first = place.account("anna")
    status, tokens = await caller.token(refresh_token=first)
    assert (status, tokens["expires_in"], tokens["token_type"]) == (200, 7200, "Bearer")
    assert await caller.token(refresh_token=first) == (400, {"error": "invalid_grant"})
    assert (await caller.token(refresh_token=tokens["refresh_token"]))[0] == 200


async def test_client_and_grant_are_looked_at(place: Place, caller: Caller) -> None:
    token = place.account("anna")
    assert (await caller.token(refresh_token=token, client_secret="x"))[0] == 401
    assert (await caller.token(refresh_token=token, grant_type="password"))[0] == 400


async def test_windows_include_their_start_but_not_their_end_and_come_newest_first(
    place: Place, caller: Caller
) -> None:
    _, tokens = await caller.token(refresh_token=place.account("anna", readings(NOW - HOUR, 12)))
    status, answer = await caller.egvs(tokens["access_token"], "2026-11-20T09:20:00", "2026-11-20T09:35:00")
    assert status == 200
    assert [record["systemTime"] for record in answer["records"]] == [
        "2026-11-20T09:30:00Z",
        "2026-11-20T09:25:00Z",
        "2026-11-20T09:20:00Z",
    ]
    assert (answer["recordType"], answer["recordVersion"]) == ("egv", "3.0")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-10-01T00:00:00", "2026-10-31T00:00:01"),  # a second too long
        ("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"),  # with an offset
        ("2026-10-02T00:00:00", "2026-10-01T00:00:00"),
        ("soon", "later"),
    ],
)
async def test_windows_that_dexcom_refuses_are_refused(place: Place, caller: Caller, start: str, end: str) -> None:
    _, tokens = await caller.token(refresh_token=place.account("anna"))
    assert (await caller.egvs(tokens["access_token"], start, end))[0] == 400


async def test_access_tokens_expire_and_are_revoked(place: Place, caller: Caller) -> None:
    _, tokens = await caller.token(refresh_token=place.account("anna"))
    window = ("2026-11-20T09:20:00", "2026-11-20T09:35:00")
    assert (await caller.egvs(tokens["access_token"], *window))[0] == 200
    assert (await caller.egvs("another", *window))[0] == 401
    await place.clock.advance(7200)
    assert (await caller.egvs(tokens["access_token"], *window))[0] == 401


async def test_readings_show_up_when_they_have_been_uploaded(place: Place, caller: Caller) -> None:
    points = [Point(NOW - 2 * HOUR, 100), Point(NOW - 30 * MINUTE, 110), Point(NOW + 50 * MINUTE, 120)]
    _, tokens = await caller.token(refresh_token=place.account("anna", points, upload_delay=HOUR))
    window = ("2026-11-20T00:00:00", "2026-11-21T00:00:00")
    for expected in ([100], [110, 100], [120, 110, 100]):
        _, answer = await caller.egvs(tokens["access_token"], *window)
        assert [record["value"] for record in answer["records"]] == expected
        await place.clock.advance(3590)


async def test_a_series_goes_through_cloud_source_and_step_without_loss(place: Place) -> None:
    points = [*glucose_series(5, NOW - 2 * DAY, 2), Point(NOW - MINUTE, LOW), Point(NOW, HIGH)]
    place.account("anna", points, utc_offset_minutes=60)
    async with place.running() as running:
        await running.pause()
        await running.after(300)
    records: list[Glucose] = []
    for arrival in running.arrivals:
        message = a_message(arrival.body, arrival.shape, meta=arrival.meta, received_at=NOW)
        output = dexcom_egvs_to_records(message, sdk.NoSettings())
        assert isinstance(output, list)
        records += glucoses(decode(output[0].body))
        assert len(output) == 1
    told = {record.effective.millis: record for record in records}
    assert sorted(told) == [int(point.instant.timestamp() * 1000) for point in points]
    for point in points:
        record = told[int(point.instant.timestamp() * 1000)]
        detection = {LOW: Detection.BELOW, HIGH: Detection.ABOVE}.get(point.mg_dl)
        assert record.detection is detection
        assert record.value.steps == {LOW: 40, HIGH: 400}.get(point.mg_dl, point.mg_dl)
        assert record.effective.offset_minutes == 60
