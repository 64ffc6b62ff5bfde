import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from clinical.records import Analyte, Detection, Glucose, Status, decode
from clinical.time import moment
from engine import sdk
from engine.model.settings import SettingsContext
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx, oru
from transformers.oru_to_records import OruToRecordsSettings, oru_to_records

TABLE = {"GLU": {"code": "GLU", "analyte": "capillary-glucose", "name": "POC"}}


def run(raw: bytes, **settings: Any) -> list[sdk.StepOutput]:
    made = oru_to_records(
        a_message(raw, sdk.Shape.HL7V2), OruToRecordsSettings(**{"timezone": "Europe/Dublin", **settings})
    )
    return [made] if isinstance(made, (sdk.Message, sdk.Aside, sdk.Drop)) else list(made)


def readings(outputs: list[sdk.StepOutput]) -> list[Glucose]:
    return [record for output in outputs if isinstance(output, sdk.Message) for record in decode(output.body)]


def asides(outputs: list[sdk.StepOutput]) -> list[tuple[str | None, str]]:
    return [(output.error.path, output.error.code) for output in outputs if isinstance(output, sdk.Aside)]


def one(raw: bytes, **settings: Any) -> Glucose:
    outputs = run(raw, **settings)
    assert asides(outputs) == []
    (reading,) = readings(outputs)
    return reading


def aside(raw: bytes, **settings: Any) -> sdk.Aside:
    (output,) = run(raw, **settings)
    assert isinstance(output, sdk.Aside)
    return output


# --- what a good result becomes


def test_a_result_becomes_a_record_that_keeps_what_was_received() -> None:
    reading = one(oru(obx(value="5.40", unit="mmol/l^mmol per litre^L", f18="SN1^ACME", f19="20261120100100+0000")))
    assert (reading.analyte, reading.status) == (Analyte.INTERSTITIAL_GLUCOSE, Status.FINAL)
    assert (reading.value.steps, reading.value.unit, reading.detection) == (54, "mmol/L", None)
    assert (reading.patient.system, reading.patient.value, reading.patient.id) == ("STM", "MRN1", None)
    original = reading.original
    assert (original.value, original.unit, original.code, original.system) == ("5.40", "mmol/l", "99504-3", "LN")
    assert original.time == "20261120100000+0000"
    assert moment(reading.effective.millis) == datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    assert reading.device is not None
    assert (reading.device.serial, reading.device.vendor) == ("SN1", "ACME")
    assert (reading.source.road, reading.source.sender) == ("hl7v2", "GLU|STM")
    assert reading.source.version == "2026-11-20T10:01:00.000Z/2026-11-20T10:15:00.000Z"
    assert reading.done == ()


def test_the_message_for_a_patient_is_kept_in_order_by_the_patient() -> None:
    (output,) = run(oru())
    assert isinstance(output, sdk.Message)
    assert (output.shape, output.order_key) == (sdk.Shape.RECORDS, "STM|MRN1")


def test_notes_after_a_result_belong_to_it() -> None:
    raw = message(
        MSH, PID, OBR, "NTE|1||lot", obx(1), "NTE|1|L|fasting \\T\\ rested ^ calm~twice", "NTE|2||", obx(2, sub="2")
    )
    first, second = readings(run(raw))
    assert (first.notes, second.notes) == (("fasting & rested ^ calm", "twice"), ())


@pytest.mark.parametrize(
    ("kind", "value", "unit", "steps", "detection"),
    [
        ("NM", "182.4", "mg/dL", 182, None),
        ("SN", ">^400", "mg/dL", 400, Detection.ABOVE),
        ("ST", "<2.2", "mmol/L", 22, Detection.BELOW),
        ("ST", "HI", "mg/dL", 400, Detection.ABOVE),
        ("ST", "LO", "mmol/L", 22, Detection.BELOW),
    ],
)
def test_values_beyond_the_range_are_the_limit_and_say_so(
    kind: str, value: str, unit: str, steps: int, detection: Detection | None
) -> None:
    reading = one(oru(obx(kind=kind, value=value, unit=unit)))
    assert (reading.value.steps, reading.detection, reading.original.value) == (steps, detection, value)


