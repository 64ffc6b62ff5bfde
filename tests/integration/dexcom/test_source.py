"""The `dexcom` source against the simulated cloud: windows, cursors, messages."""

import json

import pytest

from clinical.vendors.dexcom import open_egvs
from connectors.dexcom.source import plugin
from engine import sdk
from engine.plugins.plugin import PluginKind
from engine.testing.fakes import MemoryCursors
from simulators.series import Point
from tests.integration.dexcom.harness import DAY, HOUR, MINUTE, NOW, Place, Running, readings


def values(arrival: sdk.Arrival) -> list[int]:
    """Newest first, as Dexcom answers."""
    return [record["value"] for record in json.loads(arrival.body)["records"]]


def test_the_source_is_a_plugin() -> None:
    assert (plugin.kind, plugin.name, plugin.emits) == (PluginKind.SOURCE, "dexcom", sdk.Shape.JSON)


async def test_an_answer_is_one_arrival_with_its_patient_and_window(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 12))
    async with place.running() as running:
        assert await running.pause() == 300
        (arrival,) = running.arrivals
    assert values(arrival) == list(range(112, 100, -1))
    assert arrival.shape is sdk.Shape.JSON
    assert arrival.meta == {
        "patient_system": "stm",
        "patient_value": "CANARY-PATIENT-anna",
        "fetched_at": "2026-11-20T10:15:00.000000Z",
        "window_start": "2026-10-21T10:15:00Z",
        "window_end": "2026-11-20T10:15:00Z",
    }
    assert arrival.order_key == "stm|CANARY-PATIENT-anna"
    # the newest reading is of 10:10
    assert place.cursors.values["egvs:anna"] == "2026-11-20T10:10:00Z"


async def test_later_rounds_ask_from_the_newest_reading_less_the_overlap(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 12))
    async with place.running(overlap="30m") as running:
        await running.pause()
        place.cloud.add_readings("anna", [Point(NOW + 4 * MINUTE, 150)])
        assert await running.after(300) == 300
    assert place.windows() == [
        ("2026-10-21T10:15:00", "2026-11-20T10:15:00"),
        ("2026-11-20T09:40:00", "2026-11-20T10:20:00"),
    ]
    assert [len(values(arrival)) for arrival in running.arrivals] == [12, 8]
    assert values(running.arrivals[-1])[0] == 150
    assert place.cursors.values["egvs:anna"] == "2026-11-20T10:19:00Z"


async def test_a_long_past_comes_in_windows_of_30_days_oldest_first(place: Place) -> None:
    place.account("anna", [Point(NOW - age * DAY, 100 + age) for age in (69, 65, 35, 1)])
    async with place.running(start="70d", overlap="1h") as running:
        assert await running.pause() == 300
    assert place.windows() == [
        ("2026-09-11T10:15:00", "2026-10-11T10:15:00"),
        ("2026-10-11T09:15:00", "2026-11-10T09:15:00"),
        ("2026-11-10T08:15:00", "2026-11-20T10:15:00"),
    ]
    assert [values(arrival) for arrival in running.arrivals] == [[165, 169], [135], [101]]
    assert [seen.status for seen in place.cloud.requests] == [200] * 4


async def test_history_travels_in_the_batch_lane_and_the_last_day_does_not(place: Place) -> None:
    place.account("anna", [*readings(NOW - HOUR, 12), Point(NOW - 20 * DAY, 120), Point(NOW - 50 * DAY, 150)])
    async with place.running(start="70d", history="1d") as running:
        assert await running.pause() == 300
        place.cloud.add_readings("anna", [Point(NOW + 4 * MINUTE, 151)])
        await running.after(300)
    assert [(values(arrival)[0], arrival.meta.get("lane")) for arrival in running.arrivals] == [
        (150, "batch"),
        (120, "batch"),
        (112, None),
        (151, None),
    ]


async def test_empty_windows_move_the_cursor_without_a_message(place: Place) -> None:
    place.account("anna", [Point(NOW - DAY, 120)])
    async with place.running(start="70d") as running:
        await running.pause()
    assert len(place.windows()) == 3
    assert [values(arrival) for arrival in running.arrivals] == [[120]]


