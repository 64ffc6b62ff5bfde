"""Answers that show two clocks, a device's and a server's: what the wrong one lacks is found, kept, and put right."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinical.drift import Pair, estimate
from clinical.records import AnyRecord, Glucose, decode
from clinical.vendors.carelink import read_carelink
from clinical.vendors.librelinkup import read_librelinkup
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.vendors.mutations import WHOSE, as_json
from transformers.carelink_to_records import carelink_to_records
from transformers.correct_clocks import CorrectClocksSettings, correct_clocks
from transformers.librelinkup_to_records import LibreLinkUpSettings, librelinkup_to_records
from transformers.vendor_patient import VendorSettings

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON_MILLIS = int(NOON.timestamp() * 1000)
HOUR, MINUTE = 3_600_000, 60_000
WHOSE_META = {"patient_system": "stm", "patient_value": "1"}


def a_pump(*, shows: int, heard: int = 0, answered: int = 0) -> dict[str, Any]:
    """A pump in Dublin read out at noon. `shows`: milliseconds by which its clock is ahead; `heard` and `answered`:
    milliseconds from noon at which the server got its data, and gave this answer."""
    return {
        "clientTimeZoneName": "GMT Standard Time",
        "medicalDeviceTime": NOON_MILLIS + shows,
        "lastMedicalDeviceDataUpdateServerTime": NOON_MILLIS + heard,
        "currentServerTime": NOON_MILLIS + answered,
        "medicalDeviceFamily": "NGP",
        "sgs": [{"kind": "SG", "sg": 120, "sensorState": "NO_ERROR_MESSAGE", "timestamp": "2026-11-20T11:55:00"}],
    }


def a_follower(*, shows: timedelta) -> dict[str, Any]:
    """Readings on the hour; the phone's clock is `shows` away from UTC."""

    def point(hours: int) -> dict[str, Any]:
        at = NOON - timedelta(hours=hours)
        written = f"{at:%m/%d/%Y %I:%M:%S %p}", f"{at + shows:%m/%d/%Y %I:%M:%S %p}"
        return {"FactoryTimestamp": written[0], "Timestamp": written[1], "ValueInMgPerDl": 120}

    return {"status": 0, "data": {"connection": {}, "graphData": [point(hours) for hours in range(12, 0, -1)]}}


def through(step: Any, settings: Any, document: Any) -> tuple[sdk.Message, list[AnyRecord]]:
    """The step, and `correct_clocks` after it."""
    (made,) = step(a_message(as_json(document), sdk.Shape.JSON, meta=WHOSE_META), settings)
    output = correct_clocks(made, CorrectClocksSettings())
    assert isinstance(output, sdk.Message)
    return output, list(decode(output.body))


@pytest.mark.parametrize(
    ("shows", "heard", "answered", "lacks"),
    [
        (0, 0, 0, 0),
        (-4 * MINUTE, 0, 0, 240),
        (3 * MINUTE, 0, 0, -180),
        (0, -2 * MINUTE, 2 * MINUTE, 0),  # somewhere between the two: nothing is known to be wrong
        (5 * MINUTE, -MINUTE, MINUTE, -240),
    ],
)
def test_a_pumps_clock_is_wrong_by_its_distance_to_the_time_it_was_read(
    shows: int, heard: int, answered: int, lacks: int
) -> None:
    (pair,) = read_carelink(as_json(a_pump(shows=shows, heard=heard, answered=answered)), WHOSE).clock
    drift = estimate([pair])
    assert drift is not None
    assert (drift.seconds, drift.offset_minutes) == (lacks, 0)


def test_a_server_that_does_not_say_when_it_heard_the_pump_gives_no_pair() -> None:
    document = a_pump(shows=-4 * MINUTE)
    del document["lastMedicalDeviceDataUpdateServerTime"]
    assert read_carelink(as_json(document), WHOSE).clock == ()


def test_a_pumps_readings_are_put_right_with_both_times_kept_and_an_alarm() -> None:
    output, (reading,) = through(carelink_to_records, VendorSettings(), a_pump(shows=-6 * MINUTE))
    assert reading.effective.millis == NOON_MILLIS - 5 * MINUTE + 6 * MINUTE
    assert (reading.effective.drift_millis, reading.effective.local) == (6 * MINUTE, "2026-11-20T11:55:00")
    assert output.meta["tally"].split() == ["clock-corrected=1", "clock-alarm=1"]


def test_a_pump_that_ignores_its_zone_is_put_right_too() -> None:
    _, (reading,) = through(carelink_to_records, VendorSettings(), a_pump(shows=-5 * HOUR - 2 * MINUTE))
    assert reading.effective.millis == NOON_MILLIS - 5 * MINUTE + 5 * HOUR + 2 * MINUTE


def test_a_phones_clock_moves_nothing_since_the_factory_clock_tells_and_is_alarmed() -> None:
    document = a_follower(shows=timedelta(hours=1, minutes=-5))
    output, readings = through(librelinkup_to_records, LibreLinkUpSettings(), document)
    first = readings[0].effective
    assert (first.millis, first.local, first.offset_minutes) == (NOON_MILLIS - 12 * HOUR, "2026-11-20T00:55:00", 60)
    assert {reading.effective.drift_millis for reading in readings} == {5 * MINUTE}
    assert output.meta["tally"] == "clock-alarm=1"


def test_followers_give_a_dozen_pairs_at_most_and_none_for_times_that_fit_no_zone() -> None:
    whole = a_follower(shows=timedelta(hours=1))
    assert read_librelinkup(as_json(whole), WHOSE).clock[0] == Pair(NOON_MILLIS - 11 * HOUR, NOON_MILLIS - 12 * HOUR)
    odd = json.loads(json.dumps(a_follower(shows=timedelta(minutes=7))))
    parsed = read_librelinkup(as_json(odd), WHOSE)
    assert not parsed.clock
    assert {record.effective.local for record in parsed.records if isinstance(record, Glucose)} == {None}
