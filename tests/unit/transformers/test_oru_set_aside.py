"""`oru_to_records`: what is set aside, refused in a setting, and never shown."""

import json

import pytest
from pydantic import ValidationError

from clinical.records import Analyte
from engine import sdk
from engine.model.settings import SettingsContext
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx, oru
from tests.unit.transformers.oru import TABLE, aside, asides, one, readings, run
from transformers.oru_to_records import OruToRecordsSettings


@pytest.mark.parametrize(
    ("bad", "path", "code"),
    [
        (obx(2, unit=""), "OBX[2]-6", "unit-missing"),
        (obx(2, unit="K/uL"), "OBX[2]-6", "unit-unknown"),
        (obx(2, code="WBC^White cells^L"), "OBX[2]-3", "unknown-code"),
        (obx(2, code=""), "OBX[2]-3", "unknown-code"),
        (obx(2, value="see note"), "OBX[2]-5", "not-a-number"),
        (obx(2, value='""'), "OBX[2]-5", "value-missing"),
        (obx(2, value="1~2"), "OBX[2]-5", "several-values"),
        (obx(2, kind=""), "OBX[2]-2", "value-type-missing"),
        (obx(2, time="20261120250000"), "OBX[2]-14", "bad-time"),
    ],
)
def test_one_bad_result_is_set_aside_with_its_field_and_the_others_go_on(bad: str, path: str, code: str) -> None:
    outputs = run(oru(obx(1, "100"), bad, obx(3, "120", sub="3")))
    assert [reading.value.steps for reading in readings(outputs)] == [100, 120]
    assert asides(outputs) == [(path, code)]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("6.5", "mg/dL"),
        ("10.1", "mg/dL"),
        ("12", "mg/dL"),
        ("19", "mg/dL"),
        ("33.1", "mg/dL"),
        ("601", "mg/dL"),
        ("1.0", "mmol/L"),
        ("33.4", "mmol/L"),
        ("182", "mmol/L"),
        ("-5", "mg/dL"),
    ],
)
def test_a_value_that_nobody_has_in_its_unit_waits_for_review(value: str, unit: str) -> None:
    waiting = aside(oru(obx(value=value, unit=unit)))
    assert isinstance(waiting.error, sdk.NeedsReview)
    assert (waiting.error.code, waiting.error.path) == ("implausible", "OBX[1]-5")


@pytest.mark.parametrize(
    ("value", "unit"), [("20", "mg/dL"), ("600", "mg/dL"), ("40.5", "mg/dL"), ("1.1", "mmol/L"), ("33.3", "mmol/L")]
)
def test_the_edges_of_what_is_plausible_are_readings(value: str, unit: str) -> None:
    assert one(oru(obx(value=value, unit=unit))).original.value == value


def test_a_result_of_days_to_come_waits_for_review_and_a_clock_that_is_ahead_does_not_matter() -> None:
    waiting = aside(oru(obx(time="20261122101500+0000")))
    assert isinstance(waiting.error, sdk.NeedsReview)
    assert (waiting.error.code, waiting.error.path) == ("in-the-future", "OBX[1]-14")
    assert one(oru(obx(time="20261121095900+0000"))).value.steps


def test_what_is_set_aside_is_the_smallest_message_with_that_result_and_yields_it_when_replayed() -> None:
    raw = message(
        MSH,
        "SFT|x",
        PID,
        "NTE|1||p",
        "PV1|1|O",
        "ORC|RE",
        OBR,
        obx(1),
        obx(2, unit="", f19="2026|"),
        "NTE|1||n",
        obx(3),
    )
    (waiting,) = (output for output in run(raw) if isinstance(output, sdk.Aside))
    assert waiting.body == message(MSH, PID, "PV1|1|O", "ORC|RE", OBR, obx(2, unit="", f19="2026|"), "NTE|1||n")
    repaired = waiting.body.replace(b"|182|||", b"|182|mg/dL||")
    assert len(readings(run(repaired))) == 1


def test_the_smallest_message_keeps_the_bytes_of_its_character_set() -> None:
    raw = oru(obx(unit=""), msh=MSH + "||||||8859/1").replace(b"JANE", b"Zo\xeb")
    assert b"Zo\xeb" in aside(raw).body


def test_a_patient_who_cannot_be_told_is_set_aside_whole_and_the_other_goes_on() -> None:
    raw = message(MSH, "PID|1||1^^^STM^PI", OBR, obx(1), OBR, obx(2), "PID|2||MRN2^^^STM^MR", OBR, obx(3))
    outputs = run(raw)
    assert [reading.patient.value for reading in readings(outputs)] == ["MRN2"]
    assert asides(outputs) == [("PID[1]-3", "patient-missing")]
    (waiting,) = (output for output in outputs if isinstance(output, sdk.Aside))
    assert waiting.body == message(MSH, "PID|1||1^^^STM^PI", OBR, obx(1), OBR, obx(2))


def test_results_of_nobody_are_set_aside() -> None:
    assert asides(run(message(MSH, OBR, obx()))) == [("PID", "patient-missing")]


@pytest.mark.parametrize("raw", [b"", b"PID|1", b"{}", b"\xff\xfe"])
def test_a_body_that_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(sdk.InvalidMessage):
        run(raw)


def test_the_zone_is_required_and_checked() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        OruToRecordsSettings.model_validate({})
    with pytest.raises(ValidationError, match="IANA"):
        OruToRecordsSettings(timezone="Mars/Olympus")


def test_a_table_of_codes_must_name_analytes() -> None:
    context = SettingsContext(tables={"good": TABLE, "bad": {"GLU": {"analyte": "sugar"}}})
    settings = OruToRecordsSettings.model_validate({"timezone": "UTC", "codes": "good"}, context=context)
    assert settings.rules.codes == {"GLU": Analyte.CAPILLARY_GLUCOSE}
    with pytest.raises(ValidationError, match="column `analyte`"):
        OruToRecordsSettings.model_validate({"timezone": "UTC", "codes": "bad"}, context=context)


def test_the_default_charset_is_checked_and_used() -> None:
    with pytest.raises(ValidationError, match="write one such as"):
        OruToRecordsSettings(timezone="UTC", default_charset="klingon")
    raw = message(MSH, PID, OBR, obx(), "NTE|1||x").replace(b"NTE|1||x", b"NTE|1||\xa4")
    assert one(raw, default_charset="8859/15").notes == ("€",)
    assert one(raw).notes == ("¤",)


def test_no_error_shows_anything_of_the_message() -> None:
    raw = oru(
        obx(1, "CANARY"), obx(2, unit="CANARY"), obx(3, code="CANARY"), obx(4, time="CANARY"), obx(5, status="CANARY"),
        obx(6, kind="CANARY"), obx(7, "6.5"), pid="PID|1||CANARY^^^STM^MR||CANARY", msh=MSH.replace("4711", "CANARY"),
    )  # fmt: skip
    outputs = run(raw) + run(raw.replace(b"^MR", b"^PI"))
    assert sum(isinstance(output, sdk.Aside) for output in outputs) >= 8
    for output in outputs:
        assert "CANARY" not in repr(output)
        if isinstance(output, sdk.Aside):
            assert "CANARY" not in str(output.error) + repr(output.error) + (output.error.path or "")


def test_records_are_json_that_any_reader_understands() -> None:
    (output,) = run(oru())
    assert isinstance(output, sdk.Message)
    assert json.loads(output.body)["records"][0]["value"] == {"steps": 182, "unit": "mg/dL"}
