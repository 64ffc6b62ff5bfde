"""An outcome: all figures of one window of one patient, with what they rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

import numpy as np

from clinical.outcomes.cleaning import KEPT
from clinical.outcomes.elements import Element, Item, intervals_of, levels_in, merged
from clinical.outcomes.episodes import Events, Kind, events, events_of_each, exclusive, nights
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.figures import QUANTILES, Figures, Shares, figures, shares
from clinical.outcomes.profile import VERSION, Profile
from clinical.outcomes.reasons import REASONS, Reason
from clinical.outcomes.tally import Tallies, Tally, tallies
from clinical.outcomes.windows import Window

SUFFICIENT_DAYS: Final = 14
SUFFICIENT_TENTHS: Final = 7
"""Data suffice with at least 70 % of at least 14 days (international consensus, Battelino 2019)."""

CENSORED_NOTICE_PERCENT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Accounting:
    """Where the window's real time went, in milliseconds: covered by readings that count, or not, by `Reason`. The
    parts sum to the window. `dropped_readings` counts readings, of which some (duplicates, say) cost no time."""

    window_millis: int
    covered_millis: int
    excluded_millis: Mapping[Reason, int]
    dropped_readings: Mapping[Reason, int]

    @property
    def covered_percent(self) -> float:
        """Share of real time covered."""
        return 100 * self.covered_millis / self.window_millis


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The figures of a window. `shares` and `figures` are None without readings: no data is no number.

    `active_percent`: measured nominal time in the window's time (warm-up counts as not active), at most 100;
    `active_percent_after_warm_up` leaves warm-up out of the denominator. `sufficient`: at least 70 % of at least 14
    days; only then are `goals` judged. `censored_percent`: measured time outside the sensor's range; above 1 % mean,
    SD, CV and GMI are bounds rather than values. `ongoing_at_start`: kinds of event that were running when the window
    began, as far as the day before was given. `mixed_units`: two units were converted for averages and percentiles.
    """

    window: Window
    version: str
    profile: Profile
    element_digest: str
    readings: int
    days_of_wear: int
    active_percent: float
    active_percent_after_warm_up: float | None
    sufficient: bool
    censored_percent: float | None
    mixed_units: bool
    accounting: Accounting
    shares: Shares | None
    figures: Figures | None
    events: Mapping[Kind, Events]
    hypo_1_exclusive: int
    hypo_night_starts: int
    hypo_night_overlaps: int
    ongoing_at_start: frozenset[Kind]
    goals: Mapping[str, bool]

    @property
    def bounded(self) -> bool:
        """So much lies outside the sensor's range that averages are only bounds."""
        return self.censored_percent is not None and self.censored_percent > CENSORED_NOTICE_PERCENT


def outcome(
    found: Element,
    window: Window,
    profile: Profile,
    *,
    before: Element | None = None,
    as_of_millis: int | None = None,
) -> Outcome:
    """The outcome of a window from its element (merged from days, or made at once: the same).

    `before`: the element of the day before, to tell what was going on at the start. `as_of_millis`: for a window that
    has not ended, up to when its time counts; a reading from later extends it. Raises `OutcomeError` (`elements`) for
    an element of another window or method.
    """
    (only,) = outcomes([(found, window)], profile, [as_of_millis])
    return only if before is None else replace(only, ongoing_at_start=_ongoing(found, profile, before))


def outcomes(
    windows: Sequence[tuple[Element, Window]], profile: Profile, as_of_millis: Sequence[int | None] | None = None
) -> list[Outcome]:
    """The outcomes of several windows, each as `outcome` gives it; they may overlap, or be of different patients.
    Events of all are found together."""
    if not windows:
        return []
    for found, window in windows:
        _check(found, window, profile)
    happened = events_of_each([found.runs for found, _ in windows], profile)
    counted = _tallies([found for found, _ in windows])
    quantiles = counted.quantiles(QUANTILES).tolist()
    rows = zip(windows, counted.each(profile.targets), quantiles, happened, strict=True)
    until = as_of_millis or [None] * len(windows)
    return [_outcome(*row, profile, moment) for row, moment in zip(rows, until, strict=True)]


def _tallies(many: Sequence[Element]) -> Tallies:
    """Of each its readings' tally."""
    cells = np.concatenate([each.cells for each in many])
    outermost = [cell for each in many if each.cells.size for cell in (each.cells[0], each.cells[-1])]
    outer = intervals_of(np.array(outermost, np.int64))
    alike = outer.size > 0 and outer.min() == outer.max()
    intervals = outer[:1] if alike else intervals_of(cells)
    return tallies(intervals, levels_in(cells), [0, *accumulate([each.cells.size for each in many])])


