"""Eversense: an export whose months are words, and a follow service that takes readings back."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinical.records import Detection, Glucose, Status
from clinical.vendors.eversense import read_eversense
from clinical.vendors.making import Whose
from clinical.vendors.parsing import Parsed, Unreadable
from clinical.vendors.sheets import write_xlsx
from tests.unit.vendors.mutations import CANARY, PATIENT, as_json, says_nothing_personal

BOSTON = Whose(PATIENT, "v1", ZoneInfo("America/New_York"))
HEADER = "EventDateStr,EventTimeStr,Value,UnitMeasureVal,SensorID"


def a_row(time: str = "3:00 PM", value: str = "120", date: str = "19-October-2021", unit: str = "mg/dL") -> str:
    return f"{date},{time},{value},{unit},1234"


def an_export(*rows: str, packed: bool = False) -> bytes:
    lines = (HEADER, *rows)
    if packed:
        return write_xlsx([line.split(",") for line in lines])
    return "\r\n".join((*lines, "")).encode()


EXAMPLE = an_export(a_row(), a_row("2:55 PM", "118"), a_row("2:50 PM", "39"))
ANSWER = [
    {"EventDate": "2025-05-01T12:00:00-04:00", "EventTypeID": 1, "Value": 120, "Deleted": False},
    {"EventDate": "2025-05-01T12:05:00-04:00", "EventTypeID": 1, "Value": 130, "Deleted": True},
    {"EventDate": "2025-05-01T12:05:00-04:00", "EventTypeID": 7, "Value": 0, "Deleted": False},
]
FOLLOWED = {
    "UserID": 7,
    "FirstName": CANARY,
    "CurrentGlucose": 120,
    "GlucoseTrend": 6,
    "CGTime": "2025-05-01T12:00:00-04:00",
    "Units": "mg/dL",
}


def read(body: bytes, **more: Any) -> Parsed:
    parsed = read_eversense(body, BOSTON, **more)
    says_nothing_personal(parsed)
    return parsed


def one(body: bytes, **more: Any) -> Glucose:
    parsed = read(body, **more)
    assert not parsed.problems
    (made,) = parsed.records
    assert isinstance(made, Glucose)
    return made


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_as_csv_and_as_a_workbook(packed: bool) -> None:
    parsed = read(an_export(a_row(), a_row("2:55 PM", "118"), packed=packed))
    assert not parsed.problems
    records = [record for record in parsed.records if isinstance(record, Glucose)]
    assert [(record.effective.local, record.value.steps) for record in records] == [
        ("2021-10-19T14:55:00", 118),
        ("2021-10-19T15:00:00", 120),
    ]
    assert records[0].device is not None
    assert (records[0].device.serial, records[0].effective.offset_minutes) == ("1234", -240)


@pytest.mark.parametrize(
    ("date", "month"),
    [
        ("19-October-2021", 10),
        ("1-März-2021", 3),
        ("1-mai-2021", 5),
        ("1-juin-2021", 6),
        ("1-juillet-2021", 7),
        ("1-août-2021", 8),
        ("1-gennaio-2021", 1),
        ("1-maggio-2021", 5),
        ("1-Dezember-2021", 12),
        ("1-maart-2021", 3),
        ("2021-10-19", 10),
    ],
)
def test_months_are_words_of_a_language(date: str, month: int) -> None:
    record = one(an_export(a_row("15:00", date=date)))
    assert (record.effective.local or "")[5:7] == f"{month:02}"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (a_row(date="19-Grianghaim-2021"), "month-unknown"),
        (a_row(date="40-October-2021"), "time-unreadable"),
        (a_row("25:00 PM"), "time-unreadable"),
        (a_row(value="6.1"), "unit-contradicted"),
        (a_row(value="7"), "value-impossible"),
        (a_row(unit=""), "unit-missing"),
        (a_row(unit="g/L"), "unit-unknown"),
        (a_row() + ",,9", "row-width"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_rows_that_cannot_be_read_are_set_aside_and_can_be_replayed(row: str, code: str, packed: bool) -> None:
    parsed = read(an_export(row, a_row("2:55 PM"), packed=packed))
    (problem,) = parsed.problems
    assert (problem.path, problem.code, len(parsed.records)) == ("line 2", code, 1)
    assert [again.code for again in read(problem.body).problems] == [code]


@pytest.mark.parametrize(
    ("value", "unit", "steps", "detection"),
    [("39", "mg/dL", 40, Detection.BELOW), ("401", "mg/dL", 400, Detection.ABOVE), ("6,1", "mmol/L", 61, None)],
)
def test_values_beyond_the_range(value: str, unit: str, steps: int, detection: Detection | None) -> None:
    body = an_export(a_row(value=value, unit=unit)).replace(b",", b";").replace(b"6;1", b"6,1")
    record = one(body)
    assert (record.value.steps, record.value.unit, record.detection) == (steps, unit, detection)


def test_the_hour_that_comes_twice_newest_first() -> None:
    times = ("2:05 AM", "1:30 AM", "1:00 AM", "1:30 AM", "1:00 AM", "12:55 AM")
    rows = [a_row(time, str(100 + place), "7-November-2021") for place, time in enumerate(times)]
    records = read(an_export(*rows)).records
    assert [record.value.steps for record in records if isinstance(record, Glucose)] == [105, 104, 103, 102, 101, 100]


def test_an_answer_with_readings_and_one_that_is_taken_back() -> None:
    parsed = read(as_json(ANSWER))
    assert [(record.effective.local, record.status) for record in parsed.records] == [
        ("2025-05-01T12:00:00", Status.FINAL),
        ("2025-05-01T12:05:00", Status.ENTERED_IN_ERROR),
    ]
    assert parsed.skipped == 1
    again = read(as_json([{**ANSWER[1], "Deleted": False}]))
    assert again.records[0].source.value == parsed.records[1].source.value


def test_the_current_value_has_an_arrow_whose_number_is_a_name() -> None:
    record = one(as_json([FOLLOWED]))
    assert (record.value.steps, record.trend) == (120, "doubleDown")
    assert read(as_json([{**FOLLOWED, "CurrentGlucose": 0}])).skipped == 1


def test_of_several_people_only_the_named_one_is_read() -> None:
    two = as_json([FOLLOWED, {**FOLLOWED, "UserID": 8, "CurrentGlucose": 200}])
    with pytest.raises(Unreadable) as caught:
        read(two)
    assert caught.value.code == "patient-ambiguous"
    assert one(two, user_id="8").value.steps == 200


def test_a_value_of_either_unit_is_never_guessed() -> None:
    (problem,) = read(as_json([{**ANSWER[0], "Value": 6.1}])).problems
    assert (problem.path, problem.code) == ("[0].Value", "unit-missing")
    assert one(as_json([{**ANSWER[0], "Value": 6.1, "Units": "mmol/L"}])).value.steps == 61


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-eversense"),
        (b"a,b\n1,2\n", "not-eversense"),
        (b"{}", "not-eversense"),
        (b'[{"a": 1}]', "not-eversense"),
        (b"PK\x03\x04rubbish", "xlsx-invalid"),
        (EXAMPLE[:-12], "csv-cut"),
    ],
)
def test_what_is_none_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(body)
    assert caught.value.code == code
