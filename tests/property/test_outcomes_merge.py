"""Outcomes of days merge into those of any window, bit for bit; and neither order nor the way of cutting shows."""

import random
from dataclasses import fields
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clinical.outcomes import (
    CONTEXT_MILLIS,
    ISLET,
    Element,
    Kind,
    Outcome,
    Readings,
    Reason,
    Slots,
    Span,
    Window,
    affected_days,
    day_elements,
    days_ending,
    decode,
    disjoint,
    element,
    encode,
    events,
    merged,
    outcome,
    outcomes,
    readings,
    rolling_elements,
    slots,
)
from clinical.outcomes.reasons import Spans
from clinical.outcomes.runs import runs_of
from clinical.outcomes.zone import day_start
from tests.examples import some
from tests.unit.clinical.outcomes import oracle

MINUTE = 60_000
LAST_DAYS = {
    ZoneInfo("Europe/Dublin"): (date(2024, 3, 31), date(2024, 10, 27), date(2024, 6, 2)),
    ZoneInfo("America/Havana"): (date(2024, 3, 10), date(2024, 11, 3)),
    ZoneInfo("Asia/Kolkata"): (date(2024, 2, 5),),
}
DAYS = 3


@st.composite
def windows(draw: st.DrawFn) -> Window:
    zone = draw(st.sampled_from(list(LAST_DAYS)))
    return days_ending(draw(st.sampled_from(LAST_DAYS[zone])) + timedelta(days=1), DAYS, zone)


@st.composite
def feeds(draw: st.DrawFn) -> tuple[Readings, Window]:
    """Some stretches of readings: around midnights, low and high, with jitter, gaps, duplicates, two sensors, two
    units, and values that cannot be."""
    window = draw(windows())
    seed = random.Random(draw(st.integers(0, 2**32)))
    rows: list[tuple[int, int, int, int, int, int, int]] = []
    midnights = [day_start(day, window.zone) for day in window.days()]
    for _ in range(draw(st.integers(1, 4))):
        minutes = seed.choice((1, 5, 5, 5, 15))
        start = seed.choice(midnights) + seed.randint(-200, 200) * MINUTE
        unit, stream, rank = seed.choice((0, 0, 0, 1)), seed.randint(0, 1), seed.randint(0, 2)
        value, clock = seed.choice((52, 60, 68, 72, 178, 184, 248, 262)), start
        for _ in range(draw(st.integers(1, 40))):
            steps = value if unit == 0 else round(value / 1.8)
            bad = seed.random() < 0.03
            jitter = seed.randint(-40_000, 40_000) if seed.random() < 0.5 else 0
            detection = seed.choice((0, 0, 0, 0, 0, 0, -1, 1))
            rows.append((clock + jitter, -5 if bad else steps, unit, minutes * 60, detection, stream, rank))
            if seed.random() < 0.1:
                rows.append((clock + jitter + seed.randint(0, 90_000), steps + 1, unit, minutes * 60, 0, stream, rank))
            value += seed.randint(-6, 6)
            clock += minutes * MINUTE * seed.choice((1, 1, 1, 1, 1, 1, 1, 2, 3, 6, 7, 9))
    return _readings(rows), window


def _readings(rows: list[tuple[int, int, int, int, int, int, int]]) -> Readings:
    millis, steps, unit, interval, detection, stream, rank = np.array(rows, np.int64).T
    return readings(millis, steps, unit, interval, detection=detection, stream=stream, rank=rank)


@st.composite
def exclusions(draw: st.DrawFn, window: Window) -> Spans:
    found = []
    for reason in draw(st.lists(st.sampled_from(list(Reason)[:5]), max_size=2)):
        start = window.start_millis + draw(st.integers(0, DAYS * 1440)) * MINUTE
        found.append(Span(start, start + draw(st.integers(1, 200)) * MINUTE, reason))
    return disjoint(found)


