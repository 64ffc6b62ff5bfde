"""Windows: which time a figure is about, in the patient's zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.zone import day_of, day_start


class WindowState(StrEnum):
    """Whether a window's figures may still change without a correction."""

    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Window:
    """From `start_millis` (included) to `end_millis` (not), UTC. Its length is real time: a local day may have 23 or 25
    hours."""

    start_millis: int
    end_millis: int
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self.end_millis <= self.start_millis:
            raise OutcomeError("a window must end after it begins", "window")

    @property
    def seconds(self) -> float:
        return (self.end_millis - self.start_millis) / 1000

    def state(self, now_millis: int, grace_millis: int = 0) -> WindowState:
        """Final once it has ended and `grace_millis` for late data have passed."""
        return WindowState.FINAL if now_millis >= self.end_millis + grace_millis else WindowState.PARTIAL

    def days(self) -> Iterator[date]:
        """The local days it touches."""
        day, last = day_of(self.start_millis, self.zone), day_of(self.end_millis - 1, self.zone)
        while day <= last:
            yield day
            day += timedelta(days=1)

    @property
    def day_count(self) -> int:
        """How many local days it touches."""
        return (day_of(self.end_millis - 1, self.zone) - day_of(self.start_millis, self.zone)).days + 1

    def by_day(self) -> list["Window"]:
        """The same time cut at local midnights."""
        cuts = [day_start(day, self.zone) for day in self.days()][1:]
        edges = [self.start_millis, *cuts, self.end_millis]
        return [Window(a, b, self.zone) for a, b in pairwise(edges) if b > a]


@lru_cache(maxsize=4096)
def days_ending(last: date, days: int, zone: ZoneInfo) -> Window:
    """The `days` local days up to and with `last`: a rolling window, moved by a day each day. One day: `days=1`."""
    if days < 1:
        raise OutcomeError("a window has at least one day", "window")
    first = last - timedelta(days=days - 1)
    return Window(day_start(first, zone), day_start(last + timedelta(days=1), zone), zone)


def fixed_period(day: date, days: int, zone: ZoneInfo, anchor: date = date(1970, 1, 5)) -> Window:
    """The period of `days` local days, counted from `anchor` (a Monday), that holds `day`: windows side by side."""
    if days < 1:
        raise OutcomeError("a window has at least one day", "window")
    first = anchor + timedelta(days=(day - anchor).days // days * days)
    return days_ending(first + timedelta(days=days - 1), days, zone)
