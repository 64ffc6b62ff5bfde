"""`oru_to_records`: what a good result becomes, its time and its status."""

from datetime import UTC, datetime
from typing import Any

import pytest

from clinical.records import Analyte, Detection, Status
from clinical.time import moment
from engine import sdk
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx, oru
from tests.unit.transformers.oru import TABLE, asides, one, readings, run


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
    assert output == sdk.Drop("no results (1 no-result)")


@pytest.mark.parametrize("status", ["X", "I", "U", "Z", "FINAL"])
def test_a_status_that_contradicts_its_value_or_is_unknown_is_set_aside(status: str) -> None:
    assert asides(run(oru(obx(status=status)))) == [("OBX[1]-11", "result-status")]


def test_a_deletion_without_a_value_still_finds_what_it_deletes() -> None:
    sent, deleted = one(oru()), one(oru(obx(value="", unit="", status="D")))
    assert deleted.status is Status.ENTERED_IN_ERROR
    assert deleted.source.value == sent.source.value
    assert deleted.original.value is None
    assert [deed.what for deed in deleted.done] == ["withdrawn without a value"]


@pytest.mark.parametrize(("value", "steps"), [("1.12", 112), ("0.7", 70), ("<0.4", 40), ("1.805", 181)])
def test_grams_a_litre_are_told_in_milligrams_a_decilitre_and_that_is_noted(value: str, steps: int) -> None:
    (reading,) = readings(run(oru(obx(1, value, unit="g/L", kind="ST"))))
    assert (reading.value.steps, reading.value.unit) == (steps, "mg/dL")
    assert (reading.original.value, reading.original.unit) == (value, "g/L")
    assert "converted to mg/dL" in [deed.what for deed in reading.done]


def test_a_value_that_nobody_has_in_grams_a_litre_waits() -> None:
    assert asides(run(oru(obx(1, "112", unit="g/L")))) == [("OBX[1]-5", "implausible")]


def test_a_code_in_the_second_alternate_triplet_is_read() -> None:
    (reading,) = readings(run(oru(obx(1, "182", code="GLU^Glucose^L^G2^^L^^^^99504-3^Glucose^LN"))))
    assert reading.value.steps == 182
