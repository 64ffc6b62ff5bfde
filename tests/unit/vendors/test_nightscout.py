"""Nightscout's documents: entries, treatments, tombstones, and what uploaders make of them."""

from typing import Any

import pytest

from clinical.records import (
    Analyte,
    Carbohydrate,
    Detection,
    DeviceEvent,
    Glucose,
    InsulinDose,
    InsulinKind,
    Status,
)
from clinical.vendors.nightscout import read_nightscout
from clinical.vendors.parsing import Parsed, Unreadable
from tests.unit.vendors.mutations import CANARY, WHOSE, as_json, kinds, says_nothing_personal
from tests.unit.vendors.samples import real


def an_entry(**changes: Any) -> dict[str, Any]:
    return {
        "_id": "e1",
        "type": "sgv",
        "sgv": 120,
        "date": 1775421029000,
        "dateString": "2026-04-05T20:30:29.000Z",
        "direction": "Flat",
        "device": f"loop://{CANARY}s-iPhone",
        "utcOffset": 0,
        **changes,
    }


def a_treatment(event: str, **changes: Any) -> dict[str, Any]:
    return {"_id": "t1", "eventType": event, "created_at": "2026-04-05T18:50:48.348Z", "enteredBy": CANARY, **changes}


def read(*documents: Any) -> Parsed:
    parsed = read_nightscout(as_json(list(documents)), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def reading(**changes: Any) -> Glucose:
    (record,) = read(an_entry(**changes)).records
    assert isinstance(record, Glucose)
    return record


def treated(event: str, **changes: Any) -> list[Any]:
    parsed = read(a_treatment(event, **changes))
    assert not parsed.problems
    return list(parsed.records)


def test_an_entry_is_a_reading_in_mg_dl() -> None:
    record = reading()
    assert (record.value.steps, record.value.unit, record.trend) == (120, "mg/dL", "flat")
    assert (record.effective.millis, record.effective.local) == (1775421029000, None)
    assert (record.source.system, record.source.value, record.device) == ("nightscout", "e1", None)


def test_the_offset_of_the_uploader_gives_the_wall_clock() -> None:
    effective = reading(utcOffset=345).effective
    assert (effective.offset_minutes, effective.local) == (345, "2026-04-06T02:15:29")


@pytest.mark.parametrize(
    "date", [1775421029000, 1775421029, "1775421029000", "2026-04-05T20:30:29Z", "2026-04-05T22:30:29+0200"]
)
def test_dates_in_milliseconds_seconds_and_text_are_one_instant(date: Any) -> None:
    assert reading(date=date).effective.millis == 1775421029000


@pytest.mark.parametrize(
    ("sgv", "device", "steps", "detection"),
    [
        (39, None, 40, Detection.BELOW),
        (401, None, 400, Detection.ABOVE),
        (402, None, 402, None),
        (40, "share2", 40, None),
        (40, "nightscout-librelink-up", 40, Detection.BELOW),
        (500, "xDrip-LibreReceiver", 500, Detection.ABOVE),
        ("120", None, 120, None),
    ],
)
def test_the_edges_of_the_measuring_range_are_the_sensors(sgv: Any, device: str, steps: int, detection: Any) -> None:
    record = reading(sgv=sgv, device=device)
    assert (record.value.steps, record.detection) == (steps, detection)


@pytest.mark.parametrize(
    ("sgv", "code"),
    [
        (5, "value-impossible"),
        (900, "value-impossible"),
        (None, "value-missing"),
        ("high", "value-not-a-number"),
        (True, "value-not-a-number"),
    ],
)
def test_error_codes_and_nonsense_are_set_aside_with_their_path(sgv: Any, code: str) -> None:
    parsed = read(an_entry(), an_entry(sgv=sgv))
    (problem,) = parsed.problems
    assert (problem.path, problem.code, len(parsed.records)) == ("[1].sgv", code, 1)


def test_a_model_in_the_uploaders_name_is_kept_and_the_name_is_not() -> None:
    assert reading(device=f"xDrip-DexcomG6 {CANARY}").device is not None
    assert reading(device=f"xDrip-DexcomG6 {CANARY}").device.generation == "g6"  # type: ignore[union-attr]


def test_a_tombstone_of_v3_is_entered_in_error_and_newer() -> None:
    body = {"status": 200, "result": [an_entry(identifier="i1", isValid=False, srvModified=1775430000000)]}
    (record,) = read_nightscout(as_json(body), WHOSE).records
    assert (record.status, record.source.value) == (Status.ENTERED_IN_ERROR, "i1")
    assert record.source.version == "2026-04-05T23:00:00.000000Z"


def test_a_meal_bolus_is_insulin_and_carbohydrate() -> None:
    dose, carbs = treated("Meal Bolus", insulin=1.55, carbs=25)
    assert isinstance(dose, InsulinDose)
    assert isinstance(carbs, Carbohydrate)
    assert (dose.kind, dose.delivered.steps, carbs.amount.steps) == (InsulinKind.BOLUS, 1550, 250)  # type: ignore[union-attr]
    assert (dose.source.value, carbs.source.value) == ("t1#insulin", "t1#carbs")


def test_a_micro_bolus_is_automatic_and_one_by_pen_is_an_injection() -> None:
    (smb,) = treated("SMB", insulin=0.1, bolus={"isSMB": True})
    (pen,) = treated("Bolus", insulin=4, bolus={"isExternal": True})
    assert (smb.automatic, pen.kind, pen.automatic) == (True, InsulinKind.INJECTION, False)


def test_what_was_programmed_stands_beside_what_was_given() -> None:
    (dose,) = treated("Correction Bolus", insulin=1.2, programmed=3)
    assert (dose.requested.steps, dose.delivered.steps) == (3000, 1200)


def test_a_combo_bolus_has_a_part_that_runs_on() -> None:
    now, later = treated("Combo Bolus", insulin=2, enteredinsulin=5, splitNow=40, splitExt=60, duration=120)
    assert now.delivered.steps == 2000
    assert (later.kind, later.requested.steps, later.duration_seconds) == (InsulinKind.EXTENDED_BOLUS, 3000, 7200)


def test_a_temporary_basal_rate_is_a_rate_and_never_a_dose() -> None:
    (basal,) = treated("Temp Basal", absolute=0.65, rate=0.65, duration=30, enteredBy="iAPS", insulin=None)
    assert (basal.kind, basal.rate.steps, basal.rate.unit, basal.duration_seconds) == ("basal", 650, "[iU]/h", 1800)
    assert (basal.delivered, basal.automatic) == (None, True)
    (ended,) = treated("Temp Basal", duration=0)
    (relative,) = treated("Temp Basal", percent=-50, duration=30)
    assert (ended.event, relative.event, relative.original.value) == ("settings-change", "settings-change", "-50")


def test_a_finger_stick_needs_its_unit() -> None:
    (stick,) = treated("BG Check", glucose=5.5, units="mmol", glucoseType="Finger")
    assert (stick.analyte, stick.value.steps, stick.value.unit) == (Analyte.CAPILLARY_GLUCOSE, 55, "mmol/L")
    (problem,) = read(a_treatment("BG Check", glucose=5.5)).problems
    assert (problem.path, problem.code) == ("[0].units", "unit-missing")


def test_a_sensors_glucose_in_a_treatment_is_not_told_twice() -> None:
    assert treated("BG Check", glucose=100, units="mg/dl", glucoseType="Sensor") == []


def test_an_unknown_event_is_unmapped_with_its_word() -> None:
    (event,) = treated("Moon Phase")
    assert isinstance(event, DeviceEvent)
    assert (event.event, event.original.code) == ("unmapped", "Moon Phase")


def test_exercise_and_notes_are_annotations() -> None:
    (note,) = treated("Exercise", notes="ran", duration=30)
    assert (note.kind, note.text, note.duration_seconds) == ("exercise", "ran", 1800)


def test_a_sensor_start_that_is_written_hundreds_of_times_is_one() -> None:
    again = [a_treatment("Sensor Start", created_at=f"2026-04-02T14:10:{n:02d}.000Z") for n in range(30)]
    later = a_treatment("Sensor Start", created_at="2026-04-02T15:10:00.000Z")
    parsed = read(*again, later)
    assert (kinds(parsed), parsed.skipped) == (["device-event", "device-event"], 29)


@pytest.mark.parametrize(
    ("body", "code"),
    [(b'{"status": 401}', "not-nightscout"), (b"[{", "json-cut"), (b"", "json-empty"), (b"<html>", "json-invalid")],
)
def test_what_is_no_list_of_documents_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_nightscout(body, WHOSE)
    assert caught.value.code == code


def test_real_entries_of_iaps() -> None:
    parsed = read_nightscout(real("nightscout/nightscout_entries_iaps.json"), WHOSE)
    assert (len(parsed.records), len(parsed.problems)) == (1000, 0)


def test_real_treatments_of_iaps() -> None:
    parsed = read_nightscout(real("nightscout/nightscout_treatments_iaps.json"), WHOSE)
    doses = [record for record in parsed.records if isinstance(record, InsulinDose)]
    assert not parsed.problems
    assert sum(dose.automatic for dose in doses if dose.kind is InsulinKind.BOLUS) == 155
    assert sum(dose.kind is InsulinKind.BASAL for dose in doses) == 342
    assert kinds(parsed).count("device-event") == 11 + 2 + 1 + 1  # 462 sensor starts within a minute are one
    assert kinds(parsed).count("carbohydrate") == 9


def test_real_profiles_are_no_measurements() -> None:
    parsed = read_nightscout(real("nightscout/nightscout_profile_iaps.json"), WHOSE)
    assert (parsed.records, parsed.problems, parsed.skipped) == ([], [], 9)
