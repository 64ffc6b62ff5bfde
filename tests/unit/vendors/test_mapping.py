"""Mapping by YAML alone: CSV, XLSX and JSON of makers that nobody has written a parser for."""

import datetime
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pydantic import ValidationError

from clinical.records import decode
from engine import sdk
from engine.testing.builders import a_message
from tests.examples import some
from tests.unit.vendors.mutations import as_json, torn
from transformers.map_json import MapJsonSettings, map_json
from transformers.map_tables import MapCsvSettings, MapXlsxSettings, map_csv, map_xlsx

GLUCOSE = {
    "record": "glucose",
    "time": ["Datum", "Zeit"],
    "time_format": "%d.%m.%Y %H:%M",
    "value": "Glukose",
    "unit": "mmol/L",
    "kind": {"from": "Art", "words": {"Sensor": "interstitial-glucose", "Blut": "capillary-glucose"}},
    "low": "LO",
    "high": "HI",
    "limits": [2.2, 22.2],
}
CARBS = {
    "record": "carbohydrate",
    "time": ["Datum", "Zeit"],
    "time_format": "%d.%m.%Y %H:%M",
    "value": "KH",
    "unit": "g",
}
CSV = """Gerät Nr. 7
Datum;Zeit;Art;Glukose;KH;Notiz
28.02.2026;10:00;Sensor;5,4;;x
28.02.2026;10:05;Blut;LO;20;x
28.02.2026;10:10;;;;x
"""


def rules(**changes: Any) -> dict[str, Any]:
    return {
        "system": "acme",
        "patient": {"system": "STM", "value": "P-1"},
        "timezone": "Europe/Berlin",
        "decimal": ",",
        "header": 2,
        "records": [GLUCOSE, CARBS],
        **changes,
    }


def run_csv(text: str, **changes: Any) -> list[Any]:
    message = a_message(text.encode("utf-8"), sdk.Shape.CSV)
    result = map_csv(message, MapCsvSettings.model_validate(rules(**changes)))
    return result if isinstance(result, list) else [result]


def only(word: str) -> dict[str, Any]:
    return {"time": "t", "when": {"what": word}}


def records(output: Any) -> list[Any]:
    return list(decode(output.body))


def test_a_table_with_its_own_words_dates_and_decimals() -> None:
    (output,) = run_csv(CSV)
    first, second, carbs = records(output)
    assert (first.value.steps, first.value.unit, first.analyte) == (54, "mmol/L", "interstitial-glucose")
    assert (first.effective.millis, first.effective.zone) == (1772269200000, "Europe/Berlin")
    assert (second.value.steps, second.detection, second.analyte) == (22, "below", "capillary-glucose")
    assert (carbs.amount.steps, carbs.original.value, carbs.source.system) == (200, "20", "acme")
    assert first.original.value == "5,4"


@pytest.mark.parametrize(
    ("row", "path", "code"),
    [
        ("28.02.2026;10:00;Sensor;5.4;;", "line 3 column 4", "value-not-a-number"),
        ("28.02.2026;10:00;Sensor;1.234,5;;", "line 3 column 4", "value-not-a-number"),
        ("28.02.2026;10:00;Sensor;54;;", "line 3 column 4", "value-impossible"),
        ("28.02.2026;10:00;Mond;5,4;;", "line 3 column 3", "word-unknown"),
        ("02/28/2026;10:00;Sensor;5,4;;", "line 3 column 1", "time-unreadable"),
        (";;Sensor;5,4;;", "line 3 column 1", "time-missing"),
        ("28.02.2026;10:00;;;-3;", "line 3 column 5", "value-impossible"),
        ("28.02.2026;10:00;Sensor;٥;;", "line 3 column 4", "value-not-a-number"),
    ],
)
def test_a_cell_that_cannot_be_read_is_set_aside_with_line_and_column(row: str, path: str, code: str) -> None:
    text = "\n".join([*CSV.splitlines()[:2], row, *CSV.splitlines()[2:]]) + "\n"
    message, aside = run_csv(text)
    assert (aside.error.path, aside.error.code, len(records(message))) == (path, code, 3)
    (again,) = run_csv(aside.body.decode())
    assert (again.error.path, again.error.code, again.body) == (path, code, aside.body)


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        run_csv(CSV.replace("Glukose", "Glucose"))
    assert (caught.value.code, caught.value.path) == ("column-missing", "line 2")
    assert "no column `Glukose`" in caught.value.text
    assert "the nearest is `Glucose`" in caught.value.text


