"""The figures of a tally: shares of time, averages, variability, risk. Each docstring names its definition."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from clinical.outcomes.levels import MICRO_PER_STEP
from clinical.outcomes.tally import Tally
from clinical.outcomes.targets import Band

PERCENTILES: Final = (5, 25, 50, 75, 95)
QUANTILES: Final = (0, *PERCENTILES, 100)
_MMOL_L: Final = MICRO_PER_STEP[1] / 100_000
"""mg/dL in one mmol/L."""
_VERY_LOW, _LOW, _IN_RANGE, _HIGH, _VERY_HIGH = map(int, Band)


@dataclass(frozen=True, slots=True)
class Shares:
    """Nominal seconds in the five disjoint bands and in the tight range, and all of them. Percentages are of measured
    time (LOINC 97510-2: "in range out of total measurements")."""

    seconds: tuple[int, int, int, int, int]
    tight_seconds: int
    total_seconds: int

    def _percent(self, seconds: int) -> float:
        return 100 * seconds / self.total_seconds

    @property
    def very_low(self) -> float:
        """Time below range, level 2: below 54 mg/dL or 3.0 mmol/L."""
        return self._percent(self.seconds[_VERY_LOW])

    @property
    def low(self) -> float:
        """Time below range, level 1: 54 to 69 mg/dL."""
        return self._percent(self.seconds[_LOW])

    @property
    def below(self) -> float:
        """All time below range; what the consensus goal "below 70" is about."""
        return self._percent(self.seconds[_VERY_LOW] + self.seconds[_LOW])

    @property
    def in_range(self) -> float:
        """Time in range, both edges included (Battelino 2019)."""
        return self._percent(self.seconds[_IN_RANGE])

    @property
    def tight(self) -> float:
        """Time in tight range, 70 to 140 mg/dL (ISPAD 2024)."""
        return self._percent(self.tight_seconds)

    @property
    def high(self) -> float:
        """Time above range, level 1: 181 to 250 mg/dL."""
        return self._percent(self.seconds[_HIGH])

    @property
    def very_high(self) -> float:
        """Time above range, level 2: above 250 mg/dL or 13.9 mmol/L."""
        return self._percent(self.seconds[_VERY_HIGH])

    @property
    def above(self) -> float:
        """All time above range."""
        return self._percent(self.seconds[_HIGH] + self.seconds[_VERY_HIGH])


def shares(tally: Tally) -> Shares | None:
    """Time in each band, None without readings. A patient with both units: times are added, each found in its unit."""
    if not tally.n:
        return None
    very_low, low, inside, high, very_high = tally.bands
    return Shares((very_low, low, inside, high, very_high), tally.tight, tally.total_seconds)


@dataclass(frozen=True, slots=True)
class Figures:
    """Averages and variability, in mg/dL where not said otherwise. `sd`, `cv`, `j_index`: None for a single reading."""

    mean: float
    mean_mmol_l: float
    sd: float | None
    sd_mmol_l: float | None
    cv: float | None
    gmi: float
    gmi_mmol_mol: float
    ea1c: float
    j_index: float | None
    lbgi: float
    hbgi: float
    gri: float
    gri_hypo: float
    gri_hyper: float
    percentiles: tuple[float, ...]
    least: float
    greatest: float

    @property
    def iqr(self) -> float:
        """Interquartile range."""
        return self.percentiles[3] - self.percentiles[1]

    @property
    def gri_zone(self) -> str:
        """A to E, by steps of 20 (Klonoff 2023)."""
        return "ABCDE"[min(int(self.gri // 20), 4)]


def figures(tally: Tally, share: Shares, quantiles: Sequence[float]) -> Figures:
    """The figures of a tally that holds a reading. `quantiles`: its `QUANTILES`.

    Mean and SD (n - 1) of measured readings by nominal interval; CV = 100 SD / mean (Danne 2017: stable up to 36 %).
    GMI % = 3.31 + 0.02392 mean and mmol/mol = 12.71 + 4.70587 mean in mmol/L, each from the unrounded mean (Bergenstal
    2018). Estimated A1c = (mean + 46.7) / 28.7 (ADAG, Nathan 2008), not to be mixed with GMI. J = 0.001 (mean + SD)²
    (Wojcicki 1995). LBGI, HBGI: see `Tally.risks`. GRI: see `gri`.
    """
    first, total, spread, freedom = tally.moments()
    mean, mean_mmol_l = first / total, first * 100_000 / (total * MICRO_PER_STEP[1])
    sd = sqrt(spread / freedom) if freedom else None
    low, high = tally.risks()
    hypo, hyper, whole = gri(share)
    least, *percentiles, greatest = quantiles
    return Figures(
        mean=mean,
        mean_mmol_l=mean_mmol_l,
        sd=sd,
        sd_mmol_l=None if sd is None else sd / _MMOL_L,
        cv=None if sd is None else 100 * sd / mean,
        gmi=3.31 + 0.02392 * mean,
        gmi_mmol_mol=12.71 + 4.70587 * mean_mmol_l,
        ea1c=(mean + 46.7) / 28.7,
        j_index=None if sd is None else 0.001 * (mean + sd) ** 2,
        lbgi=low,
        hbgi=high,
        gri=whole,
        gri_hypo=hypo,
        gri_hyper=hyper,
        percentiles=tuple(percentiles),
        least=least,
        greatest=greatest,
    )


def gri(share: Shares) -> tuple[float, float, float]:
    """Glycemia risk index (Klonoff 2023), over disjoint bands in per cent: the hypoglycaemia component VLow + 0.8 Low,
    the hyperglycaemia component VHigh + 0.5 High, and 3.0 VLow + 2.4 Low + 1.6 VHigh + 0.8 High, at most 100."""
    very_low, low, _, high, very_high = share.seconds
    by = 10 * share.total_seconds
    whole = 100 * (30 * very_low + 24 * low + 16 * very_high + 8 * high) / by
    hypo, hyper = 100 * (10 * very_low + 8 * low) / by, 100 * (10 * very_high + 5 * high) / by
    return hypo, hyper, min(whole, 100.0)
