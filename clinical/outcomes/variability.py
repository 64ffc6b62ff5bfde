"""Metrics that do not merge: they compare readings hours or days apart, or need the whole window's SD. They are
computed from the window's slots, each time anew. Values are in mg/dL, since they are for display.
"""

from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes.cleaning import Slots
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import F64, I64, MICRO
from clinical.outcomes.zone import DAY_MILLIS, local_millis

NOT_MERGEABLE: Final = ("mage", "modd", "conga")
"""These are recomputed from the readings of the window; all else comes from merged elements."""


def mg_dl(level: I64) -> F64:
    """Values in mg/dL."""
    return MICRO[level] / 1e6


def modd(slots: Slots, zone: ZoneInfo) -> float | None:
    """Mean of daily differences: the mean of |g(t) - g(t - 24 h)| (Molnar 1972), from measured readings, by the
    patient's wall clock: the same time yesterday. None where no two readings stand a day apart."""
    kept = slots.kept()
    wall = local_millis(kept.millis, zone)
    differences = _differences(wall, kept, DAY_MILLIS)
    return float(np.abs(differences).mean()) if differences.size else None


def conga(slots: Slots, hours: int) -> float | None:
    """Continuous overall net glycaemic action over `hours`: SD (n - 1) of g(t) - g(t - n h) (McDonnell 2005), from
    measured readings. The hours belong to the name: CONGA-1, -2, -4 and -24 are different figures."""
    if hours < 1:
        raise OutcomeError("CONGA is over one hour or more", "conga")
    kept = slots.kept()
    differences = _differences(kept.millis, kept, hours * 3_600_000)
    return float(differences.std(ddof=1)) if differences.size > 1 else None


def _differences(clock: I64, kept: Slots, lag_millis: int) -> F64:
    """Each reading less the one nearest to `lag_millis` before it, if that is within half an interval."""
    if clock.size < 2:
        return np.empty(0)
    order = np.argsort(clock, kind="stable")
    times, values = clock[order], mg_dl(kept.level[order])
    wanted = times - lag_millis
    after = np.clip(np.searchsorted(times, wanted), 1, times.size - 1)
    nearest = np.where(wanted - times[after - 1] <= times[after] - wanted, after - 1, after)
    near = 2 * np.abs(times[nearest] - wanted) < kept.interval_seconds[order] * 1000
    found: F64 = values[near] - values[nearest[near]]
    return found
