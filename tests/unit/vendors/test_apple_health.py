"""Apple Health's export.xml: units with a molar mass, foreign offsets, halves told twice, and splitting by stream."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.records import Analyte, BloodPressure, Detection, InsulinKind, decode, encode
from clinical.vendors.apple_health import read_apple_health
from clinical.vendors.apple_health_xml import Splitter
from clinical.vendors.parsing import Parsed, Unreadable
from tests.examples import some
from tests.unit.vendors.apple_files import a_pressure, a_sample, an_export
from tests.unit.vendors.mutations import WHOSE, says_nothing_personal, survives, torn
from tests.unit.vendors.samples import real

MOLAR = "mmol&lt;180.1558800000541&gt;/L"


def read(*elements: str) -> Parsed:
    parsed = read_apple_health(an_export(*elements), WHOSE)
    says_nothing_personal(parsed)
    return parsed


def one(*elements: str) -> Any:
    (record,) = read(*elements).records
    return record


def split(body: bytes, batch: int = 2, piece: int = 64) -> list[bytes]:
    splitter = Splitter(batch)
    bodies = [found for begin in range(0, len(body), piece) for found in splitter.feed(body[begin : begin + piece])]
    return [*bodies, *splitter.finish()]


def test_the_instant_is_right_and_the_wall_clock_unknown() -> None:
    effective = one(a_sample("HeartRate", "72", "count/min")).effective
    assert (effective.millis, effective.local, effective.offset_minutes) == (1772352000000, None, None)


def test_a_zone_in_the_metadata_tells_the_wall_clock() -> None:
    effective = one(a_sample("HeartRate", "72", "count/min", notes=[("HKTimeZone", "America/New_York")])).effective
    assert (effective.millis, effective.local, effective.offset_minutes) == (1772352000000, "2026-03-01T03:00:00", -300)


def test_one_sample_exported_in_two_zones_is_one() -> None:
    here = one(a_sample("BloodGlucose", "101", "mg/dL"))
    there = one(a_sample("BloodGlucose", "101", "mg/dL", start="2026-03-01 03:00:00 -0500"))
    assert here.source.value == there.source.value


@pytest.mark.parametrize("mg_dl", [40, 70, 101, 180, 181, 399])
def test_the_unit_carries_a_molar_mass_and_mg_dl_come_back(mg_dl: int) -> None:
    record = one(a_sample("BloodGlucose", f"{mg_dl / 18.015588:.6g}", MOLAR, source="Dexcom G7"))
    assert (record.value.steps, record.value.unit, record.analyte) == (mg_dl, "mg/dL", Analyte.INTERSTITIAL_GLUCOSE)


def test_mmol_of_a_meter_stays_mmol_of_unspecified_blood() -> None:
    record = one(
        a_sample("BloodGlucose", "5.5", MOLAR, notes=[("HKWasUserEntered", "1"), ("HKBloodGlucoseMealTime", "2")])
    )
    assert (record.value.steps, record.value.unit, record.analyte) == (55, "mmol/L", Analyte.BLOOD_GLUCOSE)
    assert record.notes == ("after a meal",)


def test_dexcoms_39_is_below_the_range() -> None:
    record = one(a_sample("BloodGlucose", "39", "mg/dL", source="Dexcom"))
    assert (record.value.steps, record.detection) == (40, Detection.BELOW)


@pytest.mark.parametrize(
    ("reason", "end", "kind"),
    [
        ("2", None, InsulinKind.BOLUS),
        ("1", "2026-03-01 10:30:00 +0200", InsulinKind.BASAL),
        ("1", None, InsulinKind.INJECTION),
    ],
)
def test_insulin_says_its_reason(reason: str, end: str | None, kind: InsulinKind) -> None:
    record = one(a_sample("InsulinDelivery", "0.55", "IU", end=end, notes=[("HKInsulinDeliveryReason", reason)]))
    assert (record.kind, record.delivered.steps) == (kind, 550)


@pytest.mark.parametrize(("unit", "value", "steps"), [("kg", "80.5", 8050), ("lb", "177.5", 8051), ("st", "12", 7620)])
def test_weight_in_any_unit_is_kilograms(unit: str, value: str, steps: int) -> None:
    assert one(a_sample("BodyMass", value, unit)).value.steps == steps


def test_steps_are_counted_over_their_time_with_their_device() -> None:
    record = one(a_sample("StepCount", "120", "count", end="2026-03-01 10:10:00 +0200"))
    assert (record.value.steps, record.duration_seconds, record.device.model) == (120, 600, "Watch")


def test_a_blood_pressure_told_twice_in_halves_is_one() -> None:
    record = one(a_pressure("120", "80"))
    assert isinstance(record, BloodPressure)
    assert (record.systolic.steps, record.diastolic.steps) == (120, 80)


def test_what_a_meal_holds_is_not_told_twice() -> None:
    carbs = a_sample("DietaryCarbohydrates", "40", "g")
    assert one(carbs, f'<Correlation type="HKCorrelationTypeIdentifierFood">{carbs}</Correlation>').amount.steps == 400


def test_other_samples_and_the_person_are_skipped() -> None:
    parsed = read(a_sample("ActiveEnergyBurned", "1", "kcal"), '<Workout duration="5"/>')
    assert (list(parsed.records), list(parsed.problems), parsed.skipped) == ([], [], 3)


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        (a_sample("BloodGlucose", "101", "mmol"), "unit-unknown"),
        (a_sample("BloodGlucose", "5", "mg/dL"), "value-impossible"),
        (a_sample("HeartRate", "fast", "count/min"), "value-not-a-number"),
        (a_sample("HeartRate", "", "count/min"), "value-missing"),
        (a_sample("HeartRate", "70", "count/min", start="2026-03-01 10:00:00"), "time-without-offset"),
        (a_sample("HeartRate", "70", "count/min", start="soon"), "time-unreadable"),
        (a_sample("InsulinDelivery", "1", "IU"), "field-missing"),
        (a_sample("StepCount", "9", "count", end="2026-02-01 10:00:00 +0200"), "time-impossible"),
        (a_sample("BloodPressureSystolic", "120", "mmHg"), "value-missing"),
        (a_sample("BloodGlucose", "9" * 50_000, "mg/dL"), "value-not-a-number"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_line(sample: str, code: str) -> None:
    parsed = read(a_sample("HeartRate", "72", "count/min"), sample)
    (problem,) = parsed.problems
    assert (problem.path, problem.code, len(parsed.records)) == ("line 8", code, 1)
    (again,) = read_apple_health(problem.body, WHOSE).problems
    assert (again.code, again.body) == (problem.code, problem.body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (an_export(a_sample("HeartRate", "72", "count/min"))[:-40], "xml-cut"),
        (an_export('<Record type="x"'), "xml-invalid"),
        (b"<ClinicalDocument/>", "not-apple-health"),
        (b"", "not-apple-health"),
    ],
)
def test_a_file_that_is_broken_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as whole:
        read_apple_health(body, WHOSE)
    with pytest.raises(Unreadable) as parts:
        split(body)
    assert (whole.value.code, parts.value.code) == (code, code)
    assert whole.value.path == parts.value.path


def test_entities_cannot_be_declared() -> None:
    head = '<!DOCTYPE HealthData [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    with pytest.raises(Unreadable):
        read_apple_health(an_export(a_sample("HeartRate", "&b;", "count/min"), head=head), WHOSE)


# --- splitting

MANY = [
    a_sample("HeartRate", str(60 + n), "count/min", start=f"2026-03-01 10:{n:02d}:00 +0200", notes=[("k", "v")])
    for n in range(7)
]


def records_of(bodies: list[bytes]) -> list[bytes]:
    return sorted(encode([record]) for body in bodies for record in read_apple_health(body, WHOSE).records)


@pytest.mark.parametrize("piece", [1, 7, 64, 100_000])
def test_the_parts_hold_what_the_whole_holds_and_nothing_of_the_person(piece: int) -> None:
    body = an_export(*MANY[:3], a_pressure("120", "80"), *MANY[3:], '<Workout><Route lat="CANARY"/></Workout>')
    bodies = split(body, batch=2, piece=piece)
    assert [part.count(b"<Record ") for part in bodies] == [2, 2, 2, 1, 2, 2]
    assert b"".join(bodies).count("CANARY’s iPhone".encode()) == b"".join(bodies).count(b"<Record ") * 2
    assert b"1990" not in b"".join(bodies)
    assert records_of(split(body, batch=50, piece=piece)) == records_of([body])


def test_an_element_that_never_ends_does_not_fill_the_memory() -> None:
    endless = b'<HealthData><Record type="HKQuantityTypeIdentifierHeartRate">' + b"<a/>" * 2_000_000
    with pytest.raises(Unreadable) as caught:
        list(Splitter().feed(endless))
    assert caught.value.code == "element-too-long"


# --- bad input

WHOLE = an_export(
    MANY[0], a_pressure("120", "80"), a_sample("BloodGlucose", "5.60625", MOLAR), a_sample("BodyMass", "80", "kg")
)
VALUES = [(match.start(1), match.end(1)) for match in re.finditer(rb'="([^"]*)"', WHOLE)]


@given(torn(WHOLE))
@settings(max_examples=some(80), deadline=None)
def test_exports_with_bytes_cut_out_and_put_in(body: bytes) -> None:
    survives(lambda torn_body: read_apple_health(torn_body, WHOSE), body)


@given(
    st.sampled_from(VALUES),
    st.sampled_from(
        [
            "",
            "39",
            "-1",
            "1e400",
            "NaN",
            "mmol",
            "2026-13-01 10:00:00 +0200",
            "9999-12-31 23:59:59 -1400",
            "\u0661",
            "x" * 300,
        ]
    ),
)
@settings(max_examples=some(120), deadline=None)
def test_attributes_with_anything_in_them(place: tuple[int, int], text: str) -> None:
    body = WHOLE[: place[0]] + text.encode() + WHOLE[place[1] :]
    parsed = survives(lambda changed: read_apple_health(changed, WHOSE), body)
    assert parsed is None or decode(encode(parsed.records)) == tuple(parsed.records)


def test_a_real_export() -> None:
    parsed = read_apple_health(real("apple_health/export_small_heart_bmi_workout.xml"), WHOSE)
    (rate,) = parsed.records
    assert (rate.original.value, rate.effective.millis, list(parsed.problems)) == ("72", 1536571735000, [])
