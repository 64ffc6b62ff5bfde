"""Events, calibrations and alerts beside EGVs: cursors of their own, one chain of tokens, deletions found again."""

import json
from typing import Any

from clinical.records import Status
from clinical.vendors.dexcom_events import read_dexcom_events
from simulators.dexcom import TOKEN_PATH
from tests.integration.dexcom.harness import DAY, HOUR, MINUTE, NOW, Place, readings
from tests.unit.vendors.mutations import WHOSE

ALL = ["egvs", "events", "calibrations", "alerts"]


def record(number: int, ago: Any, **fields: Any) -> dict[str, Any]:
    at = NOW - ago
    return {
        "recordId": f"r{number}",
        "systemTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "displayTime": f"{at:%Y-%m-%dT%H:%M:%S}+00:00",
        **fields,
    }


def carbs(number: int, ago: Any, status: str = "created") -> dict[str, Any]:
    return record(number, ago, eventStatus=status, eventType="carbs", value="40", unit="grams")


async def test_each_kind_has_its_cursor_and_all_one_chain_of_tokens(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.cloud.put_record("anna", "events", carbs(1, HOUR))
    place.cloud.put_record("anna", "calibrations", record(2, 2 * HOUR, value=110, unit="mg/dL"))
    place.cloud.put_record("anna", "alerts", record(3, MINUTE, alertName="high", alertState="activeAlarming"))
    async with place.running(data=ALL) as running:
        await running.pause()
        await running.after(300)
    assert [json.loads(body)["recordType"] for body in running.bodies] == ["egv", "event", "calibration", "alert"]
    assert {name: place.cursors.values[f"{name}:anna"] for name in ALL} == {
        "egvs": "2026-11-20T09:25:00Z",
        "events": "2026-11-20T09:15:00Z",
        "calibrations": "2026-11-20T08:15:00Z",
        "alerts": "2026-11-20T10:14:00Z",
    }
    assert sum(seen.path == TOKEN_PATH for seen in place.cloud.requests) == 1


async def test_what_is_deleted_days_later_is_found_again(place: Place) -> None:
    place.account("anna")
    place.cloud.put_record("anna", "events", carbs(1, 5 * DAY))
    place.cloud.put_record("anna", "events", carbs(2, MINUTE))
    async with place.running(data=["events"]) as running:
        await running.pause()
        place.cloud.put_record("anna", "events", carbs(1, 5 * DAY, "deleted"))
        await running.after(300)
    assert len(running.bodies) == 2
    deleted = read_dexcom_events(running.bodies[1], WHOSE).records[0]
    assert deleted.status is Status.ENTERED_IN_ERROR


async def test_a_person_who_revokes_is_asked_for_nothing_more(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    place.account("ben", readings(NOW - HOUR, 3))
    async with place.running(data=ALL) as running:
        await running.pause()
        place.cloud.revoke("anna")
        asked = len(place.cloud.requests)
        await running.after(300)
        of_anna = [seen.status for seen in place.cloud.requests[asked:] if seen.account == "anna"]
        assert of_anna == [401, 400]
        asked = len(place.cloud.requests)
        await running.after(300)
    assert {seen.account for seen in place.cloud.requests[asked:]} == {"ben"}