def test_a_meters_hi_and_lo_stand_for_the_range_of_meters() -> None:
    for word, steps in (("HI", 500), ("LO", 20)):
        reading = one(oru(obx(kind="ST", value=word, code="41653-7^x^LN")))
        assert reading.value.steps == steps
        assert [deed.what for deed in reading.done] == [
            "outside a range that was not given: the limit of usual devices"
        ]


def test_rounding_to_the_step_is_written_down() -> None:
    assert [deed.what for deed in one(oru(obx(value="182.4"))).done] == ["rounded to the step of its unit"]
    assert one(oru(obx(value="182.0"))).done == ()


def test_local_codes_come_from_the_table_before_everything_else() -> None:
    raw = oru(obx(code="GLU^Glucose^L"))
    assert one(raw, codes=TABLE).analyte is Analyte.CAPILLARY_GLUCOSE
    assert asides(run(raw)) == [("OBX[1]-3", "unknown-code")]
    both = oru(obx(code="99504-3^x^LN^GLU^y^L"))
    assert one(both, codes=TABLE).analyte is Analyte.CAPILLARY_GLUCOSE
    assert one(both).analyte is Analyte.INTERSTITIAL_GLUCOSE


def test_mdc_codes_are_read_in_either_triplet() -> None:
    for code in ("160212^MDC_CONC_GLU_ISF^MDC", "X^y^L^160212^MDC_CONC_GLU_ISF^MDC"):
        assert one(oru(obx(code=code, unit="264274^MDC_DIM_MILLI_G_PER_DL^MDC"))).original.system == "MDC"


# --- time


def instant(raw: bytes, **settings: Any) -> tuple[datetime, str]:
    effective = one(raw, **settings).effective
    return moment(effective.millis), effective.how


def test_the_offset_comes_from_the_time_then_from_the_message_then_from_the_zone() -> None:
    with_offset = MSH.replace("20261120101500", "20261120101500+0300")
    at_ten = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    assert instant(oru(obx(time="20260701120000+0200"), msh=with_offset)) == (at_ten, "offset")
    assert instant(oru(obx(time="20260701130000"), msh=with_offset)) == (at_ten, "message-offset")
    assert instant(oru(obx(time="20260701110000"))) == (at_ten, "zone")


def test_without_a_time_of_its_own_a_result_has_the_time_of_its_order_and_never_of_the_message() -> None:
    assert instant(oru(obx(time=""))) == (datetime(2026, 11, 20, 9, 55, tzinfo=UTC), "zone")
    assert instant(oru(obx(time='""')))[0] == datetime(2026, 11, 20, 9, 55, tzinfo=UTC)
    assert asides(run(oru(obx(time=""), obr="OBR|1|P1|F1"))) == [("OBX[1]-14", "time-missing")]


@pytest.mark.parametrize(
    ("time", "code"),
    [("20261120", "no-time-of-day"), ("2026112010", "no-time-of-day"), ("20261320100000", "bad-time")],
)  # fmt: skip
def test_an_impossible_or_coarse_time_is_set_aside_with_its_field(time: str, code: str) -> None:
    assert asides(run(oru(obx(1), obx(2, time=time)))) == [("OBX[2]-14", code)]
    assert asides(run(oru(obx(time=""), obr=f"OBR|1|P|F|x|||{time}"))) == [("OBR[1]-7", code)]


def test_an_hour_that_comes_twice_is_told_apart_by_order_else_by_the_setting() -> None:
    times = [f"20261025{clock}" for clock in ("004500", "010500", "014500", "010500", "014500", "021000")]
    raw = oru(*(obx(n, str(100 + n), time=time) for n, time in enumerate(times)))
    found = readings(run(raw))
    assert [moment(reading.effective.millis).strftime("%H%M") for reading in found] == [
        "2345", "0005", "0045", "0105", "0145", "0210",
    ]  # fmt: skip
    assert [reading.effective.fold for reading in found] == [False, False, False, True, True, False]
    assert [deed.what for deed in found[3].done] == ["time that occurs twice decided by order"]
    alone = oru(obx(time="20261025013000"))
    assert instant(alone)[0] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert [deed.what for deed in one(alone).done] == ["time that occurs twice taken as the earlier"]
    assert instant(alone, if_twice="later")[0] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert asides(run(alone, if_twice="hold")) == [("OBX[1]-14", "time-twice")]


