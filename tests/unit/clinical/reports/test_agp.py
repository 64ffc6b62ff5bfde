"""The AGP report: one page, the same bytes each time, every figure on it, and no name that was not asked for."""

import re
from dataclasses import replace as but
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from clinical.issued import Cause, IssuedOutcome, Method, OutcomeStatus, Period
from clinical.outcomes import ADULT, ISLET, PREGNANCY_TYPE_1, Element, TargetSet, day_elements, merged, readings, slots
from clinical.outcomes.subjects import Glucose
from clinical.outcomes.windows import Window
from clinical.records import PatientRef
from clinical.reports.agp import AgpReport, agp_report
from clinical.reports.agp_pdf import agp_pdf
from tests.unit.clinical.outcomes.support import UTC_ZONE, at

FIRST, DAYS = "2024-02-05", 14
CANARY = "MRN-7788"


def days_of(steps: list[int], window: Window, targets: TargetSet = ADULT) -> list[Element]:
    millis = window.start_millis + 300_000 * np.arange(len(steps))
    return day_elements(slots(readings(millis, steps)), window, ISLET.with_targets(targets))


def report(steps: list[int], *, targets: TargetSet = ADULT, **changes: Any) -> AgpReport:
    """Of readings every five minutes from the beginning of two weeks."""
    window = Window(at(f"{FIRST}T00:00"), at(f"{FIRST}T00:00") + DAYS * 86_400_000, UTC_ZONE)
    days = days_of(steps, window, targets)
    method = Glucose(ISLET.with_targets(targets))
    found = method.found_of(merged(days, method.profile), window, window.end_millis)
    outcome = IssuedOutcome(
        id="o1", series="s1", version=1, status=changes.pop("status", OutcomeStatus.FINAL), cause=Cause.ENDED,
        patient=PatientRef(system="stm", value=CANARY, id=CANARY), subject="glucose",
        period=Period(name="14d", first_day=FIRST, last_day="2024-02-18", start_millis=window.start_millis,
                      end_millis=window.end_millis, zone="UTC"),
        method=Method(name=method.label, version=method.version, digest=method.digest, rules=method.rules),
        evidence=found.digest, readings=found.readings, at_millis=window.end_millis, message_id="m", origin_id="m",
        complete=True, figures=found.figures, counts=found.counts, accounting=found.accounting,
        dropped=found.dropped, flags=found.flags,
    )  # fmt: skip
    made = agp_report(outcome, days, merged(days, method.profile), targets, changes.pop("unit", "mg/dL"))
    return but(made, **changes)


def read(pdf: bytes) -> tuple[PdfReader, str]:
    reader = PdfReader(BytesIO(pdf))
    return reader, re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))


# Each hour: ten readings of 120, one of 60, one of 200. In range 83.3 %, low and high 8.3 % each.
HOUR = [120] * 10 + [60, 200]


def test_one_page_with_every_figure_of_the_outcome() -> None:
    reader, said = read(agp_pdf(report(HOUR * 24 * DAYS)))
    assert len(reader.pages) == 1
    for words in (
        "05 Feb 2024 to 18 Feb 2024 (14 days, UTC)",
        "Time sensor active 100.0 %",
        "Days of wear 14 of 14",
        "Mean glucose 122 mg/dL",  # (10 * 120 + 60 + 200) / 12 = 121.7
        "Glucose management indicator (GMI) 6.2 % 44 mmol/mol",
        "Very high > 250 mg/dL 0.0 % 0 min a day",
        "High 181-250 mg/dL 8.3 % 2 h 0 min a day",
        "In range 70-180 mg/dL 83.3 % 20 h 0 min a day",
        "Low 54-69 mg/dL 8.3 % 2 h 0 min a day",
        "Very low < 54 mg/dL 0.0 % 0 min a day",
        "In tight range 70-140 mg/dL 83.3 %",
        "goal: more than 70 %",
        "low and very low together: less than 4 %",
        "Mon 05 Feb",
        "Sun 18 Feb",
        "4,032 readings",
        "Every minute of the period is covered.",
    ):
        assert words in said, words


def test_a_site_of_mmol_l_reads_mmol_l_only() -> None:
    _, said = read(agp_pdf(report(HOUR * 24 * DAYS, unit="mmol/L")))
    assert "Mean glucose 6.8 mmol/L" in said
    assert "High 10.1-13.9 mmol/L" in said
    assert "In range 3.9-10.0 mmol/L" in said
    assert "Low 3.0-3.8 mmol/L" in said
    assert "mg/dL" not in said


def test_another_population_has_its_ranges_and_goals() -> None:
    _, said = read(agp_pdf(report(HOUR * 24 * DAYS, targets=PREGNANCY_TYPE_1)))
    assert "In range 63-140 mg/dL" in said
    assert "islet/pregnancy-type-1" in said


def test_the_same_report_is_the_same_bytes_dated_by_its_outcome() -> None:
    first, second = (agp_pdf(report(HOUR * 24 * DAYS)) for _ in range(2))
    assert first == second
    reader, _ = read(first)
    assert reader.metadata is not None
    assert str(reader.metadata["/CreationDate"]) == "D:20240219000000+00'00'"
    assert agp_pdf(report([*HOUR[:-1], 201, *HOUR * (24 * DAYS - 1)])) != first


def test_the_patient_is_named_only_where_that_was_asked_for() -> None:
    anonymous = agp_pdf(report(HOUR * 24 * DAYS))
    reader, said = read(anonymous)
    assert CANARY not in said
    assert CANARY not in str(reader.metadata)
    assert f"Patient {CANARY}" in read(agp_pdf(report(HOUR * 24 * DAYS, patient=f"Patient {CANARY}")))[1]


def test_too_little_data_are_said_to_be_too_little_and_missing_days_are_shown() -> None:
    _, said = read(agp_pdf(report(HOUR * 24 * 5)))
    assert "Data do not suffice to judge goals" in said
    assert said.count("no readings") == 9
    assert "no reading 216.0 h" in said


def test_a_withdrawn_report_has_no_figures() -> None:
    _, said = read(agp_pdf(report([], status=OutcomeStatus.ENTERED_IN_ERROR)))
    assert "Withdrawn: every reading that it rested on was" in said
    assert "No readings in this period." in said
    assert "Mean glucose - " in said
    assert "nan" not in said.lower()


@pytest.mark.parametrize("steps", [[120], [39] * 40, [401] * 4032])
def test_one_reading_all_low_and_all_high_can_be_drawn(steps: list[int]) -> None:
    reader, said = read(agp_pdf(report(steps), "Letter"))
    assert tuple(map(float, reader.pages[0].mediabox[2:])) == (612.0, 792.0)
    assert f"{len(steps):,} readings" in said
    assert "nan" not in said.lower()


def test_curves_are_not_drawn_over_long_pauses() -> None:
    steps = [120] * 12
    window = Window(at(f"{FIRST}T00:00"), at(f"{FIRST}T00:00") + 86_400_000, UTC_ZONE)
    millis = window.start_millis + 300_000 * np.array([0, 1, 2, 9, 10, 11, 15, 100, 101, 102, 103, 104])
    made = report(HOUR)
    days = day_elements(slots(readings(millis, steps)), window, ISLET)
    found = agp_report(made.outcome, days, days[0], ADULT, "mg/dL")
    assert [len(piece) for piece in found.days[0].pieces] == [3, 4, 5]