def _outcome(
    of: tuple[Element, Window],
    count: Tally,
    quantiles: Sequence[float],
    happened: Mapping[Kind, Events],
    profile: Profile,
    as_of_millis: int | None,
) -> Outcome:
    found, window = of
    end = _counted_until(found, window, as_of_millis)
    if end <= window.start_millis:
        raise OutcomeError("the window has not begun", "window")
    share = shares(count)
    length = end - window.start_millis
    measured = min(count.total_seconds * 1000, length)
    time = accounting(found, end)
    wearable = length - sum(time.excluded_millis.get(reason, 0) for reason in (Reason.WARM_UP, Reason.WARM_UP_ASSUMED))
    hypo = happened[Kind.HYPO_1]
    in_night, touching_night = nights(hypo, window.zone, profile)
    sufficient = measured * 10 >= length * SUFFICIENT_TENTHS and window.day_count >= SUFFICIENT_DAYS
    return Outcome(
        window=window,
        version=VERSION,
        profile=profile,
        element_digest=found.digest,
        readings=count.n,
        days_of_wear=int(found.days.size),
        active_percent=100 * measured / length,
        active_percent_after_warm_up=100 * min(measured, wearable) / wearable if wearable > 0 else None,
        sufficient=sufficient,
        censored_percent=100 * found.censored_seconds / count.total_seconds if count.n else None,
        mixed_units=all(count.unit_seconds),
        accounting=time,
        shares=share,
        figures=figures(count, share, quantiles) if share else None,
        events=happened,
        hypo_1_exclusive=len(exclusive(hypo, happened[Kind.HYPO_2])),
        hypo_night_starts=int(np.count_nonzero(in_night)),
        hypo_night_overlaps=int(np.count_nonzero(touching_night)),
        ongoing_at_start=frozenset(),
        goals=_judged(share, profile) if share and sufficient else {},
    )


def _counted_until(found: Element, window: Window, as_of_millis: int | None) -> int:
    """Where the counted time ends. A reading that says it is from later than `as_of_millis` (a clock that is ahead)
    moves it to where that reading's time ends."""
    end = window.end_millis if as_of_millis is None else min(window.end_millis, as_of_millis)
    item = found.last_item
    if item is not None and item.millis >= end > window.start_millis:
        end = min(window.end_millis, item.millis + item.cover_millis)
    return end


def _lost_until(found: Element, end_millis: int) -> list[int]:
    """Lost time without that of exclusions which lie behind `end_millis` (a warm-up that is not over, say)."""
    lost = found.lost_millis
    if found.spans.start.size:
        lost = lost - found.spans.within(end_millis, found.end_millis).millis()
    millis: list[int] = lost.tolist()
    return millis


def _check(found: Element, window: Window, profile: Profile) -> None:
    if (found.start_millis, found.end_millis, found.zone) != (window.start_millis, window.end_millis, window.zone.key):
        raise OutcomeError("the element is of another window", "elements")
    if found.method != profile.digest:
        raise OutcomeError("the element was made by another method; make it anew", "elements")


def accounting(found: Element, end_millis: int) -> Accounting:
    """Where the time from an element's start to `end_millis` went."""
    covered, lost = found.covered_millis, _lost_until(found, end_millis)
    item: Item | None = found.last_item
    if item is not None:
        over = max(0, item.millis + item.cover_millis - end_millis)
        if item.account == KEPT:
            covered -= over
        else:
            lost[item.account] -= over
    length = end_millis - found.start_millis
    lost[Reason.NO_READING] = length - covered - sum(lost)
    return Accounting(
        window_millis=length,
        covered_millis=covered,
        excluded_millis={reason: millis for reason, millis in zip(REASONS, lost, strict=True) if millis},
        dropped_readings={reason: n for reason, n in zip(REASONS, found.dropped.tolist(), strict=True) if n},
    )


def _ongoing(found: Element, profile: Profile, before: Element | None) -> frozenset[Kind]:
    if before is None:
        return frozenset()
    runs = merged([before, found], profile).runs
    start = found.start_millis
    running = set()
    for kind in Kind:
        each = events(runs, kind, profile)
        if np.any((each.start_millis < start) & (each.end_millis > start)):
            running.add(kind)
    return frozenset(running)


def _judged(share: Shares, profile: Profile) -> dict[str, bool]:
    return {goal.measure: goal.met(getattr(share, goal.measure)) for goal in profile.targets.goals}
