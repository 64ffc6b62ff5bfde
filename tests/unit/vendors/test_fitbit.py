"""Fitbit's answers and Google Health's: wall clocks of a profile, totals of days, numbers as text."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Analyte
from clinical.vendors.fitbit import read_fitbit
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, says_nothing_personal
from tests.unit.vendors.samples import real

DUBLIN = replace(WHOSE, zone=ZoneInfo("Europe/Dublin"))


def intraday(kind: str, *values: Any) -> dict[str, Any]:
    dataset = [{"time": f"10:{n:02d}:00", "value": value} for n, value in enumerate(values)]
    return {
        f"activities-{kind}": [{"dateTime": "2026-07-01", "value": "900", "name": CANARY}],
        f"activities-{kind}-intraday": {"dataset": dataset, "datasetInterval": 1, "datasetType": "minute"},
    }


def a_point(kind: str, **fields: Any) -> dict[str, Any]:
    time = {"sampleTime": {"physicalTime": "2026-07-01T09:00:00Z", "utcOffset": "3600s"}}
    return {"name": f"users/1/{kind}/7", "dataSource": {"device": {"displayName": CANARY}}, kind: {**time, **fields}}


GOOGLE = {
    "dataPoints": [
        a_point("heartRate", beatsPerMinute="66"),
        a_point("weight", weightGrams=80250),
        a_point("bloodGlucose", bloodGlucoseMilligramsPerDeciliter=99, specimen="CAPILLARY_BLOOD"),
        a_point(
            "steps",
            count="240",
            interval={
                "startTime": "2026-07-01T09:00:00Z",
                "startUtcOffset": "3600s",
                "endTime": "2026-07-01T09:10:00Z",
                "endUtcOffset": "3600s",
            },
        ),
    ]
}


def read(document: Any, **settings: Any) -> Parsed:
    parsed = read_fitbit(as_json(document), DUBLIN, **settings)
    says_nothing_personal(parsed)
    return parsed


def test_minutes_of_heart_rate_are_wall_clocks_of_the_profile() -> None:
    parsed = read(intraday("heart", 64, 63))
    assert [record.effective.millis for record in parsed.records] == [1782896400000, 1782896460000]
    assert parsed.records[0].effective.zone == "Europe/Dublin"


def test_a_day_that_is_told_by_the_minute_is_not_told_again_as_a_total() -> None:
    parsed = read(intraday("steps", 7, 0, 52))
    records: list[Any] = list(parsed.records)
    assert [record.value.steps for record in records] == [7, 52]
    assert parsed.skipped == 1


def test_a_days_total_is_text_and_lasts_as_long_as_the_day() -> None:
    days = [{"dateTime": "2026-10-25", "value": "2937"}, {"dateTime": "2026-03-29", "value": "175"}]
    records: list[Any] = list(read({"activities-steps": days}).records)
    assert [(r.value.steps, r.duration_seconds, r.effective.precision) for r in records] == [
        (175, 23 * 3600, "day"),
        (2937, 25 * 3600, "day"),
    ]


def test_weights_are_in_the_unit_that_was_asked_for() -> None:
    log = {"weight": [{"date": "2026-07-01", "time": "18:28:59", "weight": 177.5, "logId": 1431541739000}]}
    kilograms: Any
    pounds: Any
    kilograms, pounds = (read(log, weight_unit=unit).records[0] for unit in ("kg", "lb"))
    assert (kilograms.value.steps, pounds.value.steps) == (17750, 8051)
    assert (kilograms.source.value, kilograms.effective.millis) == ("1431541739000", 1782926939000)


def test_google_health_tells_instants_and_units() -> None:
    records: list[Any] = list(read(GOOGLE).records)
    assert [record.value.steps for record in records] == [66, 8025, 99, 240]
    assert records[2].analyte is Analyte.CAPILLARY_GLUCOSE
    assert {record.source.system for record in records} == {"google-health"}
    assert {record.effective.local for record in records} == {"2026-07-01T10:00:00"}
    assert records[3].duration_seconds == 600


@pytest.mark.parametrize(
    ("document", "path", "code"),
    [
        (intraday("heart", 9000), "activities-heart-intraday.dataset[0].value", "value-impossible"),
        (intraday("steps", "many"), "activities-steps-intraday.dataset[0].value", "value-not-a-number"),
        ({"weight": [{"date": "2026-07-01", "weight": 80}]}, "weight[0].time", "field-missing"),
        ({"dataPoints": [a_point("heartRate")]}, "dataPoints[0].heartRate.beatsPerMinute", "value-missing"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_path(document: Any, path: str, code: str) -> None:
    (problem,) = read(document).problems
    assert (problem.path, problem.code) == (path, code)
    (again,) = read_fitbit(problem.body, DUBLIN).problems
    assert (again.code, again.body) == (code, problem.body)


def test_without_a_zone_the_profiles_clock_tells_no_time() -> None:
    (problem,) = read_fitbit(as_json(intraday("heart", 64)), WHOSE).problems
    assert problem.code == "time-without-offset"


def test_an_error_of_fitbit_is_refused() -> None:
    with pytest.raises(Unreadable):
        read({"errors": [{"errorType": "expired_token"}], "success": False})


@pytest.mark.parametrize(
    ("name", "records", "skipped"),
    [
        ("activities-heart-1d-1m-intraday", 5, 0),
        ("activities-steps-1d-1m-intraday", 2, 1),
        ("activities-steps-timeseries", 3, 0),
        ("body-log-weight", 4, 0),
    ],
)
def test_real_answers(name: str, records: int, skipped: int) -> None:
    parsed = read_fitbit(real(f"fitbit/fitbit-{name}.json"), DUBLIN)
    assert (len(parsed.records), len(parsed.problems), parsed.skipped) == (records, 0, skipped)