def test_each_row_may_name_its_patient() -> None:
    patient = {"system": "STM", "column": "Notiz"}
    first, second = run_csv(CSV.replace("LO;20;x", "LO;20;y"), patient=patient)
    assert {record.patient.value for record in records(first)} == {"x"}
    assert {record.patient.value for record in records(second)} == {"y"}


def test_when_chooses_rows_without_regard_to_letter_case() -> None:
    rule = {**GLUCOSE, "kind": "interstitial-glucose", "when": {"Art": ["SENSOR"]}}
    (output,) = run_csv(CSV, records=[rule])
    assert len(records(output)) == 1


def test_columns_that_name_a_record_name_it_whatever_its_value() -> None:
    rule = {**GLUCOSE, "identity": ["Datum", "Zeit"]}
    (one,), (other,) = (run_csv(CSV.replace("5,4", value), records=[rule]) for value in ("5,4", "5,5"))
    assert records(one)[0].source.value == records(other)[0].source.value


def test_pump_rates_pressure_events_and_notes() -> None:
    rows = ("t,what,a,b,m", "00Z,rate,0.5,,30", "01Z,bp,120,80,", "02Z,alarm,E4,,", "03Z,note,ran,,30")
    text = "\n2026-02-28T10:00:".join(rows) + "\n"
    kinds = [
        {**only("rate"), "record": "insulin-dose", "kind": "basal", "value": "a", "unit": "U/h", "duration": "m"},
        {**only("bp"), "record": "blood-pressure", "value": "a", "second": "b"},
        {**only("alarm"), "record": "device-event", "kind": {"from": "a", "words": {"e4": "occlusion"}}},
        {**only("note"), "record": "annotation", "kind": "exercise", "value": "a", "duration": "m"},
    ]
    (output,) = run_csv(text, records=kinds, decimal=".", header=1)
    rate, pressure, event, note = records(output)
    assert (rate.rate.steps, rate.duration_seconds, rate.delivered) == (500, 1800, None)
    assert (pressure.systolic.steps, pressure.diastolic.steps) == (120, 80)
    assert (event.event, event.original.code, note.text, note.kind) == ("occlusion", "E4", "ran", "exercise")


def test_an_unknown_event_is_unmapped() -> None:
    rule = {"record": "device-event", "time": "t", "value": "a", "kind": {"from": "a", "words": {}}}
    (output,) = run_csv("t,a\n2026-02-28T10:00:00Z,E9\n", records=[rule], header=1)
    assert (records(output)[0].event, records(output)[0].original.code) == ("unmapped", "E9")


