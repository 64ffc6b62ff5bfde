"""`oru_to_records`: which results are versions of one result, and whose they are."""

import pytest

from engine import sdk
from tests.unit.hl7v2.messages import MSH, OBR, PID, message, obx, oru
from tests.unit.transformers.oru import asides, one, readings, run


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
    assert whole == sdk.Drop("no results (1 quality-control)")
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
    assert run(oru(obx(code="WBC^x^L")), other_codes="ignore") == [sdk.Drop("no results (1 other-code)")]


def test_the_assigner_is_asked_for_where_it_is_needed() -> None:
    raw = oru(pid="PID|1||A^^^STM^MR~B^^^GH^MR")
    assert asides(run(raw)) == [("PID[1]-3", "patient-unclear")]
    assert one(raw, assigner="GH").patient.value == "B"
    assert one(oru(pid="PID|1||N^^^NHS^NH"), patient_identifier="NH").patient.system == "NHS"
