"""The core set for many patients at once, from arrays: what a nightly run needs. No loop over patients.

It takes slots that are already clean (`cleaning.slots`), of one unit and one nominal interval, and gives the very
figures that `outcome` gives for each patient. It refuses what it cannot treat exactly.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clinical.outcomes.episodes import Events, events_by_kind
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.figures import PERCENTILES
from clinical.outcomes.levels import (
    F64,
    HIGHEST_STEPS,
    I64,
    LEVELS,
    LOWEST_STEPS,
    MICRO_PER_STEP,
    STEPS_PER_UNIT,
    Levels,
)
from clinical.outcomes.profile import Profile
from clinical.outcomes.runs import runs_of_groups
from clinical.outcomes.tally import HIGH_RISK, LOW_RISK, RISK_SCALE
from clinical.outcomes.targets import Band, TargetSet

_BLOCK: Final = 128
"""Patients treated together: so many that arrays stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """One row for each patient. `bands`: readings in the five bands, `tight` in tight range. Averages in mg/dL, NaN
    without readings (`sd`, `cv`, `j_index` also with one). `percentiles`: `figures.PERCENTILES`. `event_counts` and
    `event_millis` (total length): columns by `Kind`."""

    n: I64
    bands: I64
    tight: I64
    mean: F64
    sd: F64
    cv: F64
    gmi: F64
    ea1c: F64
    j_index: F64
    lbgi: F64
    hbgi: F64
    gri: F64
    percentiles: F64
    event_counts: I64
    event_millis: I64


def core(millis: I64, level: Levels, edges: I64, interval_seconds: int, profile: Profile) -> Core:
    """The core set. Patient `p` has the slots from `edges[p]` to before `edges[p + 1]`, in order of time.

    Raises `OutcomeError` (`batch`) for slots out of order or closer than half an interval, levels that are not
    plausible, two units, or edges that do not fit.
    """
    _check_edges(millis, level, edges)
    if interval_seconds <= 0:
        raise OutcomeError("the interval must be positive", "batch")
    blocks = []
    for first in range(0, max(edges.size - 1, 1), _BLOCK):
        block = edges[first : first + _BLOCK + 1]
        cut = slice(int(block[0]), int(block[-1]))
        blocks.append(_block(millis[cut], level[cut], block - block[0], interval_seconds, profile))
    return Core(*(np.concatenate(columns) for columns in zip(*blocks, strict=True)))


def _check_edges(millis: I64, level: Levels, edges: I64) -> None:
    fits = edges.size > 0 and edges[0] == 0 and edges[-1] == millis.size == level.size
    if not fits or np.any(np.diff(edges) < 0):
        raise OutcomeError("edges must rise from 0 to the number of slots", "batch")
    if not level.size:
        return
    unit, other = int(level.min()) // STEPS_PER_UNIT, int(level.max()) // STEPS_PER_UNIT
    if unit != other or not 0 <= unit < LEVELS // STEPS_PER_UNIT:
        raise OutcomeError("a batch is of one unit; compute patients with two one by one", "batch")
    least, most = int(level.min()) % STEPS_PER_UNIT, int(level.max()) % STEPS_PER_UNIT
    if least < LOWEST_STEPS[unit] - 1 or most > HIGHEST_STEPS[unit] + 1:
        raise OutcomeError("a level is not plausible; clean readings with `slots` first", "batch")


def _block(
    millis: I64, level: Levels, edges: I64, interval_seconds: int, profile: Profile
) -> tuple[NDArray[np.generic], ...]:
    patients = edges.size - 1
    pause = np.diff(millis)
    pause[edges[(edges > 0) & (edges < millis.size)] - 1] = np.iinfo(np.int64).max
    if pause.size and pause.min() < interval_seconds * 500:
        raise OutcomeError("slots are out of order or too close; clean readings with `slots` first", "batch")
    runs = runs_of_groups(millis, level, np.array(interval_seconds), edges, profile)
    happened = events_by_kind(runs, profile).values()
    counts, lengths = zip(*(_by_patient(each, patients) for each in happened), strict=True)
    return (*_distribution(level, edges, profile), np.stack(counts, axis=1), np.stack(lengths, axis=1))


def _by_patient(found: Events, patients: int) -> tuple[I64, I64]:
    lengths = np.zeros(patients, np.int64)
    np.add.at(lengths, found.group, found.end_millis - found.start_millis)
    return np.bincount(found.group, minlength=patients), lengths


def _distribution(level: Levels, edges: I64, profile: Profile) -> tuple[NDArray[np.generic], ...]:
    patients = edges.size - 1
    base = int(level.min()) // STEPS_PER_UNIT * STEPS_PER_UNIT if level.size else 0
    width = int(level.max()) - base + 1 if level.size else 1
    places = np.repeat(np.arange(patients) * width - base, np.diff(edges))
    places += level
    histogram = np.bincount(places, minlength=patients * width).reshape(patients, width)
    table = _table(profile.targets)[base : base + width]
    sums = (histogram.astype(np.float64) @ table).astype(np.int64)  # exact: every sum stays below 2 ** 53
    bands, (tight, n, first, second, low, high) = sums[:, :5], sums[:, 5:].T
    step = MICRO_PER_STEP[base // STEPS_PER_UNIT]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = first * step / (n * 1_000_000)
        sd = np.sqrt((n * second - first * first) / (n * (n - 1))) * (step / 1_000_000)
        gri = np.minimum(100 * (bands @ np.array([30, 24, 0, 8, 16])) / (10 * n), 100.0)
        risks = low / (n * RISK_SCALE), high / (n * RISK_SCALE)
        found = (mean, sd, 100 * sd / mean, 3.31 + 0.02392 * mean, (mean + 46.7) / 28.7, 0.001 * (mean + sd) ** 2)
    return (n, bands, tight, *found, *risks, gri, _quantiles(histogram, n, step))


@lru_cache(maxsize=64)
def _table(targets: TargetSet) -> F64:
    """For each level what one reading adds: bands, tight range, one, steps, squared steps, low and high risk."""
    bands = targets.bands()
    steps = np.arange(LEVELS) % STEPS_PER_UNIT
    ones = np.ones(LEVELS, np.int64)
    columns = [
        *(bands == band for band in Band),
        targets.tight(),
        ones,
        steps,
        steps * steps,
        LOW_RISK,
        HIGH_RISK,
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _quantiles(histogram: I64, n: I64, step: int) -> F64:
    """Type 7 quantiles of each row, as `Tally.quantiles`."""
    ends = np.cumsum(histogram, axis=1)
    last = np.maximum(n - 1, 0)
    found = np.empty((n.size, len(PERCENTILES)))
    for column, percent in enumerate(PERCENTILES):
        whole, rest = np.divmod(last * percent, 100)
        lower = np.argmax(ends > whole[:, None], axis=1) * step
        upper = np.argmax(ends > np.minimum(whole + 1, last)[:, None], axis=1) * step
        found[:, column] = (lower * (100 - rest) + upper * rest) / 100_000_000
    found[n == 0] = np.nan
    return found
