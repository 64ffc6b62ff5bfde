"""The codes of a CGM summary's figures (HL7 CGM guide 1.0.0, summary profiles), and what an outcome says of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from clinical.issued import IssuedOutcome

_HUNDREDTH: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Single:
    """A figure that is an Observation of its own: LOINC code, unit's text and UCUM code, profile."""

    figure: str
    code: str
    display: str
    text: str
    unit: str


MEANS: Final = {
    "mg/dL": (
        "mean",
        Single(
            "mean-glucose-mass-per-volume",
            "97507-8",
            "Average glucose [Mass/volume] in Interstitial fluid during Reporting Period",
            "mg/dl",
            "mg/dL",
        ),
    ),
    "mmol/L": (
        "mean_mmol_l",
        Single(
            "mean-glucose-moles-per-volume",
            "105273-7",
            "Glucose [Moles/volume] in Reporting Period mean Interstitial fluid by calculation",
            "mmol/l",
            "mmol/L",
        ),
    ),
}
SINGLES: Final = {
    "gmi": Single("gmi", "97506-0", "Glucose management indicator", "%", "%"),
    "cv": Single(
        "coefficient-of-variation",
        "104638-2",
        "Glucose standard deviation/Glucose mean in Reporting Period Interstitial fluid by calculation",
        "%",
        "%",
    ),
    "active_percent": Single(
        "sensor-active-percentage",
        "104637-4",
        "Percentage of time continuous glucose monitor device worn Reporting Period Calculated",
        "%",
        "%",
    ),
}
WEAR: Final = Single(
    "days-of-wear",
    "104636-6",
    "Days continuous glucose monitor device worn [#] Reporting Period Estimated",
    "days",
    "d",
)
RANGES: Final = {
    "very_low": ("104642-4", "Time very low (below 54 mg/dL, 3.0 mmol/L)"),
    "low": ("104641-6", "Time low (54 to 69 mg/dL, 3.0 to 3.8 mmol/L)"),
    "in_range": ("97510-2", "Time in range (70 to 180 mg/dL, 3.9 to 10.0 mmol/L)"),
    "high": ("104640-8", "Time high (181 to 250 mg/dL, 10.1 to 13.9 mmol/L)"),
    "very_high": ("104639-0", "Time very high (above 250 mg/dL, 13.9 mmol/L)"),
}
"""The five disjoint bands that the guide asks for: LOINC code, and words of ours for people."""


class Figure(NamedTuple):
    """One number of a summary: LOINC code, name for people, value and UCUM unit."""

    code: str
    display: str
    value: Decimal
    unit: str


def told(value: float) -> Decimal:
    """A figure to the hundredth, as the guide asks for percentages; a count as it is."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value)).quantize(_HUNDREDTH, ROUND_HALF_UP)


def figures_of(outcome: IssuedOutcome, *units: str) -> Iterator[Figure]:
    """What an outcome of glucose says, in the guide's order: means in these units, GMI, CV, wear, times in ranges."""
    if not outcome.readings:
        return
    figures = outcome.figures
    singles = [MEANS[unit] for unit in units] + list(SINGLES.items())
    for name, single in singles:
        if name in figures:
            yield Figure(single.code, single.display, told(figures[name]), single.unit)
    yield Figure(WEAR.code, WEAR.display, told(outcome.counts.get("days_of_wear", 0)), WEAR.unit)
    if "in_range" in figures:
        yield from (Figure(code, words, told(figures[band]), "%") for band, (code, words) in RANGES.items())
