"""Tidepool's data: glucose stored unrounded, thresholds in mg/dL, and identities that are not the `id`."""

import json
from collections import Counter
from typing import Any

import pytest

from clinical.records import Analyte, Detection, InsulinDose, InsulinKind, Status
from clinical.vendors.parsing import Parsed, Unreadable
from clinical.vendors.tidepool import read_tidepool
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, kinds, says_nothing_personal
from tests.unit.vendors.samples import real


def a_datum(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "time": "2026-05-14T08:17:07.384Z",
        "deviceTime": "2026-05-14T18:17:07",
        "timezoneOffset": 600,
        "deviceId": f"{CANARY}-device",
        "byUser": CANARY,
        "id": "not-deterministic",
        **fields,
    }


def read(*data: Any) -> Parsed:
    parsed = read_tidepool(as_json(list(data)), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def one(kind: str, **fields: Any) -> Any:
    (record,) = read(a_datum(kind, **fields)).records
    return record


def test_mmol_stored_unrounded_is_the_devices_own_mg_dl_again() -> None:
    record = one("cbg", units="mmol/L", value=3.996538553552784)
    assert (record.value.steps, record.value.unit) == (72, "mg/dL")
    assert (record.original.value, record.original.unit) == ("3.996538553552784", "mmol/L")
    assert "72 mg/dL restored" in record.done[0].what


@pytest.mark.parametrize("mg_dl", range(20, 601))
def test_every_mg_dl_comes_back_from_tidepools_division(mg_dl: int) -> None:
    record = one("cbg", units="mmol/L", value=mg_dl / 18.01559)
    assert (record.value.steps, record.value.unit) == (mg_dl, "mg/dL")


@pytest.mark.parametrize(("value", "steps"), [(5.5, 55), (5.55, 56), (10, 100)])
def test_what_a_device_wrote_in_mmol_stays_in_mmol(value: float, steps: int) -> None:
    record = one("smbg", units="mmol/L", value=value)
    assert (record.value.steps, record.value.unit, record.analyte) == (steps, "mmol/L", Analyte.CAPILLARY_GLUCOSE)


def test_a_scan_is_the_sensors() -> None:
    assert one("smbg", subType="scanned", units="mg/dL", value=100).analyte is Analyte.INTERSTITIAL_GLUCOSE


@pytest.mark.parametrize(
    ("value", "units", "note", "detection", "limit"),
    [
        (39, "mg/dL", {"value": "low", "threshold": 40}, Detection.BELOW, 40),
        (23.035604162838965, "mmol/L", {"value": "high", "threshold": 414}, Detection.ABOVE, 414),
        (401, "mg/dL", {"value": "high"}, Detection.ABOVE, 401),
    ],
)
def test_the_threshold_of_an_annotation_is_mg_dl_always(
    value: float, units: str, note: dict[str, Any], detection: Detection, limit: int
) -> None:
    record = one("cbg", units=units, value=value, annotations=[{"code": "bg/out-of-range", **note}])
    assert (record.detection, record.value.steps, record.value.unit) == (detection, limit, "mg/dL")


def test_the_wall_clock_is_what_the_device_showed() -> None:
    effective = one("cbg", units="mg/dL", value=100, clockDriftOffset=63000).effective
    assert (effective.millis, effective.local, effective.offset_minutes) == (1778746627384, "2026-05-14T18:17:07", 600)


def test_corrections_of_the_clock_are_written_down() -> None:
    record = one("cbg", units="mg/dL", value=100, clockDriftOffset=63000, conversionOffset=86400000)
    assert [deed.what for deed in record.done] == [
        "device clock set apart: corrected at the source by 86400000 ms",
        "device clock drift: corrected at the source by 63000 ms",
    ]


def test_a_datum_is_named_by_its_device_and_never_by_its_id() -> None:
    first, again = (one("cbg", units="mg/dL", value=100, id=name).source.value for name in ("a", "b"))
    assert first == again
    assert one("cbg", units="mg/dL", value=100, origin={"id": "o-1"}).source.value == "o-1"


def test_an_interrupted_bolus_keeps_what_was_asked_and_what_was_given() -> None:
    dose = one("bolus", subType="normal", normal=1.75, expectedNormal=4)
    assert (dose.requested.steps, dose.delivered.steps, dose.automatic) == (4000, 1750, False)
    assert one("bolus", subType="automated", normal=0.5).automatic


def test_a_combination_bolus_is_two_doses() -> None:
    parsed = read(a_datum("bolus", subType="dual/square", normal=2, extended=3, expectedExtended=5, duration=3600000))
    now, later = parsed.records
    assert isinstance(later, InsulinDose)
    assert (later.kind, later.duration_seconds) == (InsulinKind.EXTENDED_BOLUS, 3600)
    assert now.source.value != later.source.value


def test_a_basal_rate_is_no_dose_and_a_suspension_an_event() -> None:
    basal = one("basal", deliveryType="automated", rate=1.175, duration=1800000)
    assert (basal.rate.steps, basal.duration_seconds, basal.automatic, basal.delivered) == (1175, 1800, True, None)
    assert one("basal", deliveryType="suspend", duration=60000).event == "pump-suspend"


def test_the_calculators_carbohydrate_and_exchanges() -> None:
    assert one("wizard", carbInput=17, units="mmol/L", bgInput=2.1, bolus="x").amount.steps == 170
    assert one("wizard", carbInput=2, units={"bg": "mg/dL", "carb": "exchanges"}).amount.steps == 300


def test_deleted_data_are_entered_in_error() -> None:
    assert one("cbg", units="mg/dL", value=100, deletedTime="2026-06-01T00:00:00Z").status is Status.ENTERED_IN_ERROR


def test_an_unknown_event_is_unmapped_with_its_words() -> None:
    event = one("deviceEvent", subType="alarm", alarmType="moon")
    assert (event.event, event.original.code) == ("unmapped", "deviceEvent/alarm/moon")


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"value": 5}, "[0].value", "value-impossible"),
        ({"units": None}, "[0].units", "unit-missing"),
        ({"units": "stone"}, "[0].units", "unit-unknown"),
        ({"time": "yesterday"}, "[0].time", "time-unreadable"),
        ({"time": "2026-05-14T08:17:07"}, "[0].time", "time-without-offset"),
        ({"time": "1970-01-01T00:00:00Z"}, "[0].time", "time-impossible"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_path(changes: dict[str, Any], path: str, code: str) -> None:
    (problem,) = read(a_datum("cbg", **{"units": "mg/dL", "value": 100, **changes})).problems
    assert (problem.path, problem.code) == (path, code)


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(Unreadable):
        read_tidepool(b'{"code": 401}', WHOSE)


def test_the_examples_of_tidepools_documentation() -> None:
    examples = json.loads(real("tidepool/tidepool_docs_examples.json"))
    data = [item for one in examples.values() for item in (one if isinstance(one, list) else [one]) if "type" in item]
    parsed = read_tidepool(as_json(data), WHOSE)
    assert [(problem.path, problem.code) for problem in parsed.problems] == []
    assert not [record for record in parsed.records if getattr(record, "event", "") == "unmapped"]
    counted = Counter(kinds(parsed))
    assert (counted["glucose"], counted["device-event"] > 20, parsed.skipped) == (8, True, 16)