@given(feeds(), st.data())
@settings(max_examples=some(60), deadline=None)
def test_merged_days_are_the_whole_window(feed: tuple[Readings, Window], data: st.DataObject) -> None:
    rows, window = feed
    spans = data.draw(exclusions(window))
    chosen = slots(rows, spans)
    whole = element(chosen, window, ISLET, spans)
    assert merged(day_elements(chosen, window, ISLET, spans), ISLET).digest == whole.digest


@given(feeds(), st.data())
@settings(max_examples=some(30), deadline=None)
def test_windows_that_end_together_are_each_what_they_are_alone(
    feed: tuple[Readings, Window], data: st.DataObject
) -> None:
    rows, window = feed
    spans = data.draw(exclusions(window))
    chosen, dates = slots(rows, spans), list(window.days())
    days = dict(zip(dates, day_elements(chosen, window, ISLET, spans), strict=True))
    over = {count: days_ending(dates[-1], count, window.zone) for count in (1, 2, DAYS)}
    rolling = rolling_elements(days, dates[-1], over, ISLET)
    together = outcomes([(rolling[count], over[count]) for count in over], ISLET)
    for count, found in zip(over, together, strict=True):
        alone = outcome(element(chosen, over[count], ISLET, spans), over[count], ISLET)
        assert rolling[count].digest == alone.element_digest
        assert _told(found) == _told(alone)


def _told(found: Outcome) -> list[object]:
    """All that an outcome says, to compare."""
    plain = [getattr(found, each.name) for each in fields(found) if each.name != "events"]
    return [*plain, [[getattr(e, f.name).tolist() for f in fields(e)[1:]] for e in found.events.values()]]


@given(feeds(), st.data())
@settings(max_examples=some(50), deadline=None)
def test_a_window_can_be_cut_anywhere_and_merged_in_any_grouping(
    feed: tuple[Readings, Window], data: st.DataObject
) -> None:
    rows, window = feed
    spans = data.draw(exclusions(window))
    chosen = slots(rows, spans)
    inner = st.sampled_from([*range(window.start_millis + 1, window.end_millis, 7 * MINUTE), *_near(chosen, window)])
    cuts = sorted(data.draw(st.sets(inner, max_size=5)))
    edges = [window.start_millis, *cuts, window.end_millis]
    parts = [element(chosen, Window(a, b, window.zone), ISLET, spans) for a, b in pairwise(edges)]
    assert _grouped(parts, data).digest == element(chosen, window, ISLET, spans).digest


def _near(chosen: Slots, window: Window) -> list[int]:
    """Instants at slots: where a cut hurts most."""
    return [t + 1 for t in chosen.millis.tolist() if window.start_millis < t + 1 < window.end_millis]


def _grouped(parts: list[Element], data: st.DataObject) -> Element:
    while len(parts) > 1:
        place = data.draw(st.integers(0, len(parts) - 2))
        parts = [*parts[:place], merged(parts[place : place + 2], ISLET), *parts[place + 2 :]]
    return parts[0]


@given(feeds(), st.randoms(use_true_random=False))
@settings(max_examples=some(40), deadline=None)
def test_the_order_of_readings_does_not_matter(feed: tuple[Readings, Window], shuffle: random.Random) -> None:
    rows, window = feed
    order = list(range(rows.millis.size))
    shuffle.shuffle(order)
    one, other = slots(rows), slots(rows.part(np.array(order)))
    assert element(one, window, ISLET).digest == element(other, window, ISLET).digest


@given(feeds(), st.data())
@settings(max_examples=some(50), deadline=None)
def test_late_data_recomputes_only_its_days_and_gives_what_a_full_run_gives(
    feed: tuple[Readings, Window], data: st.DataObject
) -> None:
    rows, window = feed
    late = np.array(data.draw(st.lists(st.booleans(), min_size=rows.millis.size, max_size=rows.millis.size)))
    known = slots(rows.part(~late))
    days = dict(zip(window.days(), day_elements(known, window, ISLET), strict=True))
    for day in affected_days(rows.millis[late].tolist(), window.zone):
        if day in days:
            days[day] = _anew(rows, days_ending(day, 1, window.zone))
    assert merged(list(days.values()), ISLET).digest == element(slots(rows), window, ISLET).digest


