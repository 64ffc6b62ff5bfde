"""The two transformers: what becomes a message, what is set aside, what is held."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from clinical.records import PatientRef, Record, decode
from engine import sdk
from engine.testing.builders import STANDS_AT, a_message
from tests.unit.dexcom.clarity_files import FIRST_LINE, a_file, an_egv
from tests.unit.dexcom.test_clarity import THREE
from tests.unit.dexcom.test_egvs import a_body
from tests.unit.dexcom.test_egvs import an_egv as an_api_egv
from transformers.clarity_csv_to_records import ClaritySettings, clarity_csv_to_records
from transformers.dexcom_egvs_to_records import dexcom_egvs_to_records

WHOSE = {"patient_system": "stm", "patient_value": "CANARY-1"}


def outputs_of(result: Any) -> Sequence[Any]:
    return result if isinstance(result, list) else [result]


def egvs(body: bytes, meta: Mapping[str, str] | None = None) -> Sequence[Any]:
    message = a_message(body, sdk.Shape.JSON, meta=WHOSE if meta is None else meta, source_key="k")
    return outputs_of(dexcom_egvs_to_records(message, sdk.NoSettings()))


def records(output: Any) -> tuple[Record, ...]:
    assert isinstance(output, sdk.Message)
    return decode(output.body)


def clarity_settings(**changes: Any) -> ClaritySettings:
    return ClaritySettings.model_validate({"timezone": "Europe/Dublin", "patient": {"system": "stm"}, **changes})


def clarity(body: bytes, settings: ClaritySettings | None = None, **meta: str) -> Sequence[Any]:
    message = a_message(body, sdk.Shape.CSV, meta=meta or {"file_name": "in/MRN-1_clarity.csv"})
    return outputs_of(clarity_csv_to_records(message, settings or clarity_settings()))


# --- EGVs


def test_an_answer_becomes_one_message_of_its_patient() -> None:
    (output,) = egvs(a_body(an_api_egv(1), an_api_egv(0)))
    assert (output.shape, output.order_key) == (sdk.Shape.RECORDS, "stm|CANARY-1")
    assert [record.source.value for record in records(output)] == ["rec-0", "rec-1"]
    assert {record.patient for record in records(output)} == {PatientRef(system="stm", value="CANARY-1")}


def test_the_version_is_when_the_answer_was_fetched_else_when_it_came() -> None:
    body = a_body(an_api_egv(0))
    (fetched,) = egvs(body, {**WHOSE, "fetched_at": "2026-11-20T10:00:00.000000Z"})
    (came,) = egvs(body)
    assert records(fetched)[0].source.version == "2026-11-20T10:00:00.000000Z"
    assert records(came)[0].source.version == "2026-11-20T10:15:00.000000Z"
    assert STANDS_AT.isoformat().startswith("2026-11-20T10:15:00")


def test_bad_records_are_set_aside_and_the_others_go_on() -> None:
    message, aside, other = egvs(a_body(an_api_egv(0), an_api_egv(1, value=None), an_api_egv(2, unit="stone")))
    assert [record.source.value for record in records(message)] == ["rec-0"]
    assert isinstance(aside.error, sdk.InvalidMessage)
    assert (aside.error.path, aside.error.code, aside.shape) == ("records[1].value", "value-missing", sdk.Shape.JSON)
    assert (other.error.path, other.error.code) == ("records[2].unit", "unit-unknown")
    (again,) = egvs(aside.body)
    assert (again.error.path, again.body) == ("records[0].value", aside.body)


def test_an_answer_without_records_is_dropped_with_a_reason() -> None:
    assert egvs(a_body()) == [sdk.Drop("no readings")]


def test_without_a_patient_from_the_source_it_is_dexcoms_own_user() -> None:
    (output,) = egvs(a_body(an_api_egv(0)), {})
    assert records(output)[0].patient == PatientRef(system="dexcom", value="user-1")


def test_readings_of_nobody_are_held() -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        egvs(b'{"unit":"mg/dL","egvs":[{"systemTime":"2019-08-24T14:15:22Z","value":122}]}', {})
    assert caught.value.code == "patient-missing"


def test_a_cut_answer_is_held_with_line_and_column() -> None:
    body = a_body(an_api_egv(0))
    with pytest.raises(sdk.InvalidMessage) as caught:
        egvs(body[:100])
    assert (caught.value.code, caught.value.path) == ("json-cut", "line 1 column 101")
    assert caught.value.__cause__ is None


# --- Clarity


def test_an_export_becomes_one_message_of_the_patient_in_the_files_name() -> None:
    (output,) = clarity(a_file(THREE))
    assert (output.shape, output.order_key) == (sdk.Shape.RECORDS, "stm|MRN-1")
    assert [record.original.value for record in records(output)] == ["101", "102", "103"]
    assert {record.patient for record in records(output)} == {PatientRef(system="stm", value="MRN-1")}


@pytest.mark.parametrize(
    ("pattern", "name", "patient"),
    [
        ("{patient}_*.csv", "MRN-1_2026-03.csv", "MRN-1"),
        ("{patient}_*.csv", "C:\\drop\\A.77_x_y.CSV", "A.77"),
        ("clarity-*-{patient}.csv", "clarity-2026-77.csv", "77"),
        ("{patient}.csv", "9.csv", "9"),
    ],
)
def test_the_pattern_of_file_names_is_a_setting(pattern: str, name: str, patient: str) -> None:
    settings = clarity_settings(patient={"system": "stm", "file_name": pattern})
    (output,) = clarity(a_file(THREE), settings, file_name=name)
    assert records(output)[0].patient.value == patient


@pytest.mark.parametrize("meta", [{"file_name": "CANARY export.csv"}, {"other": "x"}])
def test_a_file_whose_name_says_no_patient_is_held_and_told_how_to_be_named(meta: dict[str, str]) -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        clarity(a_file(THREE), None, **meta)
    assert (caught.value.code, caught.value.path) == ("patient-missing", "file_name")
    assert "{patient}_*.csv" in caught.value.text
    assert "CANARY" not in str(caught.value)


def test_the_patient_can_be_the_identifier_that_the_clinic_entered() -> None:
    settings = clarity_settings(patient={"system": "stm", "taken_from": "preamble"})
    message, aside = clarity(a_file((*THREE, an_egv("2026-03-01T10:15:00", ""))), settings, file_name="x.csv")
    assert records(message)[0].patient == PatientRef(system="stm", value="MRN-77")
    (again,) = clarity(aside.body, settings, file_name="x.csv")
    assert (again.error.code, again.body) == (aside.error.code, aside.body)
    assert b"CANARY" not in aside.body
    with pytest.raises(sdk.InvalidMessage) as caught:
        clarity(a_file(THREE, preamble=()), settings, file_name="x.csv")
    assert caught.value.path == "PatientIdentifier"


def test_a_patient_that_a_source_named_wins() -> None:
    (output,) = clarity(a_file(THREE), file_name="MRN-1_x.csv", patient_system="apex", patient_value="7")
    assert records(output)[0].patient == PatientRef(system="apex", value="7")


def test_bad_rows_are_set_aside_with_their_line() -> None:
    message, aside = clarity(a_file((THREE[0], an_egv("2026-03-01T10:15:00", "x"), THREE[1])))
    assert len(records(message)) == 2
    assert (aside.error.path, aside.error.code) == (f"line {FIRST_LINE + 1}", "value-not-a-number")
    assert aside.shape is sdk.Shape.CSV


def test_an_export_without_readings_is_dropped_with_a_reason() -> None:
    assert clarity(a_file(())) == [sdk.Drop("no readings")]


def test_a_cut_export_is_held_with_the_line() -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        clarity(a_file(THREE)[:-30])
    assert (caught.value.code, caught.value.path) == ("csv-cut", f"line {FIRST_LINE + 2}")


@pytest.mark.parametrize(
    "changes",
    [
        {"timezone": "Dublin"},
        {"patient": {"system": "stm", "file_name": "*.csv"}},
        {"patient": {"system": "stm", "taken_from": "guess"}},
        {"if_twice": "both"},
        {"zone": "Europe/Dublin"},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        clarity_settings(**changes)
