"""`oru_to_records`: vital signs, insulin, carbohydrate, events, notes; IHE PCD-01; and out and in again."""

from typing import Any

import msgspec
import pytest

from clinical import units
from clinical.hl7v2 import parse
from clinical.records import (
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    Detection,
    Device,
    DeviceEvent,
    InsulinDose,
    InsulinKind,
    Quantity,
    Status,
    VitalKind,
    VitalSign,
    decode,
    encode,
)
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.fhir.kinds import entry, every_kind, q
from tests.unit.hl7v2.messages import MSH, PID, message, obx, oru
from tests.unit.transformers.oru import asides, readings, run
from transformers.records_to_oru import RecordsToOruSettings, records_to_oru
from transformers.validate_hl7 import ValidateHl7Settings, validate_hl7

SYSTOLIC, DIASTOLIC, PULSE = "8480-6^Systolic^LN", "8462-4^Diastolic^LN", "8867-4^Heart rate^LN"


def records(raw: bytes, **settings: Any) -> list[AnyRecord]:
    outputs = run(raw, **settings)
    return [record for output in outputs if isinstance(output, sdk.Message) for record in decode(output.body)]


def the(raw: bytes, **settings: Any) -> AnyRecord:
    assert asides(run(raw, **settings)) == []
    (record,) = records(raw, **settings)
    return record


@pytest.mark.parametrize(
    ("code", "value", "unit", "kind", "steps"),
    [
        ("29463-7^Body weight^LN", "81.5", "kg", VitalKind.WEIGHT, 8150),
        ("188736^MDC_MASS_BODY_ACTUAL^MDC", "180", "263904^MDC_DIM_LB^MDC", VitalKind.WEIGHT, 8165),
        (PULSE, "62", "/min", VitalKind.HEART_RATE, 62),
        ("149546^MDC_PULS_RATE_NON_INV^MDC", "62", "264864^MDC_DIM_BEAT_PER_MIN^MDC", VitalKind.HEART_RATE, 62),
        ("55423-8^Steps^LN", "4211", "{steps}", VitalKind.STEPS, 4211),
    ],
)
def test_vital_signs_are_read_by_loinc_or_mdc_in_their_units(
    code: str, value: str, unit: str, kind: VitalKind, steps: int
) -> None:
    found = the(oru(obx(code=code, value=value, unit=unit)))
    assert isinstance(found, VitalSign)
    assert (found.kind, found.value.steps) == (kind, steps)
    assert found.original.value == value


def test_pounds_are_converted_and_that_is_written_down() -> None:
    found = the(oru(obx(code="3141-9^Weight^LN", value="180", unit="lb")))
    assert [deed.what for deed in found.done] == ["converted to kg", "rounded to the step of its unit"]


def pressure(systolic: str = "128", diastolic: str = "82", *, subs: tuple[str, str] = ("", "")) -> list[str]:
    return [
        obx(1, systolic, "mm[Hg]", code=SYSTOLIC, sub=subs[0]),
        obx(2, diastolic, "mm[Hg]", code=DIASTOLIC, sub=subs[1]),
    ]


@pytest.mark.parametrize("subs", [("", ""), ("1", "1"), ("1.0.1.1", "1.0.1.2")])
def test_the_two_blood_pressures_of_one_time_are_one_record(subs: tuple[str, str]) -> None:
    found = the(oru(*pressure(subs=subs)))
    assert isinstance(found, BloodPressure)
    assert (found.systolic, found.diastolic, found.pulse) == (q(128, "mm[Hg]"), q(82, "mm[Hg]"), None)


def test_a_pulse_in_the_same_group_belongs_to_the_pressure_and_elsewhere_stands_alone() -> None:
    lines = pressure(subs=("a.1", "a.2"))
    inside = the(oru(*lines, obx(3, "70", "/min", code=PULSE, sub="a.3")))
    assert isinstance(inside, BloodPressure)
    assert inside.pulse == q(70, "/min")
    beside = records(oru(*lines, obx(3, "70", "/min", code=PULSE, sub="b.1")))
    assert [type(record) for record in beside] == [BloodPressure, VitalSign]


def test_two_measurements_of_one_order_are_paired_by_their_time() -> None:
    lines = [
        obx(1, "120", "mm[Hg]", code=SYSTOLIC, time="20261120090000+0000"),
        obx(2, "130", "mm[Hg]", code=SYSTOLIC, time="20261120100000+0000"),
        obx(3, "85", "mm[Hg]", code=DIASTOLIC, time="20261120100000+0000"),
        obx(4, "80", "mm[Hg]", code=DIASTOLIC, time="20261120090000+0000"),
    ]
    pairs = [
        (record.systolic.steps, record.diastolic.steps)
        for record in records(oru(*lines))
        if isinstance(record, BloodPressure)
    ]
    assert pairs == [(120, 80), (130, 85)]