def _anew(rows: Readings, day: Window) -> Element:
    near = (rows.millis >= day.start_millis - CONTEXT_MILLIS) & (rows.millis < day.end_millis + CONTEXT_MILLIS)
    return element(slots(rows.part(near)), day, ISLET)


@given(feeds(), st.data())
@settings(max_examples=some(50), deadline=None)
def test_shares_sum_to_100_and_every_millisecond_has_a_reason(
    feed: tuple[Readings, Window], data: st.DataObject
) -> None:
    rows, window = feed
    spans = data.draw(exclusions(window))
    now = data.draw(st.none() | st.integers(window.start_millis + 1, window.end_millis))
    found = outcome(element(slots(rows, spans), window, ISLET, spans), window, ISLET, as_of_millis=now)
    account = found.accounting
    assert account.covered_millis + sum(account.excluded_millis.values()) == account.window_millis
    assert (now or window.end_millis) - window.start_millis <= account.window_millis
    assert found.active_percent_after_warm_up is None or 0 <= found.active_percent_after_warm_up <= 100
    assert account.covered_millis >= 0
    assert all(lost >= 0 for lost in account.excluded_millis.values())
    if found.shares is None:
        assert found.readings == 0
        return
    assert sum(found.shares.seconds) == found.shares.total_seconds
    share = found.shares
    assert abs(share.very_low + share.low + share.in_range + share.high + share.very_high - 100) < 1e-9
    assert abs(share.below + share.in_range + share.above - 100) < 1e-9
    assert share.tight <= share.in_range


@given(feeds())
@settings(max_examples=some(60), deadline=None)
def test_events_are_those_of_a_plain_reading_of_the_definition(feed: tuple[Readings, Window]) -> None:
    chosen = slots(feed[0])
    points = oracle.time_line(chosen, ISLET)
    runs = runs_of(chosen, ISLET)
    for kind in Kind:
        if kind is Kind.HYPER_EXTENDED:
            continue
        found = events(runs, kind, ISLET)
        ended = [("RECOVERED", "TRUNCATED", "OPEN")[code] for code in found.ended.tolist()]
        got = list(zip(found.start_millis.tolist(), found.end_millis.tolist(), ended, strict=True))
        assert got == oracle.happened(points, kind, ISLET), kind


@given(st.lists(st.tuples(st.sampled_from((150, 200, 240, 260, 300)), st.integers(1, 30)), min_size=1, max_size=20))
@example([(260, 1), (150, 3), (260, 18)])
@example([(260, 9), (150, 3), (260, 9)])
@settings(max_examples=some(60), deadline=None)
def test_extended_hyperglycaemia_is_found_where_a_plain_count_finds_it(stretches: list[tuple[int, int]]) -> None:
    values = [value for value, length in stretches for _ in range(length)]
    chosen = slots(readings(1_707_091_200_000 + np.arange(len(values)) * 300_000, values))
    found = events(runs_of(chosen, ISLET), Kind.HYPER_EXTENDED, ISLET)
    assert len(found) == oracle.extended(oracle.time_line(chosen, ISLET))


@given(feeds())
@settings(max_examples=some(60), deadline=None)
def test_a_stored_element_is_the_same_again(feed: tuple[Readings, Window]) -> None:
    rows, window = feed
    first, *rest = day_elements(slots(rows), window, ISLET)
    stored = decode(encode(first))
    assert stored.digest == first.digest
    assert merged([stored, *rest], ISLET).digest == merged([first, *rest], ISLET).digest