def test_a_time_that_never_was_is_marked() -> None:
    reading = one(oru(obx(time="20260329013000")))
    assert reading.effective.gap
    assert moment(reading.effective.millis) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


# --- status


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("F", Status.FINAL), ("C", Status.CORRECTED), ("A", Status.AMENDED), ("P", Status.PRELIMINARY),
        ("S", Status.PRELIMINARY), ("R", Status.PRELIMINARY), ("D", Status.ENTERED_IN_ERROR),
        ("W", Status.ENTERED_IN_ERROR), ("", Status.FINAL), ("f", Status.FINAL),
    ],
)  # fmt: skip
def test_the_status_follows_the_table(status: str, expected: Status) -> None:
    assert one(oru(obx(status=status))).status is expected


def test_what_not_verified_means_is_a_setting() -> None:
    assert one(oru(obx(status="R")), not_verified="final").status is Status.FINAL


@pytest.mark.parametrize("status", ["X", "I", "N", "O"])
def test_rows_without_a_result_are_passed_over_whatever_their_code(status: str) -> None:
    (output,) = run(oru(obx(value="", kind="", unit="", status=status, code="69965^MDC_DEV_MON^MDC")))
    assert output == sdk.Drop("no glucose results (1 no-result)")


@pytest.mark.parametrize("status", ["X", "I", "U", "Z", "FINAL"])
def test_a_status_that_contradicts_its_value_or_is_unknown_is_set_aside(status: str) -> None:
    assert asides(run(oru(obx(status=status)))) == [("OBX[1]-11", "result-status")]


def test_a_deletion_without_a_value_still_finds_what_it_deletes() -> None:
    sent, deleted = one(oru()), one(oru(obx(value="", unit="", status="D")))
    assert deleted.status is Status.ENTERED_IN_ERROR
    assert deleted.source.value == sent.source.value
    assert deleted.original.value is None
    assert [deed.what for deed in deleted.done] == ["withdrawn without a value"]


# --- identity and versions


def test_the_identity_does_not_depend_on_the_value_so_that_corrections_find_their_original() -> None:
    first = one(oru())
    corrected = one(oru(obx(value="99", status="C"), msh=MSH.replace("101500", "113000").replace("4711", "4712")))
    assert corrected.source.value == first.source.value
    assert (corrected.source.version or "") > (first.source.version or "")


@pytest.mark.parametrize(
    "other",
    [
        oru(obx(sub="2")),
        oru(obx(time="20261120100500+0000")),
        oru(obx(code="41653-7^x^LN")),
        oru(obx(f18="SN2")),
        oru(obr=OBR.replace("F1", "F2")),
        oru(pid=PID.replace("MRN1", "MRN2")),
        oru(msh=MSH.replace("GLU", "OTHER")),
    ],
)
def test_another_time_code_sub_id_device_order_patient_or_sender_is_another_result(other: bytes) -> None:
    assert one(other).source.value != one(oru()).source.value


def test_the_same_instant_in_another_zone_is_the_same_result() -> None:
    assert one(oru(obx(time="20261120110000+0100"))).source.value == one(oru()).source.value


def test_the_senders_own_instance_identifier_is_the_identity() -> None:
    source = one(oru(obx(f21="R-1^GLUCOLINK^1.2.3^ISO"))).source
    assert (source.system, source.value) == ("1.2.3", "R-1")
    assert one(oru(obx(f21="R-1"))).source.system == "GLU|STM"


def test_a_correction_is_newer_than_what_it_corrects_even_if_it_repeats_the_time_of_analysis() -> None:
    first = one(oru()).source.version or ""
    corrected = one(oru(obx(status="C", f19="20261120100000+0000"), msh=MSH.replace("101500", "113000"))).source.version
    assert (corrected or "") > first


def test_without_any_time_of_the_message_versions_sort_by_arrival() -> None:
    version = one(oru(msh=MSH.replace("20261120101500", ""))).source.version
    assert version == "2026-11-20T10:15:00.000Z/2026-11-20T10:15:00.000Z"


