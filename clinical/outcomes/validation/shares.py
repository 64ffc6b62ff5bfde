"""Cases about shares of time, averages and risk."""

from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes.cleaning import readings
from clinical.outcomes.profile import ISLET
from clinical.outcomes.reasons import Reason, warm_up
from clinical.outcomes.targets import PREGNANCY, Band
from clinical.outcomes.validation.case import (
    MINUTE,
    MMOL_L,
    UTC_ZONE,
    Case,
    Figure,
    Topic,
    at,
    both,
    figure,
    midnight,
    on,
    share,
)
from clinical.outcomes.windows import days_ending

_NAMES = {
    Band.VERY_LOW: "very low",
    Band.LOW: "low",
    Band.IN_RANGE: "in range",
    Band.HIGH: "high",
    Band.VERY_HIGH: "very high",
}


def _band(steps: int, unit: int) -> Figure:
    seconds = share(on(at([steps], unit=unit))).seconds
    return next(_NAMES[band] for band in Band if seconds[band])


def _edge(steps: int, expected: str, unit: int = 0) -> Case:
    text = f"{steps / 10} mmol/L" if unit else f"{steps} mg/dL"
    return Case(f"one reading of {text}", "band", expected, "the edge itself", lambda: _band(steps, unit))


BANDS: Final = Topic(
    "Time below, in and above range",
    "Very low: below 54 mg/dL (3.0 mmol/L). Low: 54 to 69 (3.0 to 3.8). In range: 70 to 180 (3.9 to "
    "10.0), both included. "
    "High: 181 to 250 (10.1 to 13.9). Very high: above 250 (13.9). A value is judged in the unit it came in.",
    "Battelino 2019, Diabetes Care 42:1593",
    (
        _edge(53, "very low"),
        _edge(54, "low"),
        _edge(69, "low"),
        _edge(70, "in range"),
        _edge(180, "in range"),
        _edge(181, "high"),
        _edge(250, "high"),
        _edge(251, "very high"),
        _edge(29, "very low", MMOL_L),
        _edge(30, "low", MMOL_L),
        _edge(38, "low", MMOL_L),
        _edge(39, "in range", MMOL_L),
        _edge(100, "in range", MMOL_L),
        _edge(101, "high", MMOL_L),
        _edge(139, "high", MMOL_L),
        _edge(140, "very high", MMOL_L),
        Case(
            "100 mg/dL 18 times, 60 twice, 50, 200 twice, 300",
            "in range, %",
            75.0,
            "18 of 24 readings are in range",
            lambda: share(on(at([100] * 18 + [60] * 2 + [50] + [200] * 2 + [300]))).in_range,
        ),
        Case(
            "the same",
            "below range, %",
            12.5,
            "all below range: 3 of 24, level 2 included",
            lambda: share(on(at([100] * 18 + [60] * 2 + [50] + [200] * 2 + [300]))).below,
        ),
        Case(
            "69 mg/dL 12 times until noon, 3.9 mmol/L 12 times after",
            "in range, %",
            50.0,
            "each in its own unit: half low, half in range",
            lambda: share(on(both(at([69] * 12), at([39] * 12, hour=12, unit=MMOL_L)))).in_range,
        ),
        Case(
            "every reading 45 mg/dL",
            "below range, %",
            100.0,
            "all of it below range",
            lambda: share(on(at([45] * 288))).below,
        ),
    ),
)

TIGHT: Final = Topic(
    "Time in tight range, pregnancy",
    "Tight range: 70 to 140 mg/dL (3.9 to 7.8 mmol/L). Pregnancy: in range is 63 to 140 (3.5 to 7.8).",
    "ISPAD 2024; Battelino 2019",
    (
        Case(
            "69, 70, 140, 141 mg/dL",
            "tight range, %",
            50.0,
            "70 and 140 are in",
            lambda: share(on(at([69, 70, 140, 141]))).tight,
        ),
        Case(
            "3.8, 3.9, 7.8, 7.9 mmol/L",
            "tight range, %",
            50.0,
            "3.9 and 7.8 are in",
            lambda: share(on(at([38, 39, 78, 79], unit=MMOL_L))).tight,
        ),
        Case(
            "62, 63, 140, 141 mg/dL in pregnancy",
            "in range, %",
            50.0,
            "63 and 140 are in",
            lambda: share(on(at([62, 63, 140, 141]), profile=ISLET.with_targets(PREGNANCY))).in_range,
        ),
    ),
)

