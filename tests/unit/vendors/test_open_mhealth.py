"""Open mHealth data points, against the schemas' own vectors."""

from typing import Any

import pytest

from clinical.records import Analyte, BloodPressure
from clinical.vendors.open_mhealth import read_open_mhealth
from clinical.vendors.parsing import Parsed
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, says_nothing_personal
from tests.unit.vendors.samples import real

AT = {"effective_time_frame": {"date_time": "2026-03-01T07:25:00+01:00"}}
GLUCOSE = {"blood_glucose": {"unit": "mg/dL", "value": 95}, **AT}


def a_point(body: dict[str, Any], name: str = "x") -> dict[str, Any]:
    source = {"source_name": CANARY}
    return {"header": {"id": name, "schema_id": {"namespace": "omh"}, "acquisition_provenance": source}, "body": body}


def read(document: Any) -> Parsed:
    parsed = read_open_mhealth(as_json(document), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def one(document: Any) -> Any:
    parsed = read(document)
    assert not parsed.problems
    (record,) = parsed.records
    return record


def test_a_point_with_or_without_its_header_is_a_reading() -> None:
    record = one(a_point(GLUCOSE, "p-1"))
    assert (record.value.steps, record.analyte, record.source.value) == (95, Analyte.BLOOD_GLUCOSE, "p-1")
    assert (record.effective.millis, record.effective.offset_minutes) == (1772346300000, 60)
    assert one(GLUCOSE).source.value == one([GLUCOSE]).source.value


def test_the_specimen_says_what_was_measured() -> None:
    assert one({**GLUCOSE, "specimen_source": "interstitial fluid"}).analyte is Analyte.INTERSTITIAL_GLUCOSE


def test_pressure_weight_heart_rate_and_steps() -> None:
    halves = {
        f"{half}_blood_pressure": {"unit": "mmHg", "value": n} for half, n in (("systolic", 120), ("diastolic", 80))
    }
    assert isinstance(one({**halves, **AT}), BloodPressure)
    assert one({"body_weight": {"unit": "lb", "value": 177.5}, **AT}).value.steps == 8051
    assert one({"heart_rate": {"unit": "beats/min", "value": 66}, **AT}).value.steps == 66
    interval = {"start_date_time": "2026-03-01T07:00:00Z", "duration": {"unit": "min", "value": 30}}
    steps = one({"step_count": {"unit": "steps", "value": 500}, "effective_time_frame": {"time_interval": interval}})
    assert (steps.value.steps, steps.duration_seconds) == (500, 1800)


def test_a_statistic_is_no_reading() -> None:
    parsed = read([{**GLUCOSE, "descriptive_statistic": "minimum"}])
    assert (list(parsed.records), list(parsed.problems), parsed.skipped) == ([], [], 1)


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"blood_glucose": {"value": 6.1}}, "[0].blood_glucose.unit", "unit-missing"),
        ({"blood_glucose": {"unit": "mmol/L", "value": 61}}, "[0].blood_glucose.value", "value-impossible"),
        ({"effective_time_frame": {}}, "[0].effective_time_frame.date_time", "time-missing"),
        ({"specimen_source": "fluid"}, "[0].specimen_source", "word-unknown"),
        ({"specimen_source": "tears"}, "[0].specimen_source", "specimen-unsupported"),
        ({"blood_glucose": None}, "[0]", "measure-unknown"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_path(change: dict[str, Any], path: str, code: str) -> None:
    (problem,) = read([{**GLUCOSE, **change}]).problems
    assert (problem.path, problem.code) == (path, code)


VECTORS = {
    "shouldPass_with-date-time-time-frame": (1, 0, 0),
    "shouldPass_with-temporal-relationship-to-meal": (1, 0, 0),
    "shouldPass_with-temporal-relationship-to-sleep": (1, 0, 0),
    "shouldPass_with-descriptive-statistic": (0, 0, 1),
    "shouldPass_with-everything": (0, 0, 1),
    "shouldFail_empty-document": (0, 1, 0),
    "shouldFail_invalid-descriptive-statistic": (0, 1, 0),
    "shouldFail_invalid-specimen-source": (0, 1, 0),
    "shouldFail_invalid-temporal-relationship-to-meal": (0, 1, 0),
    "shouldFail_invalid-temporal-relationship-to-sleep": (0, 1, 0),
    "shouldFail_invalid-time-interval": (0, 1, 0),
    "shouldFail_missing-time-frame": (0, 1, 0),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_schemas_own_vectors(name: str) -> None:
    parsed = read_open_mhealth(real(f"openmhealth/blood-glucose_4.0_{name}.json"), WHOSE)
    assert (len(parsed.records), len(parsed.problems), parsed.skipped) == VECTORS[name]
