"""Outcomes once more, slowly: one slot after the other, in fractions, written from the definitions and not from the
code."""

from fractions import Fraction
from typing import NamedTuple

from clinical.outcomes import Kind, Profile, Slots


class Point(NamedTuple):
    """A slot of the filled time line: its value in steps (a fraction where interpolated) and its unit."""

    millis: int
    steps: Fraction
    unit: int
    interval_seconds: int
    after_break: bool


def time_line(slots: Slots, profile: Profile) -> list[Point]:
    """Every slot that counts, short gaps filled."""
    kept = slots.kept()
    points: list[Point] = []
    for millis, level, interval in zip(
        kept.millis.tolist(), kept.level.tolist(), kept.interval_seconds.tolist(), strict=True
    ):
        unit, steps = divmod(level, 1024)
        after_break = True
        if points:
            last = points[-1]
            pause = Fraction(millis - last.millis, last.interval_seconds * 1000)
            intervals = 1 if pause <= Fraction(3, 2) else -(-(2 * pause - 1) // 2)
            too_long = intervals * last.interval_seconds > profile.short_gap_seconds or unit != last.unit
            after_break = intervals > 1 and too_long
            for number in range(1, 1 if after_break else int(intervals)):
                part = Fraction(number, int(intervals))
                at = last.millis + (millis - last.millis) * number // int(intervals)
                between = last.steps + (steps - last.steps) * part
                points.append(Point(at, between, unit, last.interval_seconds, False))
        points.append(Point(millis, Fraction(steps), unit, interval, after_break))
    return points


def happened(points: list[Point], kind: Kind, profile: Profile) -> list[tuple[int, int, str]]:
    """(start, end, how it ended) of each event; not for extended hyperglycaemia."""
    found: list[tuple[int, int, str]] = []
    start: int | None = None
    run: list[Point] = []  # without interruption in the band, or out of it
    inside = False
    for place, point in enumerate(points):
        here = _in_band(point, kind, profile)
        if point.after_break and place:
            if start is not None:
                found.append((start, _cover_end(points[place - 1]), "TRUNCATED"))
            start, run = None, []
        if run and here is not inside:
            run = []
        inside = here
        run.append(point)
        length = sum(each.interval_seconds for each in run)
        if start is None and here and length >= _least(kind, profile):
            start = run[0].millis
        elif start is not None and not here and length >= profile.recovery_seconds:
            found.append((start, run[0].millis, "RECOVERED"))
            start = None
    if start is not None:
        found.append((start, _cover_end(points[-1]), "OPEN"))
    return found


def _least(kind: Kind, profile: Profile) -> int:
    return profile.prolonged_seconds if kind is Kind.HYPO_PROLONGED else profile.event_seconds


def _cover_end(point: Point) -> int:
    return point.millis + point.interval_seconds * 1000


def _in_band(point: Point, kind: Kind, profile: Profile) -> bool:
    limits = profile.targets.by_unit[point.unit]
    if kind in (Kind.HYPO_1, Kind.HYPO_PROLONGED):
        return point.steps < limits.low
    if kind is Kind.HYPO_2:
        return point.steps < limits.very_low
    if kind is Kind.HYPER_1:
        return point.steps > limits.high
    return point.steps > limits.very_high


def extended(points: list[Point]) -> int:
    """How many extended hyperglycaemic events (mg/dL, adult): counted minute by minute of nominal time."""
    events, start, calm = 0, False, 0
    last_high: list[bool] = []
    for place, point in enumerate(points):
        if point.after_break and place:
            start, calm, last_high = False, 0, []
        high = point.steps > 250
        last_high = [*last_high, *[high] * (point.interval_seconds // 60)][-120:]
        calm = calm + point.interval_seconds if point.steps <= 180 else 0
        if calm >= 900:
            start, last_high = False, []
        if not start and high and sum(last_high) >= 90:
            events, start = events + 1, True
    return events
