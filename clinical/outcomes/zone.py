"""A patient's zone over arrays of time: local time of day, local days, with 23 and 25 hours where the clocks change."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes.levels import I64
from clinical.time import passes

DAY_MILLIS: Final = 86_400_000
_HOUR_MILLIS: Final = 3_600_000
_EPOCH_DAY = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def day_start(day: date, zone: ZoneInfo) -> int:
    """UTC milliseconds at which a local day begins; where midnight does not exist, when the clocks jump over it."""
    wall = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall clock
    return (passes(wall, zone).first - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001 - naive UTC


def day_of(millis: int, zone: ZoneInfo) -> date:
    """The local day that an instant belongs to: the last one that has begun."""
    day, following = _day_at(millis // _HOUR_MILLIS, zone)
    while following <= millis:
        day += timedelta(days=1)
        following = day_start(day + timedelta(days=1), zone)
    return day


@lru_cache(maxsize=4096)
def _day_at(hour: int, zone: ZoneInfo) -> tuple[date, int]:
    """The local day at the beginning of an hour since 1970 UTC, and when the next one begins."""
    millis = hour * _HOUR_MILLIS
    day = (_EPOCH + timedelta(milliseconds=millis)).astimezone(zone).date() + timedelta(days=1)
    while day_start(day, zone) > millis:
        day -= timedelta(days=1)
    return day, day_start(day + timedelta(days=1), zone)


def ordinals(millis: I64, zone: ZoneInfo) -> I64:
    """For each instant its local day, as days since 1970-01-01. `millis` need not be sorted."""
    if not millis.size:
        return np.empty(0, np.int64)
    first, last = day_of(int(millis.min()), zone), day_of(int(millis.max()), zone)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    starts = np.array([day_start(day, zone) for day in days], np.int64)
    found: I64 = np.searchsorted(starts, millis, side="right") - 1 + (first - _EPOCH_DAY).days
    return found


def date_of(ordinal: int) -> date:
    """The day of an ordinal."""
    return _EPOCH_DAY + timedelta(days=ordinal)


def local_millis(millis: I64, zone: ZoneInfo) -> I64:
    """What the wall clock shows, as milliseconds since 1970 without a zone."""
    if not millis.size:
        return np.empty(0, np.int64)
    years = range(_year(int(millis.min())), _year(int(millis.max())) + 1)
    table = _table(years, zone)
    place = np.searchsorted(table[:, 0], millis, side="right") - 1
    found: I64 = millis + table[place, 1]
    return found


@lru_cache(maxsize=256)
def _table(years: range, zone: ZoneInfo) -> I64:
    return np.array([row for year in years for row in _offsets(year, zone)], np.int64)


def minute_of_day(millis: I64, zone: ZoneInfo) -> I64:
    """The wall clock's minute of the day, 0 to 1439."""
    found: I64 = local_millis(millis, zone) % DAY_MILLIS // 60_000
    return found


def _year(millis: int) -> int:
    return (_EPOCH + timedelta(milliseconds=millis)).year


@lru_cache(maxsize=2048)
def _offsets(year: int, zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """From when in a UTC year which offset holds: (UTC milliseconds, offset in milliseconds)."""
    found: list[tuple[int, int]] = []
    start = datetime(year, 1, 1, tzinfo=UTC)
    moment, end = start, datetime(year + 1, 1, 1, tzinfo=UTC)
    held = _offset(moment, zone)
    found.append((_millis(moment), held))
    while moment < end:
        following = min(moment + timedelta(days=1), end)
        if _offset(following, zone) != held:
            change = _change(moment, following, zone)
            held = _offset(change, zone)
            found.append((_millis(change), held))
            moment = change
        else:
            moment = following
    return tuple(found)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset of `before` ends."""
    held = _offset(before, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == held:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(moment: datetime, zone: ZoneInfo) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return (offset or timedelta()) // timedelta(milliseconds=1)


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