def test_one_blood_pressure_alone_is_set_aside_and_its_group_goes_on() -> None:
    systolic, diastolic = pressure(subs=("a.1", "a.2"))
    assert asides(run(oru(systolic))) == [("OBX[1]-4", "pressure-alone")]
    assert asides(run(oru(diastolic))) == [("OBX[1]-4", "pressure-alone")]
    raw = oru(systolic, obx(2, "70", "/min", code=PULSE, sub="a.2"))
    assert asides(run(raw)) == [("OBX[1]-4", "pressure-alone")]
    assert [type(record) for record in records(raw)] == [VitalSign]


def test_a_pump_s_codes_are_doses() -> None:
    bolus = the(oru(obx(code="8418344^MDC_INS_BOLUS^MDC", value="4.5", unit="267616^MDC_DIM_INTL_UNIT^MDC")))
    assert isinstance(bolus, InsulinDose)
    assert (bolus.kind, bolus.delivered) == (InsulinKind.BOLUS, q(4500, units.INSULIN))
    rate = the(oru(obx(code="128::29692^MDC_INS_BASAL_RATE_SETTING^MDC", value="0.85", unit="U/h")))
    assert isinstance(rate, InsulinDose)
    assert (rate.kind, rate.rate) == (InsulinKind.BASAL, q(850, units.INSULIN_RATE))
    several = records(
        oru(
            obx(1, "4.5", "U", code="MDC_INS_BOLUS^^MDC", sub="1.1.2.1"),
            obx(2, "0.85", "U/h", code="MDC_INS_BASAL_RATE_SETTING^^MDC", sub="1.1.2.2"),
        )
    )
    assert [type(record) for record in several] == [InsulinDose, InsulinDose]


def test_carbohydrate_and_notes() -> None:
    found = the(oru(obx(code="9059-7^Carbohydrate^LN", value="45", unit="g")))
    assert isinstance(found, Carbohydrate)
    assert found.amount == Quantity(steps=450, unit="g")
    note = the(oru(obx(kind="TX", code="48767-8^Comment^LN", value="felt \\T\\ was low~twice", unit="")))
    assert isinstance(note, Annotation)
    assert note.text == "felt & was low\ntwice"


def test_a_coded_value_says_hi_or_lo_and_nothing_else() -> None:
    (reading,) = readings(run(oru(obx(kind="CWE", value="HI^High^L"))))
    assert reading.detection is Detection.ABOVE
    assert asides(run(oru(obx(kind="CWE", value="N^Normal^L")))) == [("OBX[1]-2", "value-type")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ED", "x^AP^PDF^Base64^JVBERi0="),
        ("DTM", "20261120100000"),
        ("RP", "x"),
        ("CE", "182"),
    ],
)
def test_what_is_no_measured_value_is_refused_by_its_type(kind: str, value: str) -> None:
    assert asides(run(oru(obx(kind=kind, value=value)))) == [("OBX[1]-2", "value-type")]


def test_a_feed_can_be_read_for_some_kinds_only() -> None:
    raw = oru(obx(1), obx(2, "62", "/min", code=PULSE))
    assert len(records(raw)) == 2
    assert asides(run(raw, kinds=["glucose"])) == [("OBX[2]-3", "unknown-code")]
    (output,) = run(raw, kinds=["glucose"], other_codes="ignore")
    assert isinstance(output, sdk.Message)
    assert output.meta["tally"] == "other-code=1"


def test_local_codes_may_name_anything_that_is_measured() -> None:
    table = {"WT": {"code": "WT", "analyte": "weight"}}
    found = the(oru(obx(code="WT^Weight^L", value="81.5", unit="kg")), codes=table)
    assert isinstance(found, VitalSign)


def test_a_value_that_nobody_can_have_waits_for_review() -> None:
    (output,) = run(oru(obx(code=PULSE, value="600", unit="/min")))
    assert isinstance(output, sdk.Aside)
    assert isinstance(output.error, sdk.NeedsReview)


# --- IHE PCD-01

PCD_MSH = MSH.replace("|2.5.1", "|2.6")


def pcd(*lines: str) -> bytes:
    return message(
        PCD_MSH, PID, "OBR|1|AB12^PCD|CD12^PCD|182777000^monitoring of patient^SCT|||20261120095000+0000", *lines
    )


MONITOR = obx(
    1, "", "", kind="", code="528409^MDC_DEV_SPEC_PROFILE_CGM^MDC", sub="1.0.0.0", status="X", time="",
    f18="0123456789ABCDEF^ACME^0123456789ABCDEF^EUI-64",
)  # fmt: skip
MODEL = obx(2, "G9", "", kind="ST", code="531969^MDC_ID_MODEL_NUMBER^MDC", sub="1.0.0.1", time="")
CHANNEL = obx(3, "", "", kind="", code="70050^MDC_CHAN^MDC", sub="1.1.1.0", status="X", time="20261120100000+0000")


def metric(time: str = "20261120100000+0000", sub: str = "1.1.1.1", **more: str) -> str:
    return obx(4, "6.7", "266866^MDC_DIM_MILLI_MOLE_PER_L^MDC", code="160212^MDC_CONC_GLU_ISF^MDC", sub=sub,
               status="R", time=time, **more)  # fmt: skip


