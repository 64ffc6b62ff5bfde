"""Why a reading or a stretch of time does not count."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

import numpy as np

from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import I64


class Reason(IntEnum):
    """The order is that of precedence: where two spans overlap, the time has the first one's reason."""

    WARM_UP = 0
    WARM_UP_ASSUMED = 1
    """The device is unknown, so the length of its warm-up is a guess."""
    CALIBRATION = 2
    SENSOR_ERROR = 3
    DEVICE_ARTEFACT = 4
    """Compression and the like, only if the device marked it."""
    NOT_A_NUMBER = 5
    IMPLAUSIBLE = 6
    UNKNOWN_UNIT = 7
    BAD_TIME = 8
    BAD_INTERVAL = 9
    OVERLAPPING_SENSOR = 10
    NEAR_DUPLICATE = 11
    NO_READING = 12

    @property
    def word(self) -> str:
        """As it stands in reports: `warm-up`."""
        return self.name.lower().replace("_", "-")


REASONS: Final = tuple(Reason)


@dataclass(frozen=True, slots=True)
class Span:
    """Time that does not count, from `start_millis` (included) to `end_millis` (not)."""

    start_millis: int
    end_millis: int
    reason: Reason

    def __post_init__(self) -> None:
        if self.end_millis < self.start_millis:
            raise OutcomeError("a span ends before it begins", "span")
        if self.reason > Reason.DEVICE_ARTEFACT:
            raise OutcomeError(f"{self.reason.word} is found in the readings, not given as a span", "span")


@dataclass(frozen=True, slots=True)
class Spans:
    """Disjoint spans in order of time, as arrays."""

    start: I64
    end: I64
    reason: I64

    def columns(self) -> tuple[I64, I64, I64]:
        """All arrays, in the order of the fields."""
        return self.start, self.end, self.reason

    def covering(self, millis: I64) -> I64:
        """For each time the reason of the span it lies in, or -1."""
        if not self.start.size:
            return np.full(millis.shape, -1, np.int64)
        place = np.searchsorted(self.start, millis, side="right") - 1
        inside = (place >= 0) & (millis < self.end[place])
        return np.where(inside, self.reason[place], -1)

    def within(self, start_millis: int, end_millis: int) -> "Spans":
        """What of them lies from `start_millis` to before `end_millis`."""
        start, end = np.maximum(self.start, start_millis), np.minimum(self.end, end_millis)
        some = end > start
        return Spans(start[some], end[some], self.reason[some])

    def moved(self, by: int) -> "Spans":
        """The same at other times."""
        return Spans(self.start + by, self.end + by, self.reason)

    def millis(self) -> I64:
        """How much time they take, by `Reason`."""
        found = np.zeros(len(Reason), np.int64)
        np.add.at(found, self.reason, self.end - self.start)
        return found


NO_SPANS: Final = Spans(*(np.empty(0, np.int64) for _ in range(3)))


def side_by_side(parts: Sequence[Spans], aside_millis: int) -> Spans:
    """Those of many patients on one line of time, the `n`-th moved by `n * aside_millis`; what reaches beyond a
    patient's own part of the line is cut."""
    if not any(each.start.size for each in parts):
        return NO_SPANS
    cut = [each.within(0, aside_millis).moved(place * aside_millis).columns() for place, each in enumerate(parts)]
    return Spans(*(np.concatenate(column) for column in zip(*cut, strict=True)))


def joined(parts: Sequence[Spans]) -> Spans:
    """Those of stretches that follow each other; what was cut at their edges is whole again."""
    some = [each.columns() for each in parts if each.start.size]
    if not some:
        return NO_SPANS
    start, end, reason = (np.concatenate(column) for column in zip(*some, strict=True))
    fresh = np.concatenate([[True], (start[1:] != end[:-1]) | (reason[1:] != reason[:-1])])
    last = np.append(fresh[1:], True)
    return Spans(start[fresh], end[last], reason[fresh])


def disjoint(spans: Iterable[Span]) -> Spans:
    """The same time, each moment once, with the reason that goes first."""
    given = [span for span in spans if span.end_millis > span.start_millis]
    if not given:
        return NO_SPANS
    cuts = sorted({edge for span in given for edge in (span.start_millis, span.end_millis)})
    pieces: list[list[int]] = []
    for start, end in pairwise(cuts):
        reasons = [span.reason for span in given if span.start_millis <= start and end <= span.end_millis]
        if not reasons:
            continue
        reason = int(min(reasons))
        if pieces and pieces[-1][1] == start and pieces[-1][2] == reason:
            pieces[-1][1] = end
        else:
            pieces.append([start, end, reason])
    table = np.array(pieces, np.int64)
    return Spans(table[:, 0], table[:, 1], table[:, 2])


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Minutes after a sensor's start whose readings do not count. `assumed`: the generation is unknown."""

    minutes: int
    assumed: bool = False

    def after(self, start_millis: int) -> Span:
        """The time excluded after a sensor's start."""
        reason = Reason.WARM_UP_ASSUMED if self.assumed else Reason.WARM_UP
        return Span(start_millis, start_millis + self.minutes * 60_000, reason)


_WARM_UP_MINUTES = {
    120: (
        "dexcom g4",
        "dexcom g5",
        "dexcom g6",
        "dexcom one",
        "guardian 3",
        "guardian 4",
        "enlite",
        "simplera",
        "medtrum",
    ),
    30: ("dexcom g7", "dexcom one+", "stelo"),
    60: (
        "dexcom g7 15 day",
        "libre 1",
        "libre 2",
        "libre 2 plus",
        "libre 3",
        "libre 3 plus",
        "accu-chek smartguide",
        "glupro",
    ),
    50: ("g6 anubis",),
    720: ("libre 10 day us",),
    1440: ("eversense", "eversense e3", "eversense 365"),
    45: ("glucomen day",),
}
_BY_GENERATION = {name: minutes for minutes, names in _WARM_UP_MINUTES.items() for name in names}
_UNKNOWN_MINUTES = 120


def warm_up(generation: str | None, reported_minutes: int | None = None) -> WarmUp:
    """The warm-up of a device generation: what the device reports goes first, then makers' figures; an unknown
    generation gets 120 minutes, marked as assumed."""
    if reported_minutes is not None:
        if reported_minutes < 0:
            raise OutcomeError("a warm-up cannot be negative", "warm-up")
        return WarmUp(reported_minutes)
    minutes = _BY_GENERATION.get((generation or "").strip().lower().replace("-day", " day"))
    return WarmUp(minutes) if minutes is not None else WarmUp(_UNKNOWN_MINUTES, assumed=True)
