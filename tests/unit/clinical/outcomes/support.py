"""Days of readings for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from clinical.outcomes import ISLET, Outcome, Profile, Readings, Slots, Window, element, outcome, readings, slots

DUBLIN = ZoneInfo("Europe/Dublin")
UTC_ZONE = ZoneInfo("UTC")
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str) -> int:
    """UTC milliseconds of `2024-02-05T00:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


MONDAY = at("2024-02-05T00:00")


def every_five(values: Sequence[int], start: int = MONDAY, unit: int = 0, minutes: int = 5) -> Readings:
    """Readings one after the other, in steps."""
    return readings(start + np.arange(len(values)) * minutes * MINUTE, values, unit, minutes * 60)


def slots_of(values: Sequence[int], start: int = MONDAY, unit: int = 0, minutes: int = 5) -> Slots:
    return slots(every_five(values, start, unit, minutes))


def together(*parts: Readings) -> Readings:
    """All readings of several."""
    names = ("millis", "steps", "unit", "interval_seconds", "detection", "stream", "rank")
    return Readings(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def day(start: int = MONDAY, zone: ZoneInfo = UTC_ZONE, length: int = DAY) -> Window:
    return Window(start, start + length, zone)


def result(chosen: Slots, window: Window | None = None, profile: Profile = ISLET) -> Outcome:
    """The outcome of a day in UTC, or of a window."""
    over = window or day()
    return outcome(element(chosen, over, profile), over, profile)