async def test_the_cursor_moves_only_when_the_journal_has_the_answer(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running(lambda _: None) as running:
        arrival = await running.arrived()
        assert "egvs:anna" not in place.cursors.values
        await arrival.settle(sdk.Accepted("1"))
        assert place.cursors.values["egvs:anna"] == "2026-11-20T09:25:00Z"


async def test_what_was_not_settled_before_a_crash_is_fetched_again(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running(lambda _: None) as running:
        lost = await running.arrived()
    async with place.running() as running:
        await running.pause()
        (again,) = running.arrivals
    assert (again.body, again.source_key) == (lost.body, lost.source_key)
    assert lost.source_key is not None


async def test_a_deferred_answer_is_asked_for_again_after_the_time(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    verdicts: list[sdk.Verdict] = [sdk.Deferred(5.0, "the journal is away"), sdk.Accepted("1")]
    async with place.running(lambda _: verdicts.pop(0)) as running:
        assert await running.pause() == 5
        assert "egvs:anna" not in place.cursors.values
        assert await running.after(5) == 300
    first, second = running.arrivals
    assert first.body == second.body
    assert "egvs:anna" in place.cursors.values


async def test_a_rejected_answer_holds_its_account(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running(lambda _: sdk.Rejected("too-large", "too large")) as running:
        with pytest.raises(sdk.NeedsOperator) as caught:
            await running.ended()
    assert caught.value.code == "too-large"
    assert "egvs:anna" not in place.cursors.values


async def test_an_equal_answer_is_no_news(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as running:
        await running.pause()
        await running.after(300)
        await running.after(300)
    assert len(place.windows()) == 3
    assert len(running.arrivals) == 1


async def test_an_equal_answer_after_a_restart_has_the_same_key_and_a_changed_one_has_not(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as first:
        await first.pause()
    async with place.running() as second:
        await second.pause()
        place.cloud.add_readings("anna", [Point(NOW - HOUR, 99)])  # smoothed: the same reading has another value
        await second.after(300)
    keys = [arrival.source_key for arrival in (*first.arrivals, *second.arrivals)]
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]
    before, after = (open_egvs(arrival.body).records[-1] for arrival in second.arrivals)
    assert json.loads(bytes(before))["recordId"] == json.loads(bytes(after))["recordId"]


async def test_readings_filled_in_within_the_overlap_are_found(place: Place) -> None:
    place.account("anna", [Point(NOW - 2 * HOUR, 100), Point(NOW - MINUTE, 110)])
    async with place.running(overlap="3h") as running:
        await running.pause()
        place.cloud.add_readings("anna", [Point(NOW - HOUR, 105)])
        await running.after(300)
    assert [values(arrival) for arrival in running.arrivals] == [[110, 100], [110, 105, 100]]


async def test_what_a_phone_uploads_days_late_is_found(place: Place) -> None:
    place.account("anna", [Point(NOW - MINUTE, 110)])
    async with place.running(every="12h", overlap="1h") as running:
        await running.pause()
        for _ in range(6):  # three days without a network
            await running.after(12 * 3600)
        place.cloud.add_readings("anna", [Point(NOW + HOUR, 130), Point(NOW + 2 * DAY, 140)])
        await running.after(12 * 3600)
    assert [values(arrival) for arrival in running.arrivals] == [[110], [140, 130, 110]]


async def test_a_restart_goes_on_from_the_cursor(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 12))
    async with place.running(overlap="15m") as running:
        await running.pause()
    await place.clock.advance(3600)
    place.cloud.add_readings("anna", readings(NOW, 12, value=200))
    async with place.running(overlap="15m") as running:
        await running.pause()
    assert place.windows()[-1] == ("2026-11-20T09:55:00", "2026-11-20T11:15:00")
    assert values(running.arrivals[0]) == [*range(211, 199, -1), 112, 111, 110, 109]


async def test_accounts_take_turns_while_one_catches_up(place: Place) -> None:
    place.account("anna", [Point(NOW - age * DAY, 100) for age in (69, 35, 1)])
    place.account("ben", [Point(NOW - DAY, 120)])
    place.cursors.values["egvs:ben"] = "2026-11-19T00:00:00Z"
    async with place.running(start="70d") as running:
        await running.pause()
    order = [arrival.meta["patient_value"].rpartition("-")[2] for arrival in running.arrivals]
    assert order == ["anna", "ben", "anna", "anna"]


async def test_receivers_without_offsets_move_the_cursor_too(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 12), display_device="receiver", utc_offset_minutes=-480)
    async with place.running() as running:
        await running.pause()
    record = json.loads(running.arrivals[0].body)["records"][0]
    assert (record["systemTime"], record["displayTime"]) == ("2026-11-20T10:10:00", "2026-11-20T02:10:00")
    assert place.cursors.values["egvs:anna"] == "2026-11-20T10:10:00Z"


async def test_closing_ends_the_deliveries_and_a_late_verdict_still_counts(place: Place) -> None:
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running(lambda _: None) as running:
        arrival = await running.arrived()
        await running.source.close()
        await running.ended()
        await running.source.close()
    await arrival.settle(sdk.Accepted("1"))
    assert place.cursors.values["egvs:anna"] == "2026-11-20T09:25:00Z"


async def test_a_cursor_that_cannot_be_kept_means_that_the_answer_comes_again(place: Place) -> None:
    class AwayOnce(MemoryCursors):
        away = True

        async def put(self, name: str, value: str) -> None:
            if name.startswith("egvs:") and self.away:
                self.away = False
                raise sdk.Unavailable("the journal is away")
            await super().put(name, value)

    place.cursors = AwayOnce()
    place.account("anna", readings(NOW - HOUR, 3))
    async with place.running() as running:
        assert await running.pause() == 3.75  # 5 s less the jitter
        # the answer is known to be stored: only the cursor is made up for
        assert await running.after(3.75) == 300
    assert len(running.arrivals) == 1
    assert place.cursors.values["egvs:anna"] == "2026-11-20T09:25:00Z"


async def test_close_without_deliveries_is_safe(place: Place) -> None:
    place.account("anna")
    async with place.running() as running:
        assert isinstance(running, Running)
