"""Health Auto Export's JSON: metrics by name, values that the app has added up, units of its own."""

from typing import Any

import pytest

from clinical.records import Analyte, BloodPressure, InsulinKind
from clinical.vendors.health_auto_export import read_health_auto_export
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, kinds, says_nothing_personal

AT = "2026-03-01 10:00:00 +0200"


def a_metric(name: str, units: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "units": units, "data": [{"date": AT, "source": f"{CANARY}s iPhone", **fields}]}


def an_export(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"metrics": list(metrics), "workouts": [{"name": CANARY}]}}


METRICS = (
    a_metric("blood_glucose", "mg/dL", qty=101, mealTime="Before Meal"),
    a_metric("heart_rate", "count/min", Min=60, Avg=66.5, Max=71),
    a_metric("blood_pressure", "mmHg", systolic=120, diastolic=80),
    a_metric("insulin_delivery", "IU", qty=1.5, reason="Bolus"),
    a_metric("weight_body_mass", "lb", qty=177.5),
    a_metric("step_count", "count", qty=120.5),
)


def read(*metrics: dict[str, Any]) -> Parsed:
    parsed = read_health_auto_export(as_json(an_export(*metrics)), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def one(metric: dict[str, Any]) -> Any:
    (record,) = read(metric).records
    return record


def test_each_metric_is_its_record() -> None:
    assert kinds(read(*METRICS)) == [
        "glucose",
        "vital-sign",
        "blood-pressure",
        "insulin-dose",
        "vital-sign",
        "vital-sign",
    ]


def test_the_time_has_an_offset() -> None:
    effective = one(METRICS[0]).effective
    assert (effective.millis, effective.offset_minutes) == (1772352000000, 120)


def test_glucose_of_unspecified_blood_or_of_a_sensor() -> None:
    assert one(METRICS[0]).analyte is Analyte.BLOOD_GLUCOSE
    sensor = one(a_metric("blood_glucose", "mmol/L", qty=5.60625, source="Dexcom G7"))
    assert (sensor.analyte, sensor.value.steps, sensor.value.unit) == (Analyte.INTERSTITIAL_GLUCOSE, 101, "mg/dL")


def test_an_average_says_that_it_is_one() -> None:
    record = one(METRICS[1])
    assert (record.value.steps, record.original.value) == (67, "66.5")
    assert record.done[0].what == "average of 60 to 71, as the app added up"


def test_pressure_insulin_and_weight() -> None:
    pressure, insulin, weight = (one(METRICS[n]) for n in (2, 3, 4))
    assert isinstance(pressure, BloodPressure)
    assert (pressure.systolic.steps, pressure.original.value) == (120, "120/80")
    assert (insulin.kind, insulin.delivered.steps, weight.value.steps) == (InsulinKind.BOLUS, 1500, 8051)


def test_other_metrics_are_skipped() -> None:
    parsed = read(a_metric("active_energy", "kcal", qty=1), {"name": 5})
    assert (parsed.records, parsed.problems, parsed.skipped) == ([], [], 2)


@pytest.mark.parametrize(
    ("metric", "path", "code"),
    [
        (a_metric("blood_glucose", "stone", qty=5), "unit", "unit-unknown"),
        (a_metric("blood_glucose", "mg/dL"), "qty", "value-missing"),
        (a_metric("heart_rate", "count/min", qty=9000), "qty", "value-impossible"),
        (a_metric("insulin_delivery", "IU", qty=1), "reason", "field-missing"),
        (a_metric("step_count", "count", qty=1, date="now"), "date", "time-unreadable"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_path(metric: dict[str, Any], path: str, code: str) -> None:
    (problem,) = read(METRICS[0], metric).problems
    assert (problem.path, problem.code) == (f"data.metrics[1].data[0].{path}", code)
    (again,) = read_health_auto_export(problem.body, WHOSE).problems
    assert (again.code, again.body) == (problem.code, problem.body)


def test_what_is_no_such_export_is_refused() -> None:
    with pytest.raises(Unreadable) as caught:
        read_health_auto_export(b'{"data": []}', WHOSE)
    assert caught.value.code == "not-health-auto-export"
