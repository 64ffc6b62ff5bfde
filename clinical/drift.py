"""Clocks of devices that are wrong: how wrong, since when, and the instants put right.

A pair is what a device's clock showed and what a clock known to be right showed at one moment, as when a device was
read out. The difference is the zone (whole quarters of an hour) and the drift (the rest). A device that is set to
another zone or whose clock nobody set by minutes is not drifting: drift is minutes at most.
"""

from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Final, NamedTuple

import msgspec

from clinical.records import Deed, Instant

RULE, RULE_VERSION = "clock-drift", "1"

ALARM_SECONDS: Final = 300
"""From here on readings lie closer to a neighbour's time than to their own."""
WORTH_CORRECTING_SECONDS: Final = 60

_QUARTER_MILLIS: Final = 15 * 60_000
_DAY_MILLIS: Final = 86_400_000
_LATEST_PAIRS: Final = 200
_SLOPE_DAYS: Final = 0.5


class Pair(NamedTuple):
    """One moment by two clocks, in milliseconds since 1970: the device's, read as if it were UTC, and the true one."""

    device: int
    true: int


class Drift(NamedTuple):
    """What a device's clock lacks. `seconds` is to be added to what it shows at its `millis` (device time in UTC);
    `seconds_per_day` says how this grows; `offset_minutes` is the zone that its wall clock is set to."""

    millis: int
    seconds: float
    seconds_per_day: float
    offset_minutes: int

    def at(self, device_millis: int, since: int | None = None) -> float:
        """Seconds to add at a moment by the device's clock (in UTC).

        `since`: when the clock was last known to be right; the error has grown evenly from there, and before it there
        was none. Without it, the error changes as `seconds_per_day` says.
        """
        if since is None:
            return self.seconds + self.seconds_per_day * (device_millis - self.millis) / _DAY_MILLIS
        span = max(self.millis - since, 1)
        return self.seconds * min(max(device_millis - since, 0), span) / span

    def alarms(self, limit_seconds: float = ALARM_SECONDS) -> bool:
        """Somebody should set this clock."""
        return abs(self.seconds) >= limit_seconds


def estimate(pairs: Sequence[Pair]) -> Drift | None:
    """The drift by the latest pairs that were made in one zone; None without any.

    Answers of servers come late, never early, so single pairs err: the slope is the median of all slopes between pairs
    half a day apart or more (Theil and Sen), and the level the median around it. One outlier moves neither.
    """
    ordered = sorted(pairs, key=lambda pair: pair.true)[-_LATEST_PAIRS:]
    if not ordered:
        return None
    offset = _offset(ordered[-1])
    same = [pair for pair in ordered if _offset(pair) == offset]
    shift = offset * _QUARTER_MILLIS
    points = [(pair.device - shift, (pair.true - pair.device + shift) / 1000) for pair in same]
    slope = _slope(points)
    last = points[-1][0]
    level = median(lacks - slope * (device - last) / _DAY_MILLIS for device, lacks in points)
    return Drift(last, round(level, 3), round(slope, 3), offset * 15)


def corrected(instant: Instant, drift: Drift, since: int | None = None) -> tuple[Instant, Deed | None]:
    """The instant put right, and the deed to write down; unchanged where the clock was right within a minute.

    The device's own time stays: `local` is untouched, and `millis - drift_millis` is what its clock said.
    """
    seconds = drift.at(instant.millis - instant.drift_millis, since)
    if instant.drift_millis or abs(seconds) < WORTH_CORRECTING_SECONDS:
        return instant, None
    millis = round(seconds * 1000)
    right = msgspec.structs.replace(instant, millis=instant.millis + millis, drift_millis=millis)
    return right, Deed(rule=RULE, version=RULE_VERSION, what=f"device clock corrected by {seconds:+.0f} s")


def _offset(pair: Pair) -> int:
    """Quarters of an hour by which the device's wall clock is set off, to the nearest."""
    return round((pair.device - pair.true) / _QUARTER_MILLIS)


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """Seconds per day."""
    slopes = [
        (later[1] - earlier[1]) / days
        for earlier, later in combinations(points, 2)
        if (days := (later[0] - earlier[0]) / _DAY_MILLIS) >= _SLOPE_DAYS
    ]
    return median(slopes) if slopes else 0.0
