"""The `dexcom` source when the cloud, the network, or a person says no."""

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from engine import sdk
from engine.testing.fakes import MemoryCursors
from simulators.dexcom import EGVS_PATH, TOKEN_PATH, Scripted
from simulators.series import Point
from tests.integration.dexcom.harness import GUARD_SECONDS, HOUR, MINUTE, NOW, Place, readings


def calls(place: Place, path: str) -> list[int]:
    return [seen.status for seen in place.cloud.requests if seen.path == path]


# --- tokens


async def test_the_access_token_is_used_until_it_expires(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running(every="1h") as running:
        await running.pause()
        await running.after(3600)
        assert calls(place, TOKEN_PATH) == [200]
        await running.after(3600)  # 7200 s are over
    assert calls(place, TOKEN_PATH) == [200, 200]
    assert calls(place, EGVS_PATH) == [200, 200, 200]


async def test_refresh_tokens_rotate_and_the_newest_is_kept(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    for _ in range(3):  # with the second start the token in the secret has long been used up
        async with place.running() as running:
            await running.pause()
    assert calls(place, TOKEN_PATH) == [200, 200, 200]
    assert not place.events("account_held")


async def test_a_token_that_is_no_longer_accepted_is_renewed_once(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as running:
        await running.pause()
        place.cloud.expire_access_tokens()
        place.cloud.add_readings("anna", [Point(NOW + MINUTE, 140)])
        assert await running.after(300) == 300
    assert calls(place, EGVS_PATH) == [200, 401, 200]
    assert len(running.arrivals) == 2


async def test_a_fresh_token_that_is_not_accepted_either_holds_the_account(place: Place) -> None:
    place.account("anna")
    place.cloud.script(EGVS_PATH, Scripted(401), Scripted(401))
    async with place.running() as running:
        with pytest.raises(sdk.NeedsOperator) as caught:
            await running.ended()
    assert (caught.value.code, calls(place, EGVS_PATH)) == ("consent-ended", [401, 401])


async def test_one_revoked_account_is_held_and_the_others_go_on(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.account("ben", readings(NOW - HOUR, 3))
    async with place.running() as running:
        await running.pause()
        place.cloud.revoke("anna")
        place.cloud.add_readings("ben", [Point(NOW + MINUTE, 140)])
        await running.after(300)
        asked = len(place.cloud.requests)
        await running.after(300)
    assert [fields["account"] for fields in place.events("account_held")] == ["anna"]
    assert [seen.account for seen in place.cloud.requests[asked:]] == ["ben"]
    assert len(running.arrivals) == 3


async def test_a_held_account_comes_back_when_its_secret_changes(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.account("ben", readings(NOW - HOUR, 3))
    place.cloud.revoke("anna")
    async with place.running() as running:
        await running.pause()
        assert len(running.arrivals) == 1
        place.secret("refresh-anna", place.cloud.consent_again("anna"))
        await running.after(300)
    assert [fields["account"] for fields in place.events("account_released")] == ["anna"]
    assert len(running.arrivals) == 2


async def test_a_new_consent_replaces_the_chain_of_kept_tokens(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as running:
        await running.pause()
    place.secret("refresh-anna", place.cloud.consent_again("anna"))
    async with place.running() as running:
        await running.pause()
    assert calls(place, TOKEN_PATH) == [200, 200]


async def test_when_every_account_is_held_the_channel_asks_for_an_operator(place: Place) -> None:
    place.account("anna")
    place.account("ben")
    place.cloud.revoke("anna")
    place.cloud.revoke("ben")
    async with place.running() as running:
        with pytest.raises(sdk.NeedsOperator) as caught:
            await running.ended()
    assert caught.value.code == "consent-ended"
    assert "consent again" in caught.value.text
    assert len(place.events("account_held")) == 2


async def test_a_client_that_dexcom_does_not_know_asks_for_an_operator_at_once(place: Place) -> None:
    place.account("anna")
    place.account("ben")
    place.secret("client-secret", "wrong")
    async with place.running() as running:
        with pytest.raises(sdk.NeedsOperator) as caught:
            await running.ended()
    assert (caught.value.code, calls(place, TOKEN_PATH)) == ("client-refused", [401])


async def test_a_missing_refresh_token_holds_only_its_account(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.account("anna")
    place.account("ben", readings(NOW - HOUR, 3))
    monkeypatch.delenv("ISLET_SECRET_REFRESH_ANNA")
    async with place.running() as running:
        await running.pause()
    assert [fields["code"] for fields in place.events("account_held")] == ["secret-missing"]
    assert len(running.arrivals) == 1


async def test_a_rotated_token_that_the_journal_could_not_take_is_not_lost(place: Place) -> None:
    class AwayOnce(MemoryCursors):
        away = True

        async def put(self, name: str, value: str) -> None:
            if name.startswith("refresh:") and self.away:
                self.away = False
                raise sdk.Unavailable("the journal is away")
            await super().put(name, value)

    place.cursors = AwayOnce()
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as running:
        assert await running.pause() == 3.75
        assert await running.after(3.75) == 300
    async with place.running() as running:
        await running.pause()
    assert calls(place, TOKEN_PATH) == [200, 200]


async def test_a_refresh_under_way_is_kept_even_if_the_source_is_closed_or_cancelled(place: Place) -> None:
    class Gate(MemoryCursors):
        """Closes the source at the moment when the new token is about to be kept."""

        def __init__(self) -> None:
            super().__init__()
            self.reached, self.open = asyncio.Event(), asyncio.Event()

        async def put(self, name: str, value: str) -> None:
            self.reached.set()
            await self.open.wait()
            await super().put(name, value)

    place.cursors = gate = Gate()
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as running:
        async with asyncio.timeout(GUARD_SECONDS):
            await gate.reached.wait()
        running.task.cancel()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await running.ended()
    assert "refresh:anna" in gate.values
    async with place.running() as running:
        assert await running.pause() == 300


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"{}", b'{"access_token": "", "expires_in": 7200}', b'{"access_token": "a\\nb", "expires_in": 1}'],
)
async def test_rubbish_from_the_token_endpoint_backs_off(place: Place, answer: bytes) -> None:
    place.account("anna")
    place.cloud.script(TOKEN_PATH, Scripted(200, answer))
    async with place.running() as running:
        assert await running.pause() == 3.75
        assert await running.after(3.75) == 300
    assert [fields["code"] for fields in place.events("fetch_failed")] == ["token-malformed"]


# --- throttling, failures, silence


async def test_429_makes_all_accounts_wait_as_long_as_it_says(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.account("ben", readings(NOW - HOUR, 3))
    place.cloud.script(EGVS_PATH, Scripted(429, headers={"Retry-After": "120"}))
    async with place.running() as running:
        assert await running.pause() == 120
        assert len(place.cloud.requests) == 2  # one token, one refusal
        await place.clock.advance(119)
        assert len(place.cloud.requests) == 2
        assert await running.after(1) == 300
    assert [fields["after_seconds"] for fields in place.events("throttled")] == [120]
    assert len(running.arrivals) == 2


async def test_429_may_name_a_date_or_nothing(place: Place) -> None:
    place.account("anna")
    date = {"Retry-After": "Fri, 20 Nov 2026 10:16:30 GMT"}
    place.cloud.script(EGVS_PATH, Scripted(429, headers=date), Scripted(429))
    async with place.running() as running:
        assert await running.pause() == 90
        assert await running.after(90) == 60


async def test_429_at_the_token_endpoint_waits_too(place: Place) -> None:
    place.account("anna")
    place.cloud.script(TOKEN_PATH, Scripted(429, headers={"Retry-After": "45"}))
    async with place.running() as running:
        assert await running.pause() == 45
        assert await running.after(45) == 300


async def test_5xx_backs_off_and_doubles_until_it_works_again(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.cloud.script(EGVS_PATH, Scripted(500), Scripted(502), Scripted(503), Scripted(504))
    async with place.running() as running:
        assert await running.pause() == 3.75  # 5 s less a quarter (chance stands at a half)
        assert await running.after(3.75) == 7.5
        assert await running.after(7.5) == 15
        assert await running.after(15) == 30
        assert await running.after(30) == 300
        place.cloud.script(EGVS_PATH, Scripted(500))
        assert await running.after(300) == 3.75
    assert [(f["code"], f["attempts"]) for f in place.events("fetch_failed")] == [
        ("http-500", 1),
        ("http-502", 2),
        ("http-503", 3),
        ("http-504", 4),
        ("http-500", 1),
    ]
    assert len(running.arrivals) == 1


async def test_a_failing_account_does_not_keep_the_others(place: Place) -> None:
    place.account("anna")
    place.account("ben", readings(NOW - HOUR, 3))
    place.cloud.script(EGVS_PATH, Scripted(500))
    async with place.running() as running:
        await running.pause()
    assert [arrival.meta["patient_value"] for arrival in running.arrivals] == ["CANARY-PATIENT-ben"]


async def test_a_cloud_that_hangs_is_left_at_the_timeout(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.cloud.script(EGVS_PATH, Scripted(hang=True))
    async with place.running() as running:
        async with asyncio.timeout(GUARD_SECONDS):
            await place.cloud.hanging.wait()
        assert await running.after(31) == 3.75
        assert await running.after(3.75) == 300
    assert [fields["code"] for fields in place.events("fetch_failed")] == ["timeout"]


async def test_a_cloud_that_is_not_there_backs_off(place: Place) -> None:
    place.account("anna")
    await place.cloud.stop()
    async with place.running() as running:
        assert await running.pause() == 3.75
    assert [fields["code"] for fields in place.events("fetch_failed")] == ["network"]


async def test_an_answer_that_is_too_large_is_not_taken(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 12))
    async with place.running(largest="1 kB") as running:
        assert await running.pause() == 3.75
    assert [fields["code"] for fields in place.events("fetch_failed")] == ["answer-too-large"]


@pytest.mark.parametrize("status", [400, 403, 404, 302])
async def test_another_refusal_holds_the_account(place: Place, status: int) -> None:
    place.account("anna")
    place.cloud.script(EGVS_PATH, Scripted(status, headers={"Location": "https://elsewhere.example/"}))
    async with place.running() as running:
        with pytest.raises(sdk.NeedsOperator) as caught:
            await running.ended()
    assert caught.value.code == f"http-{status}"


@pytest.mark.parametrize(
    "body", [b"<html>maintenance</html>", b'{"recordType":"egv","records":[{"rec', b'{"recordType":"event"}']
)
async def test_rubbish_with_200_is_stored_once_and_its_window_asked_again(place: Place, body: bytes) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.cloud.script(EGVS_PATH, Scripted(200, body), Scripted(200, body + b" "))
    async with place.running() as running:
        assert await running.pause() == 300
        assert running.bodies == [body]
        assert "egvs:anna" not in place.cursors.values
        assert await running.after(300) == 3.75
        assert await running.after(3.75) == 300
    assert len(running.arrivals) == 2
    assert len(json.loads(running.bodies[1])["records"]) == 3
    assert place.cursors.values["egvs:anna"] == "2026-11-20T09:25:00Z"


async def test_calls_keep_the_distance_of_the_rate_limit(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running(rate_limit="30 per minute") as running:
        assert await running.pause() == 2
        assert [seen.path for seen in place.cloud.requests] == [TOKEN_PATH]
        assert await running.after(2) == 300
    assert [seen.path for seen in place.cloud.requests] == [TOKEN_PATH, EGVS_PATH]


# --- privacy


async def test_no_token_and_no_patient_shows_anywhere(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    first = place.account("anna", readings(NOW - HOUR, 3))
    place.account("ben", readings(NOW - HOUR, 3))
    place.secret("client-secret", "islet-secret")
    trouble = (Scripted(500), Scripted(429), Scripted(200, b"rubbish"), Scripted(401), Scripted(403))
    place.cloud.script(EGVS_PATH, *trouble)
    shown: list[Any] = []
    async with place.running() as running:
        for seconds in (0, 60, 300, 300, 300, 300):
            await running.after(seconds)
        place.cloud.revoke("anna")
        place.cloud.revoke("ben")
        place.cloud.expire_access_tokens()
        await place.clock.advance(8000)
        with pytest.raises(sdk.NeedsOperator) as caught:
            await running.ended()
        shown += [repr(running.source.__dict__), repr(running.arrivals), repr(caught.value), str(caught.value)]
        shown += [repr(vars(account)) for account in running.source._accounts]
    shown += [repr(place.log.events), caplog.text]
    shown += [f"{seen.path} {seen.query}" for seen in place.cloud.requests]
    tokens = [
        json.loads(value)["locked"] for name, value in place.cursors.values.items() if name.startswith("refresh:")
    ]
    assert len(tokens) == 2
    assert len(place.log.events) == 4
    for secret in (first, *tokens, "islet-secret", "CANARY-PATIENT"):
        assert not [text for text in shown if secret in text], secret
    shown += place.cursors.values.values()  # the journal holds tokens in cipher only
    assert not [text for text in shown if re.search("(refresh|access)-[0-9a-f]{40}", text)]
