"""SampledData: a sensor's day in one Observation, value by value, at no time but its own."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from clinical.records import Detection, Glucose, Status, VitalSign, decode
from engine import sdk
from tests.unit.fhir.test_reading_others import UCUM, loinc, observation, run

MINUTES_5 = 300_000
START = 1_795_168_800_000
DAY, ENDS = "2026-11-20", "effectivePeriod.end"
ORIGIN = {"value": 0, "unit": "mg/dl", "system": UCUM, "code": "mg/dL"}


def series(data: str = "180 182 E L U 190", **changes: Any) -> dict[str, Any]:
    sampled: dict[str, Any] = {"origin": ORIGIN, "period": MINUTES_5, "dimensions": 1, "data": data}
    sampled |= {"lowerLimit": 40, "upperLimit": 400} | changes.pop("sampled", {})
    return observation(
        identifier=[{"system": "urn:x", "value": "chunk-1"}],
        effectiveDateTime=...,
        valueQuantity=...,
        **{
            "effectivePeriod": {"start": "2026-11-20T11:00:00+01:00", "end": "2026-11-21T11:00:00+01:00"},
            "valueSampledData": {name: value for name, value in sampled.items() if value is not ...},
            **changes,
        },
    )


def glucoses(resource: dict[str, Any]) -> list[Glucose]:
    (output,) = run(resource)
    assert isinstance(output, sdk.Message), output
    return [record for record in decode(output.body) if isinstance(record, Glucose)]


def test_each_value_is_a_reading_at_its_own_time() -> None:
    found = glucoses(series())
    told = [((g.effective.millis - START) // MINUTES_5, g.value.steps, g.detection) for g in found]
    assert told == [(0, 180, None), (1, 182, None), (3, 40, Detection.BELOW), (4, 400, Detection.ABOVE), (5, 190, None)]
    assert found[1].effective.local == "2026-11-20T11:05:00"
    assert found[1].original.time == "2026-11-20T11:05:00+01:00"


def test_a_day_of_288_values_is_288_readings_with_names_of_their_own() -> None:
    found = glucoses(series(" ".join(["180"] * 288)))
    assert len({(g.source.system, g.source.value) for g in found}) == 288
    assert found[-1].effective.millis - found[0].effective.millis == 287 * MINUTES_5


def test_a_later_version_of_the_series_keeps_the_names_and_moves_the_version() -> None:
    before = glucoses(series("180 182", status="preliminary"))
    after = glucoses(series("180 183 190", status="final", meta={"lastUpdated": "2026-11-20T12:00:00Z"}))
    assert [g.source.value for g in before] == [g.source.value for g in after[:2]]
    assert (before[0].source.version or "") < (after[0].source.version or "")
    assert {g.status for g in before} == {Status.PRELIMINARY}


def test_what_is_no_value_any_more_in_a_correction_is_taken_back() -> None:
    found = glucoses(series("180 E", status="corrected"))
    assert [(g.status, (g.effective.millis - START) // MINUTES_5) for g in found] == [
        (Status.CORRECTED, 0),
        (Status.ENTERED_IN_ERROR, 1),
    ]


def test_values_are_scaled_with_their_digits() -> None:
    sampled = {"origin": {**ORIGIN, "value": 1, "unit": "mmol/l", "code": "mmol/L"}, "factor": 0.1}
    found = glucoses(series("56 57", sampled=sampled))
    assert [(g.value.steps, g.value.unit, g.original.value) for g in found] == [
        (66, "mmol/L", "6.6"),
        (67, "mmol/L", "6.7"),
    ]


def test_r5_says_times_by_an_interval_or_one_by_one() -> None:
    every = {"period": ..., "interval": 5, "intervalUnit": "min"}
    assert [g.effective.millis for g in glucoses(series("180 181", sampled=every))] == [START, START + MINUTES_5]
    each = {"period": ..., "intervalUnit": "s", "offsets": "0 301"}
    assert [g.effective.millis for g in glucoses(series("180 181", sampled=each))] == [START, START + 301_000]


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"effectivePeriod": ...}, "time-missing", "effectivePeriod"),
        ({"effectivePeriod": {"start": "2026-11-20"}}, "no-time-of-day", "effectivePeriod.start"),
        ({"effectivePeriod": {"start": f"{DAY}T11:00:00Z", "end": f"{DAY}T11:01:00Z"}}, "period", ENDS),
        ({"sampled": {"period": ...}}, "time-missing", "valueSampledData.period"),
        ({"sampled": {"period": 0}}, "period", "valueSampledData.period"),
        ({"sampled": {"period": ..., "offsets": "0 1"}}, "period", "valueSampledData.offsets"),
        ({"sampled": {"intervalUnit": "CANARY", "interval": 5}}, "unit-unknown", "valueSampledData.intervalUnit"),
        ({"sampled": {"dimensions": 2}}, "value-type", "valueSampledData.dimensions"),
        ({"sampled": {"origin": {"value": 0}}}, "unit-missing", "valueSampledData.origin.code"),
        ({"sampled": {"data": ""}}, "value-missing", "valueSampledData.data"),
        ({"sampled": {"data": "180 CANARY"}}, "not-a-number", "valueSampledData.data[1]"),
        ({"sampled": {"lowerLimit": ...}}, "value-missing", "valueSampledData.lowerLimit"),
        ({"sampled": {"factor": 2}}, "limit-unclear", "valueSampledData.data[3]"),
        ({"valueSampledData": "CANARY"}, "value-type", "valueSampledData"),
    ],
)  # fmt: skip
def test_a_series_whose_times_or_numbers_cannot_be_known_is_set_aside_whole(
    changes: dict[str, Any], code: str, path: str
) -> None:
    whole = series(**changes)
    whole = {name: value for name, value in whole.items() if value is not ...}
    (aside,) = run(whole)
    assert isinstance(aside, sdk.Aside), aside
    assert (aside.error.code, aside.error.path) == (code, f"Observation.{path}")
    assert orjson.loads(aside.body) == whole
    assert "CANARY" not in f"{aside.error} {aside!r}"


def test_a_value_that_nobody_can_have_waits_alone_and_comes_back_as_the_same_reading() -> None:
    output, aside = run(series("180 7 190"))
    assert isinstance(output, sdk.Message)
    assert isinstance(aside, sdk.Aside)
    assert isinstance(aside.error, sdk.NeedsReview)
    assert aside.error.path == "Observation.valueSampledData.data[1]"
    (again,) = glucoses(orjson.loads(aside.body.replace(b'"value":7', b'"value":170')))
    (meant,) = [g for g in glucoses(series("180 170 190")) if g.value.steps == 170]
    assert (again.source, again.effective) == (meant.source, meant.effective)


def test_a_series_of_another_kind_is_counted_once() -> None:
    assert run(series(code=loinc("2823-3"))) == [sdk.Drop("no records (1 unknown-code)")]


def test_other_measures_that_records_hold_are_read_as_well() -> None:
    unit = {"value": 0, "unit": "/min", "system": UCUM, "code": "/min"}
    (output,) = run(series("62 63", code=loinc("8867-4"), sampled={"origin": unit}))
    assert isinstance(output, sdk.Message)
    beats = [record.value.steps for record in decode(output.body) if isinstance(record, VitalSign)]
    assert beats == [62, 63]
    assert Decimal(62) == beats[0]


def test_a_series_that_is_withdrawn_without_its_data_is_set_aside_since_nobody_knows_its_values() -> None:
    (aside,) = run(series(status="entered-in-error", valueSampledData=...))
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, aside.error.path) == ("series-unclear", "Observation.valueSampledData")
