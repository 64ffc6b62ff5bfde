"""The rest of Dexcom: events, calibrations, alerts, Share, and Clarity as XLSX and in other languages."""

import csv
import io
from typing import Any

import pytest

from clinical.records import Analyte, Annotation, DeviceEvent, Glucose, InsulinDose, InsulinKind, Status, decode
from clinical.vendors.dexcom_events import read_dexcom_events
from clinical.vendors.dexcom_share import read_share
from clinical.vendors.parsing import Parsed, Unreadable
from clinical.vendors.sheets import write_xlsx
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.dexcom.clarity_files import COLUMNS, a_file, an_egv
from tests.unit.dexcom.test_clarity import THREE
from tests.unit.vendors.mutations import WHOSE, as_json, kinds, says_nothing_personal
from transformers.clarity_csv_to_records import ClaritySettings, clarity_csv_to_records


def an_event(kind: str = "insulin", **fields: Any) -> dict[str, Any]:
    return {
        "recordId": "r-1",
        "systemTime": "2026-03-01T10:00:00Z",
        "displayTime": "2026-03-01T11:00:00+01:00",
        "eventType": kind,
        "eventStatus": "created",
        "transmitterGeneration": "g7",
        **fields,
    }


def an_answer(*records: dict[str, Any], kind: str = "event") -> dict[str, Any]:
    return {"recordType": kind, "recordVersion": "3.0", "userId": "CANARY-USER", "records": list(records)}


EVENTS = an_answer(
    an_event(eventSubType="fastActing", value="4.5", unit="units"),
    an_event("carbs", value="40", unit="grams"),
    an_event("bloodGlucose", value="101", unit="mg/dL"),
    an_event("exercise", eventSubType="light", value="30", unit="minutes"),
)


