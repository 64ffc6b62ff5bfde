"""Health Connect's records: units in the name of the field, offsets that may be missing."""

from typing import Any

import pytest

from clinical.records import Analyte
from clinical.vendors.health_connect import read_health_connect
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, kinds, says_nothing_personal


def a_record(kind: str, **fields: Any) -> dict[str, Any]:
    metadata = {
        "id": f"id-{kind}",
        "dataOrigin": {"packageName": f"{CANARY}.app"},
        "device": {"manufacturer": "Google", "model": "Pixel"},
        "lastModifiedTime": "2026-03-01T08:00:00Z",
    }
    return {"recordType": kind, "time": "2026-03-01T07:25:00Z", "metadata": metadata, **fields}


def span(kind: str, **fields: Any) -> dict[str, Any]:
    times = {"time": None, "startTime": "2026-03-01T07:00:00Z", "endTime": "2026-03-01T07:10:00Z"}
    return a_record(kind, **times, **fields)


RECORDS = (
    a_record("BloodGlucoseRecord", level={"inMillimolesPerLiter": 5.5}, specimenSource=1, relationToMeal=3),
    span("HeartRateRecord", samples=[{"time": "2026-03-01T07:01:00Z", "beatsPerMinute": 66}]),
    span("StepsRecord", count=240),
    a_record("WeightRecord", weight={"inKilograms": 80.25}),
    a_record("BloodPressureRecord", systolic={"value": 120, "unit": "mmHg"}, diastolic={"inMillimetersOfMercury": 80}),
    a_record("NutritionRecord", totalCarbohydrate={"inGrams": 40}),
)


def read(*records: dict[str, Any]) -> Parsed:
    parsed = read_health_connect(as_json({"records": list(records)}), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def one(record: dict[str, Any]) -> Any:
    (made,) = read(record).records
    return made


def test_each_record_is_ours() -> None:
    parsed = read(*RECORDS)
    assert not parsed.problems
    assert sorted(kinds(parsed)) == [
        "blood-pressure",
        "carbohydrate",
        "glucose",
        "vital-sign",
        "vital-sign",
        "vital-sign",
    ]


def test_glucose_is_in_the_unit_that_the_field_says() -> None:
    record = one(RECORDS[0])
    assert (record.value.steps, record.value.unit, record.analyte) == (55, "mmol/L", Analyte.INTERSTITIAL_GLUCOSE)
    assert (record.notes, record.source.value) == (("before a meal",), "id-BloodGlucoseRecord")
    assert record.source.version == "2026-03-01T08:00:00Z"
    assert one(a_record("BloodGlucose", level={"inMilligramsPerDeciliter": 99})).value.unit == "mg/dL"


def test_a_bare_number_is_refused_since_a_unit_is_never_guessed() -> None:
    (problem,) = read(a_record("BloodGlucoseRecord", level=6.1)).problems
    assert (problem.path, problem.code) == ("records[0].level", "unit-missing")


@pytest.mark.parametrize(("offset", "minutes"), [("+02:00", 120), ({"totalSeconds": 20700}, 345), (None, None)])
def test_the_offset_may_be_missing_and_then_the_wall_clock_is_not_known(offset: Any, minutes: int | None) -> None:
    effective = one({**RECORDS[0], "zoneOffset": offset}).effective
    assert (effective.millis, effective.offset_minutes) == (1772349900000, minutes)
    assert (effective.local is None) == (minutes is None)


def test_the_same_reading_of_two_apps_keeps_two_names() -> None:
    other = {**RECORDS[0], "metadata": {"clientRecordId": "c1", "dataOrigin": "b"}}
    assert one(RECORDS[0]).source.value != one(other).source.value
    assert one(other).source.value == one(other).source.value


def test_other_records_are_skipped() -> None:
    assert read(a_record("SleepSessionRecord")).skipped == 1


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(Unreadable):
        read_health_connect(b"{}", WHOSE)