def test_a_day_of_288_equal_codes_stays_288_readings() -> None:
    raw = oru(*(obx(n + 1, str(80 + n % 100), time=f"20261119{n // 12:02d}{n % 12 * 5:02d}00") for n in range(288)))
    found = readings(run(raw))
    assert len(found) == len({reading.source.value for reading in found}) == 288
    assert len({reading.effective.millis for reading in found}) == 288


def test_two_values_for_one_code_time_and_sub_id_are_not_two_versions_of_one() -> None:
    outputs = run(oru(obx(1, "100"), obx(2, "200"), obx(3, "100")))
    assert [reading.value.steps for reading in readings(outputs)] == [100, 100]
    assert asides(outputs) == [("OBX[2]-4", "same-identity")]
    assert len(readings(run(oru(obx(1, "100", sub="1"), obx(2, "200", sub="2"))))) == 2


# --- what is set aside


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
    [("6.5", "mg/dL"), ("9", "mg/dL"), ("1001", "mg/dL"), ("0.5", "mmol/L"), ("182", "mmol/L"), ("-5", "mg/dL")],
)
def test_a_value_that_nobody_has_in_its_unit_waits_for_review(value: str, unit: str) -> None:
    waiting = aside(oru(obx(value=value, unit=unit)))
    assert isinstance(waiting.error, sdk.NeedsReview)
    assert (waiting.error.code, waiting.error.path) == ("implausible", "OBX[1]-5")


@pytest.mark.parametrize(("value", "unit"), [("10", "mg/dL"), ("1000", "mg/dL"), ("0.6", "mmol/L"), ("55", "mmol/L")])
def test_the_edges_of_what_is_plausible_are_readings(value: str, unit: str) -> None:
    assert one(oru(obx(value=value, unit=unit))).original.value == value


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


# --- several patients, controls, other codes


def test_a_second_pid_is_another_patient_and_another_message() -> None:
    raw = message(
        MSH, PID, OBR, obx(1, "100"), "PID|2||MRN2^^^STM^MR", OBR, obx(2, "200"), PID, OBR, obx(3, "300", sub="3")
    )
    outputs = run(raw)
    assert [output.order_key for output in outputs if isinstance(output, sdk.Message)] == ["STM|MRN1", "STM|MRN2"]
    assert [(r.patient.value, r.value.steps) for r in readings(outputs)] == [
        ("MRN1", 100),
        ("MRN1", 300),
        ("MRN2", 200),
    ]


def test_quality_control_is_never_a_patients() -> None:
    (whole,) = run(oru(msh=MSH + "||||2"))
    assert whole == sdk.Drop("no glucose results (1 quality-control)")
    assert run(oru(obx(code="160208^MDC_CONC_GLU_CONTROL^MDC"))) == [whole]
    assert run(message(MSH, PID, OBR, obx(), "SPM|1" + "|" * 10 + "Q")) == [whole]
    assert len(readings(run(oru(msh=MSH + "||||0")))) == 1


def test_what_was_passed_over_is_counted_beside_what_went_on() -> None:
    outputs = run(oru(obx(1), obx(2, code="160208^x^MDC"), obx(3, value="", status="X")))
    (output,) = outputs
    assert isinstance(output, sdk.Message)
    assert output.meta["tally"] == "no-result=1 quality-control=1"


def test_other_codes_can_be_ignored() -> None:
    outputs = run(oru(obx(1), obx(2, code="WBC^x^L", kind="TX", value="text", unit="")), other_codes="ignore")
    assert (len(readings(outputs)), asides(outputs)) == (1, [])
    assert run(oru(obx(code="WBC^x^L")), other_codes="ignore") == [sdk.Drop("no glucose results (1 other-code)")]


def test_the_assigner_is_asked_for_where_it_is_needed() -> None:
    raw = oru(pid="PID|1||A^^^STM^MR~B^^^GH^MR")
    assert asides(run(raw)) == [("PID[1]-3", "patient-unclear")]
    assert one(raw, assigner="GH").patient.value == "B"
    assert one(oru(pid="PID|1||N^^^NHS^NH"), patient_identifier="NH").patient.system == "NHS"


# --- bodies and settings


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