def read(*records: dict[str, Any], kind: str = "event") -> Parsed:
    parsed = read_dexcom_events(as_json(an_answer(*records, kind=kind)), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def one(**fields: Any) -> Any:
    (record,) = read(an_event(**fields)).records
    return record


def test_insulin_that_a_person_enters_is_an_injection() -> None:
    dose = one(eventSubType="longActing", value="4.5", unit="units")
    assert isinstance(dose, InsulinDose)
    assert (dose.kind, dose.delivered.steps, dose.insulin) == (InsulinKind.INJECTION, 4500, "longActing")  # type: ignore[union-attr]
    assert (dose.effective.millis, dose.effective.local) == (1772359200000, "2026-03-01T11:00:00")


def test_a_missing_unit_is_written_down_and_another_one_refused() -> None:
    assert "no unit given" in one(value="4.5").done[0].what
    (problem,) = read(an_event(value="4.5", unit="grams")).problems
    assert (problem.path, problem.code) == ("records[0].unit", "unit-unknown")


def test_a_deleted_event_is_entered_in_error_under_its_own_name() -> None:
    assert one(value="4", unit="units", eventStatus="deleted").status is Status.ENTERED_IN_ERROR
    assert one(value="4", unit="units", eventStatus="updated").source.value == "r-1"


@pytest.mark.parametrize("kind", ["notes", "note"])
def test_notes_are_written_both_ways(kind: str) -> None:
    note = one(kind=kind, value="felt odd")
    assert isinstance(note, Annotation)
    assert (note.text, note.kind, note.original.value) == ("felt odd", "note", None)


def test_exercise_and_health() -> None:
    exercise, health = (
        one(kind="exercise", eventSubType="light", value="30", unit="minutes"),
        one(kind="health", eventSubType="stress"),
    )
    assert (exercise.duration_seconds, exercise.text, health.kind, health.text) == (1800, "light", "illness", "stress")


def test_an_unknown_event_is_unmapped() -> None:
    event = one(kind="moon")
    assert (event.event, event.original.code) == ("unmapped", "moon")


def test_a_calibration_is_a_meters_value_and_an_event() -> None:
    reading, event = read(an_event(value=101, unit="mg/dL"), kind="calibration").records
    assert isinstance(reading, Glucose)
    assert isinstance(event, DeviceEvent)
    assert (reading.analyte, event.event, event.value) == (Analyte.CAPILLARY_GLUCOSE, "calibration", reading.value)
    assert reading.source.value != event.source.value


def test_alerts_that_sound_are_events() -> None:
    parsed = read(
        an_event(alertName="urgentLow", alertState="activeAlarming"),
        an_event(alertName="rise", alertState="inactive"),
        an_event(alertName="new", alertState="activeSnoozed"),
        kind="alert",
    )
    events = [record.event for record in parsed.records if isinstance(record, DeviceEvent)]
    assert (events, parsed.skipped) == (["alert-urgent-low", "unmapped"], 1)


def test_devices_and_data_ranges_are_no_measurements_and_egvs_no_events() -> None:
    assert read(an_event(), kind="device").skipped == 1
    assert read_dexcom_events(b'{"recordType":"dataRange","egvs":{}}', WHOSE).skipped == 1
    assert read(kind="event").records == []  # Dexcom ONE
    with pytest.raises(Unreadable):
        read(an_event(), kind="egv")


# --- Share


def a_share(**fields: Any) -> dict[str, Any]:
    return {"WT": "Date(1772359200000)", "DT": "Date(1772359200000+0100)", "Value": 113, "Trend": "Flat", **fields}


@pytest.mark.parametrize("time", ["Date(1772359200000+0100)", "/Date(1772359200000+0100)/"])
@pytest.mark.parametrize("trend", ["Flat", "FLAT", 4])
def test_share_in_all_its_spellings(time: str, trend: Any) -> None:
    (record,) = read_share(as_json([a_share(DT=time, Trend=trend)]), WHOSE).records
    assert isinstance(record, Glucose)
    assert (record.value.steps, record.trend) == (113, "flat")
    assert (record.effective.millis, record.effective.local) == (1772359200000, "2026-03-01T11:00:00")


def test_shares_limits_and_nonsense() -> None:
    parsed = read_share(as_json([a_share(Value=39), a_share(Value=401), a_share(Value=5), a_share(DT="now")]), WHOSE)
    assert [getattr(record, "detection", None) for record in parsed.records] == ["below", "above"]
    assert [(problem.path, problem.code) for problem in parsed.problems] == [
        ("[2].Value", "value-impossible"),
        ("[3].DT", "time-unreadable"),
    ]


# --- Clarity


def clarity(body: bytes, shape: sdk.Shape) -> list[Any]:
    patient = {"system": "stm", "file_name": "{patient}_*"}
    settings = ClaritySettings.model_validate({"timezone": "Europe/Dublin", "patient": patient})
    result = clarity_csv_to_records(a_message(body, shape, meta={"file_name": "P-1_x.xlsx"}), settings)
    return result if isinstance(result, list) else [result]


def as_xlsx(body: bytes) -> bytes:
    return write_xlsx(list(csv.reader(io.StringIO(body.decode()))))


def test_clarity_as_xlsx_reads_as_its_csv() -> None:
    rows = (*THREE, an_egv("2026-03-01T10:20:00", "x"))
    (from_csv, _), (from_xlsx, aside) = (
        clarity(a_file(rows), sdk.Shape.CSV),
        clarity(as_xlsx(a_file(rows)), sdk.Shape.BYTES),
    )
    assert decode(from_csv.body) == decode(from_xlsx.body)
    assert aside.error.code == "value-not-a-number"
    (again,) = clarity(aside.body, sdk.Shape.BYTES)
    assert again.error.code == "value-not-a-number"


@pytest.mark.parametrize(
    ("glucose", "preamble"),
    [
        ("Valore glicemico (mg/dL)", ("", "Avviso", "Caduta")),
        ("Glukosewert (mmol/L)", ("", "Warnung", "Fallen")),
        ("Valeur de glucose (mg/dL)", ("", "Alerte", "Chute")),
        ("Glucosewaarde (mmol/L)", ("", "Waarschuwing", "Daling")),
    ],
)
def test_clarity_in_other_languages_counts_by_position(glucose: str, preamble: tuple[str, ...]) -> None:
    columns = [f"x{number}" for number in range(len(COLUMNS))]
    columns[7] = glucose
    value = "5,6" if "mmol" in glucose else "101"
    rows = [(*preamble, *[""] * 10), an_egv("2026-03-01T10:00:00", value)]
    (output,) = clarity(a_file(rows, columns=columns, preamble=(), delimiter=";"), sdk.Shape.CSV)
    (record,) = decode(output.body)
    assert isinstance(record, Glucose)
    assert record.value.steps in (101, 56)


def test_each_kind_of_event_is_its_record() -> None:
    parsed = read_dexcom_events(as_json(EVENTS), WHOSE)
    assert sorted(kinds(parsed)) == ["annotation", "carbohydrate", "glucose", "insulin-dose"]