def test_device_rows_are_the_devices_of_the_metrics_below_them() -> None:
    outputs = run(pcd(MONITOR, MODEL, CHANNEL, metric()))
    (reading,) = readings(outputs)
    assert reading.device == Device(vendor="ACME", model="G9", serial="0123456789ABCDEF")
    assert reading.status is Status.PRELIMINARY
    assert asides(outputs) == []
    assert isinstance(outputs[0], sdk.Message)
    assert outputs[0].meta["tally"] == "device=1 no-result=2"


def test_a_metric_without_a_time_has_that_of_its_channel_before_that_of_the_order() -> None:
    (with_channel,) = readings(run(pcd(MONITOR, CHANNEL, metric(time=""))))
    assert with_channel.original.time == "20261120100000+0000"
    (without,) = readings(run(pcd(MONITOR, metric(time=""))))
    assert without.original.time == "20261120095000+0000"


def test_a_metric_s_own_equipment_goes_before_that_of_the_row_above() -> None:
    (reading,) = readings(run(pcd(MONITOR, MODEL, metric(f18="SENSOR-7"))))
    assert reading.device == Device(vendor="ACME", model="G9", serial="SENSOR-7")
    (other,) = readings(run(pcd(MONITOR, metric(sub="2.1.1.1"))))
    assert other.device is None


def test_a_metric_that_is_set_aside_takes_the_rows_above_it_along() -> None:
    raw = pcd(MONITOR, CHANNEL, metric(time="").replace("|6.7|", "|67|"))
    (waiting,) = (output for output in run(raw) if isinstance(output, sdk.Aside))
    assert waiting.body == raw
    (repaired,) = readings(run(waiting.body.replace(b"|67|", b"|6.7|")))
    assert repaired.device is not None


def test_corrections_of_other_kinds_find_their_original() -> None:
    first = the(oru(*pressure(subs=("a.1", "a.2"))))
    changed = oru(*(line.replace("|F|", "|C|") for line in pressure("131", subs=("a.1", "a.2"))))
    corrected = the(changed)
    assert isinstance(corrected, BloodPressure)
    assert (corrected.status, corrected.systolic.steps) == (Status.CORRECTED, 131)
    assert corrected.source.value == first.source.value


def test_a_dose_that_was_withdrawn_without_an_amount_is_a_tombstone() -> None:
    gone = the(oru(obx(code="8418344^MDC_INS_BOLUS^MDC", value="", unit="", status="D")))
    assert isinstance(gone, InsulinDose)
    assert (gone.status, gone.delivered) == (Status.ENTERED_IN_ERROR, None)


# --- out and in again

_OWN = (
    "value", "amount", "systolic", "diastolic", "pulse", "kind", "requested", "delivered", "rate", "duration_seconds",
    "event", "text", "automatic", "insulin", "total", "basal", "bolus", "notes",
)  # fmt: skip


def written(records: list[AnyRecord], **settings: Any) -> sdk.Message:
    given = a_message(encode(records), sdk.Shape.RECORDS)
    (output,) = records_to_oru(given, RecordsToOruSettings(timezone="UTC", **settings))
    assert isinstance(output, sdk.Message), output
    return output


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5.1", "2.6"])
def test_every_kind_is_written_and_read_back_the_same(version: str) -> None:
    given = [
        msgspec.structs.replace(record, source=msgspec.structs.replace(record.source, value=f"s-{number}"))
        for number, record in enumerate(every_kind())
        if any(getattr(record, name, None) for name in _OWN[:-1])
    ]
    message_out = written(given, version=version)
    assert validate_hl7(message_out, ValidateHl7Settings()) is message_out
    (back,) = run(message_out.body, timezone="UTC")
    assert isinstance(back, sdk.Message), back
    assert sorted(map(_said, decode(back.body)), key=repr) == sorted(map(_said, given), key=repr)


def _said(record: AnyRecord) -> dict[str, Any]:
    told = {name: found for name in _OWN if (found := getattr(record, name, None)) not in (None, False, ())}
    status = Status.CORRECTED if record.status is Status.AMENDED else record.status
    until = record.until.millis if isinstance(record, DeviceEvent) and record.until is not None else None
    return told | {"is": type(record), "status": status, "at": record.effective.millis, "until": until}


def test_a_record_without_anything_to_say_is_set_aside() -> None:
    empty = InsulinDose(**entry(), kind=InsulinKind.BOLUS)
    (aside,) = records_to_oru(a_message(encode([empty]), sdk.Shape.RECORDS), RecordsToOruSettings(timezone="UTC"))
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, aside.error.path) == ("dose-missing", "records[0].delivered")


def test_two_doses_of_one_second_stay_two() -> None:
    first = InsulinDose(**entry(), kind=InsulinKind.BOLUS, delivered=q(1000, units.INSULIN))
    other = msgspec.structs.replace(first, source=msgspec.structs.replace(first.source, value="other"))
    (output,) = records_to_oru(
        a_message(encode([first, other]), sdk.Shape.RECORDS), RecordsToOruSettings(timezone="UTC")
    )
    assert isinstance(output, sdk.Message)
    assert len({record.source.value for record in records(output.body)}) == 2
    assert len(parse(output.body).all("OBR")) == 1