AVERAGES: Final = Topic(
    "Mean, SD, CV, GMI, estimated A1c, percentiles",
    "SD divides by n - 1. CV = 100 SD / mean. GMI = 3.31 + 0.02392 mean (mg/dL), or 12.71 + 4.70587 mean (mmol/L) in "
    "mmol/mol, from the unrounded mean. Estimated A1c = (mean + 46.7) / 28.7. Percentiles lie on the "
    "line between readings.",
    "Danne 2017; Bergenstal 2018; Nathan 2008",
    (
        Case(
            "100, 120, 140, 200 mg/dL",
            "mean, mg/dL",
            140.0,
            "560 / 4",
            lambda: figure(on(at([100, 120, 140, 200]))).mean,
        ),
        Case(
            "the same",
            "SD, mg/dL",
            43.2049,
            "√((1600 + 400 + 0 + 3600) / 3)",
            lambda: figure(on(at([100, 120, 140, 200]))).sd,
            0.00005,
        ),
        Case(
            "the same",
            "CV, %",
            30.8607,
            "100 × 43.2049 / 140",
            lambda: figure(on(at([100, 120, 140, 200]))).cv,
            0.00005,
        ),
        Case(
            "the same",
            "median, mg/dL",
            130.0,
            "median: between 120 and 140",
            lambda: figure(on(at([100, 120, 140, 200]))).percentiles[2],
        ),
        Case(
            "150 mg/dL throughout", "GMI, %", 6.898, "3.31 + 0.02392 × 150", lambda: figure(on(at([150] * 9))).gmi, 1e-9
        ),
        Case(
            "8.0 mmol/L throughout",
            "GMI, mmol/mol",
            50.35696,
            "12.71 + 4.70587 × 8.0",
            lambda: figure(on(at([80] * 9, unit=MMOL_L))).gmi_mmol_mol,
            1e-9,
        ),
        Case(
            "154 mg/dL throughout",
            "estimated A1c, %",
            6.993,
            "200.7 / 28.7",
            lambda: figure(on(at([154] * 9))).ea1c,
            0.0005,
        ),
        Case("one reading of 100 mg/dL", "SD, mg/dL", None, "one reading has no SD", lambda: figure(on(at([100]))).sd),
        Case(
            "8 h of 120 every 5 min, 8 h of 65 every 15 min, 8 h of 200 every minute",
            "mean, mg/dL",
            128.3333,
            "by time and not by count: (120 + 65 + 200) / 3",
            lambda: (
                figure(
                    on(both(at([120] * 96), at([65] * 32, hour=8, minutes=15), at([200] * 480, hour=16, minutes=1)))
                ).mean
            ),
            0.00005,
        ),
    ),
)

RISK: Final = Topic(
    "GRI, LBGI, HBGI, J",
    "GRI = 3.0 very low + 2.4 low + 1.6 very high + 0.8 high, of disjoint bands in per cent, at most "
    "100. LBGI and HBGI: mean "
    "of 10 f² where f is below or above zero, f = 1.509 (ln(g)^1.084 - 5.381). J = 0.001 (mean + SD)².",
    "Klonoff 2023; Kovatchev 2006; Wojcicki 1995",
    (
        Case(
            "of 100 readings: 2 of 50, 4 of 60, 80 of 100, 10 of 200, 4 of 300",
            "GRI",
            30.0,
            "6 + 9.6 + 6.4 + 8",
            lambda: figure(on(at([50] * 2 + [60] * 4 + [100] * 80 + [200] * 10 + [300] * 4))).gri,
            1e-9,
        ),
        Case("every reading 45 mg/dL", "GRI", 100.0, "300 is cut to 100", lambda: figure(on(at([45] * 20))).gri),
        Case("every reading 50 mg/dL", "LBGI", 22.5, "f(50) = -1.5000", lambda: figure(on(at([50] * 9))).lbgi, 0.005),
        Case("every reading 50 mg/dL", "HBGI", 0.0, "nothing is high", lambda: figure(on(at([50] * 9))).hbgi),
        Case(
            "100, 120, 140, 200 mg/dL",
            "J",
            33.5642,
            "0.001 × (140 + 43.2049)²",
            lambda: figure(on(at([100, 120, 140, 200]))).j_index,
            0.0005,
        ),
    ),
)