def test_another_encoding_is_a_setting() -> None:
    message = a_message(CSV.encode("windows-1252"), sdk.Shape.CSV)
    with pytest.raises(sdk.InvalidMessage) as caught:
        map_csv(message, MapCsvSettings.model_validate(rules()))
    assert (caught.value.code, caught.value.path) == ("csv-encoding", "line 1")
    assert map_csv(message, MapCsvSettings.model_validate(rules(encoding="windows-1252")))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({**GLUCOSE, "unit": None}, "a unit is never guessed"),
        ({**GLUCOSE, "kind": "interstital-glucose"}, "did you mean `interstitial-glucose`"),
        ({**GLUCOSE, "limits": None}, "need `limits`"),
        ({**GLUCOSE, "time_format": "%d.%m.%Y"}, "must hold year, month, day, hour and minute"),
        ({**GLUCOSE, "value": None}, "needs `value`"),
        ({"record": "blood-pressure", "time": "t", "value": "a"}, "needs `second`"),
        ({**GLUCOSE, "colour": "red"}, "Extra inputs"),
    ],
)
def test_rules_that_cannot_work_are_refused_when_they_are_read(rule: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MapCsvSettings.model_validate(rules(records=[rule]))
    assert says in str(caught.value)


# --- XLSX


def a_workbook(*rows: tuple[Any, ...]) -> bytes:
    book = Workbook()
    assert book.active is not None
    for row in (("Datum", "Art", "Glukose"), *rows):
        book.active.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


NOON = datetime.datetime(2026, 2, 28, 10, 0)  # noqa: DTZ001 - cells have no zone
XLSX = rules(header=1, decimal=".", records=[{**GLUCOSE, "time": "Datum", "time_format": "iso"}])


def run_xlsx(body: bytes) -> list[Any]:
    result = map_xlsx(a_message(body), MapXlsxSettings.model_validate(XLSX))
    return result if isinstance(result, list) else [result]


def test_a_workbook_with_real_dates() -> None:
    when = NOON
    message, aside = run_xlsx(a_workbook((when, "Sensor", 5.4), (when, "Sensor", "viel"), ("28.2.", "Sensor", 5)))[:2]
    assert records(message)[0].effective.millis == 1772269200000
    assert (aside.error.path, aside.error.code) == ("line 3 column 3", "value-not-a-number")
    (again,) = run_xlsx(aside.body)
    assert (again.error.path, again.error.code) == ("line 2 column 3", "value-not-a-number")


@given(torn(a_workbook((NOON, "Sensor", 5.4))))
@settings(max_examples=some(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_workbook_is_refused_or_read(body: bytes) -> None:
    try:
        run_xlsx(body)
    except sdk.InvalidMessage as refusal:
        assert refusal.code.startswith(("xlsx-", "column-", "header-"))  # noqa: PT017


# --- JSON

JSON = {
    "system": "acme",
    "patient": {"system": "STM", "column": "user.id"},
    "items": "data.readings",
    "records": [
        {
            "record": "glucose",
            "time": "at",
            "time_format": "epoch-seconds",
            "value": "glucose.value",
            "unit": {"from": "glucose.unit"},
            "kind": "interstitial-glucose",
            "identity": "id",
        }
    ],
}


def an_item(**changes: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "at": 1772269200,
        "glucose": {"value": 5.40, "unit": "mmol/L"},
        "user": {"id": "P-1"},
        **changes,
    }


def run_json(*items: Any) -> list[Any]:
    message = a_message(as_json({"data": {"readings": list(items)}}), sdk.Shape.JSON)
    result = map_json(message, MapJsonSettings.model_validate(JSON))
    return result if isinstance(result, list) else [result]


def test_items_by_path() -> None:
    (output,) = run_json(an_item(), an_item(at=1772269500))
    assert [record.value.steps for record in records(output)] == [54, 54]


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"glucose": {"value": 5.4}}, "data.readings[1].glucose.unit", "unit-missing"),
        ({"glucose": {"value": "high", "unit": "mmol/L"}}, "data.readings[1].glucose.value", "value-not-a-number"),
        ({"glucose": {"value": 10**30, "unit": "mmol/L"}}, "data.readings[1].glucose.value", "value-not-a-number"),
        ({"at": "soon"}, "data.readings[1].at", "time-unreadable"),
    ],
)
def test_an_item_that_cannot_be_read_is_set_aside_with_its_path(change: Any, path: str, code: str) -> None:
    _, aside = run_json(an_item(), an_item(**change))
    assert (aside.error.path, aside.error.code) == (path, code)
    assert b"r1" in aside.body


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"data": {"readings": 5}}', b"{"])
def test_json_without_the_list_is_refused(body: bytes) -> None:
    with pytest.raises(sdk.InvalidMessage):
        map_json(a_message(body, sdk.Shape.JSON), MapJsonSettings.model_validate(JSON))


@given(st.data())
@settings(max_examples=some(60), deadline=None)
def test_tables_with_bytes_cut_out_and_put_in(data: st.DataObject) -> None:
    body = data.draw(torn(CSV.encode()))
    try:
        map_csv(a_message(body, sdk.Shape.CSV), MapCsvSettings.model_validate(rules()))
    except sdk.InvalidMessage as refusal:
        assert refusal.code  # noqa: PT017
