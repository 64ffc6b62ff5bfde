"""What the figures of an outcome are called where they are sent: LOINC codes of the HL7 CGM guide 1.0.0, and our own.

Used by every form that outcomes are written in, so that FHIR and HL7 v2 tell the same.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is the guide's, and the last part of identifiers; `text` is the unit for people, `unit` its UCUM code."""

    name: str
    code: str
    display: str
    text: str
    unit: str


MEANS: Final = {
    "mg/dL": (
        "mean",
        Figure(
            "mean-glucose-mass-per-volume",
            "97507-8",
            "Average glucose [Mass/volume] in Interstitial fluid during Reporting Period",
            "mg/dl",
            "mg/dL",
        ),
    ),
    "mmol/L": (
        "mean_mmol_l",
        Figure(
            "mean-glucose-moles-per-volume",
            "105273-7",
            "Glucose [Moles/volume] in Reporting Period mean Interstitial fluid by calculation",
            "mmol/l",
            "mmol/L",
        ),
    ),
}
"""By unit: the figure of an outcome, and what it is called."""

SINGLES: Final = {
    "gmi": Figure("gmi", "97506-0", "Glucose management indicator", "%", "%"),
    "cv": Figure(
        "coefficient-of-variation",
        "104638-2",
        "Glucose standard deviation/Glucose mean in Reporting Period Interstitial fluid by calculation",
        "%",
        "%",
    ),
    "active_percent": Figure(
        "sensor-active-percentage",
        "104637-4",
        "Percentage of time continuous glucose monitor device worn Reporting Period Calculated",
        "%",
        "%",
    ),
}
WEAR: Final = Figure(
    "days-of-wear",
    "104636-6",
    "Days continuous glucose monitor device worn [#] Reporting Period Estimated",
    "days",
    "d",
)
RANGES: Final = {
    "very_low": ("104642-4", "Glucose time in very low range"),
    "low": ("104641-6", "Glucose time in low range"),
    "in_range": ("97510-2", "Glucose time in range"),
    "high": ("104640-8", "Glucose time in high range"),
    "very_high": ("104639-0", "Glucose time in very high range"),
}
"""The five disjoint bands that the guide asks for: LOINC, and a short name of ours."""
TIGHT: Final = "glucose-time-in-tight-range"
"""Our own code of the range beside them."""

RANGES_PANEL: Final = ("106793-3", "Continuous glucose monitoring time in ranges panel")
PANEL: Final = ("107931-8", "Continuous glucose monitoring summary panel - Reporting Period")

HYPO: Final = ("hypo_1", "hypo_2", "hypo_prolonged")
"""Counts of events that began, beside `..._minutes` for how long they lasted."""

OWN_UNITS: Final = {
    "mean_systolic": "mm[Hg]",
    "mean_diastolic": "mm[Hg]",
    "at_target": "%",
    "mean": "kg",
    "first": "kg",
    "last": "kg",
    "change": "kg",
    "trend_per_week": "kg/wk",
}
"""Figures of the other subjects, with their units."""