def _excluded(reason: Reason) -> Figure:
    spans = [warm_up("Dexcom G6").after(midnight())]
    found = on(at([50] * 24 + [100] * 264), spans=spans)
    return found.accounting.excluded_millis[reason] // 60_000


def _enough(count: int) -> Figure:
    found = on(at([100] * count), days_ending(date(2024, 2, 18), 14, UTC_ZONE))
    return "suffices" if found.sufficient else "does not suffice"


def _twice() -> Figure:
    once = at([100] * 288)
    later = at([100] * 288, hour=7 / 3600)
    return on(both(once, later)).readings


def _full(hours: int) -> Figure:
    day = date(2024, 3, 31) if hours == 23 else date(2024, 10, 27)
    window = days_ending(day, 1, ZoneInfo("Europe/Dublin"))
    start_hour = (window.start_millis - midnight(day)) / 3_600_000
    return on(at([100] * (hours * 12), hour=start_hour, day=day), window).active_percent


def _none() -> Figure:
    found = on(at([])).shares
    return None if found is None else found.in_range


DATA: Final = Topic(
    "Data: wear, gaps, exclusions, days of 23 and 25 hours",
    "Sensor-active time is measured time in the window's real time. Data suffice with at least 70 % of "
    "at least 14 days. "
    "Warm-up and other exclusions count for nothing, and every minute without a value has a reason.",
    "Battelino 2019; Danne 2017",
    (
        Case(
            "2,823 readings every 5 minutes in 14 days",
            "data",
            "suffices",
            "2,822.4 are 70 %",
            lambda: _enough(2823),
        ),
        Case("2,822 readings", "data", "does not suffice", "just less than 70 %", lambda: _enough(2822)),
        Case(
            "two hours of 50 mg/dL in the warm-up of a Dexcom G6, then 100",
            "in range, %",
            100.0,
            "warm-up does not count",
            lambda: share(on(at([50] * 24 + [100] * 264), spans=[warm_up("Dexcom G6").after(midnight())])).in_range,
        ),
        Case("the same", "warm-up, minutes", 120, "minutes accounted to warm-up", lambda: _excluded(Reason.WARM_UP)),
        Case(
            "the same 288 readings uploaded twice, 7 seconds apart",
            "readings",
            288,
            "near-duplicates are one reading",
            _twice,
        ),
        Case(
            "the day the clocks go forward in Dublin, full",
            "sensor active, %",
            100.0,
            "276 readings in 23 hours",
            lambda: _full(23),
        ),
        Case(
            "the day the clocks go back in Dublin, full",
            "sensor active, %",
            100.0,
            "300 readings in 25 hours",
            lambda: _full(25),
        ),
        Case(
            "values of -5, 0 and 5,000 mg/dL among 100",
            "in range, %",
            100.0,
            "what cannot be is no reading, and is counted apart",
            lambda: share(on(at([100, -5, 100, 0, 100, 5000]))).in_range,
        ),
        Case(
            "a sensor that shows LOW, below 40 mg/dL, then 100",
            "very low, %",
            50.0,
            "below detection counts as very low",
            lambda: share(on(readings(midnight() + np.array([0, 5]) * MINUTE, [40, 100], detection=[-1, 0]))).very_low,
        ),
        Case(
            "two sensors at once: 100 by the one, 200 by the other",
            "in range, %",
            100.0,
            "one sensor is taken, never both",
            lambda: (
                share(on(readings(midnight() + np.arange(12) * MINUTE, [100, 200] * 6, stream=[0, 1] * 6))).in_range
            ),
        ),
        Case(
            "100, then a value without a unit, then 100",
            "readings",
            2,
            "a value without a unit is no reading",
            lambda: on(readings(midnight() + np.array([0, 5, 10]) * MINUTE, [100, 55, 100], [0, -1, 0])).readings,
        ),
        Case("no reading at all", "mean, mg/dL", None, "no data is no number", _none),
    ),
)
