"""NovoPen's dose records: relative seconds, numbers that are none, air shots."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.records import InsulinDose, InsulinKind
from clinical.vendors.novopen import Priming, read_novopen
from clinical.vendors.parsing import Parsed, Unreadable
from tests.examples import some
from tests.unit.vendors.mutations import WHOSE, as_json, survives

CLOCK = 1_000_000
VALID = 0x0800_0000
READ_AT = "2026-11-20T10:00:00+01:00"


def a_dose(ago: int, tenths: int, flags: int = VALID, exponent: int = 0xFF) -> bytes:
    return struct.pack(">III", CLOCK - ago, exponent << 24 | tenths, flags)


def a_report(*doses: bytes, kind: int = 3361, count: int | None = None) -> str:
    size = len(doses) if count is None else count
    head = struct.pack(">HIHHHIIHH", 1, CLOCK, kind, 14 + 12 * size, 1, 0, size, 0, 12 * size)
    return (head + b"".join(doses)).hex()


def a_reading(*reports: Any, **fields: Any) -> dict[str, Any]:
    pen = {"serial": "PEN1", "model": "NovoPen 6"}
    return {"readAt": READ_AT, "pen": pen, "insulin": "Fiasp", "reports": list(reports), **fields}


EXAMPLE = a_reading(a_report(a_dose(7200, 45), a_dose(3600, 20), a_dose(3590, 60)))


def read(*doses: bytes, priming: Priming = Priming(), **fields: Any) -> Parsed:  # noqa: B008
    return read_novopen(as_json(a_reading(a_report(*doses), **fields)), WHOSE, priming)


def doses_of(parsed: Parsed) -> list[InsulinDose]:
    return [record for record in parsed.records if isinstance(record, InsulinDose)]


def test_a_dose_was_given_as_long_before_as_the_pens_clock_says() -> None:
    (dose,) = doses_of(read(a_dose(3600, 30)))
    assert (dose.delivered and dose.delivered.steps, dose.kind) == (3000, InsulinKind.INJECTION)
    assert (dose.effective.local, dose.effective.offset_minutes) == ("2026-11-20T09:00:00", 60)
    assert (dose.insulin, dose.device and dose.device.serial, dose.original.value) == ("Fiasp", "PEN1", "3.0")


def test_another_reading_of_the_pen_gives_the_same_dose_at_a_second_more_or_less() -> None:
    (first,), (second,) = (doses_of(read(a_dose(60, 30), readAt=at)) for at in (READ_AT, "2026-11-20T10:00:01+01:00"))
    assert first.source.value == second.source.value
    assert first.effective.millis != second.effective.millis


@pytest.mark.parametrize("dose", [a_dose(60, 30, flags=0), a_dose(60, 0x7FFFFF), a_dose(60, 0x7FFFFF, exponent=0)])
def test_entries_that_the_pen_marks_as_none_are_skipped(dose: bytes) -> None:
    parsed = read(dose)
    assert (parsed.records, parsed.problems, parsed.skipped) == ([], [], 1)


@pytest.mark.parametrize(
    ("dose", "code", "field"),
    [
        (a_dose(60, 601), "value-impossible", "units"),
        (a_dose(60, 0xFFFFF0), "value-impossible", "units"),
        (a_dose(60, 1, exponent=0x50), "value-impossible", "units"),
        (a_dose(-60, 30), "time-impossible", "relativeTime"),
    ],
)
def test_doses_that_cannot_be_are_set_aside_and_can_be_replayed(dose: bytes, code: str, field: str) -> None:
    parsed = read(dose, a_dose(600, 30))
    (problem,) = parsed.problems
    assert (problem.code, problem.path, len(parsed.records)) == (code, f"reports[0].entries[0].{field}", 1)
    assert [again.code for again in read_novopen(problem.body, WHOSE).problems] == [code]


def test_a_small_dose_right_before_another_went_into_the_air() -> None:
    parsed = read(a_dose(3600, 20), a_dose(3590, 60), a_dose(1000, 20), a_dose(100, 30), a_dose(90, 40))
    assert [dose.kind for dose in doses_of(parsed)] == [
        InsulinKind.PRIMING,
        InsulinKind.INJECTION,
        InsulinKind.INJECTION,
        InsulinKind.INJECTION,
        InsulinKind.INJECTION,
    ]
    never = read(a_dose(3600, 20), a_dose(3590, 60), priming=Priming(units=Priming().units * 0))
    assert {dose.kind for dose in doses_of(never)} == {InsulinKind.INJECTION}


def test_a_dose_in_two_reports_counts_once() -> None:
    report = a_report(a_dose(60, 30))
    assert len(read_novopen(as_json(a_reading(report, report)), WHOSE).records) == 1


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "not-novopen"),
        (a_reading("zz"), "novopen-report"),
        (a_reading(3), "novopen-report"),
        (a_reading(a_report(kind=3356)), "novopen-report"),
        (a_reading(a_report(a_dose(60, 30))[:-4]), "novopen-cut"),
        (a_reading(a_report(a_dose(60, 30), count=4_000)), "novopen-cut"),
        (a_reading(a_report(), readAt="2026-11-20T10:00:00"), "time-without-offset"),
        (a_reading(a_report(), readAt=None), "field-missing"),
        (a_reading(a_report(), pen={}), "field-missing"),
    ],
)
def test_what_is_no_reading_is_refused(document: dict[str, Any], code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_novopen(as_json(document), WHOSE)
    assert caught.value.code == code


@given(st.lists(st.binary(min_size=12, max_size=12), max_size=6))
@settings(max_examples=some(80), deadline=None)
def test_any_entries_at_all(entries: list[bytes]) -> None:
    survives(lambda body: read_novopen(body, WHOSE), as_json(a_reading(a_report(*entries))))
