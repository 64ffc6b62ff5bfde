"""Events, worked out by hand: minutes of lows and highs, gaps, nights, edges of windows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from clinical.outcomes import (
    ISLET,
    Ended,
    Events,
    Kind,
    OutcomeError,
    Profile,
    Slots,
    Window,
    day_elements,
    days_ending,
    element,
    events,
    merged,
    outcome,
    readings,
    slots,
)
from clinical.outcomes.episodes import nights
from clinical.outcomes.runs import runs_of
from tests.unit.clinical.outcomes.support import (
    DAY,
    DUBLIN,
    HOUR,
    MINUTE,
    MONDAY,
    UTC_ZONE,
    at,
    day,
    every_five,
    result,
    slots_of,
    together,
)


def found(values: Sequence[int], kind: Kind = Kind.HYPO_1, profile: Profile = ISLET, minutes: int = 5) -> Events:
    return events(runs_of(slots_of(values, minutes=minutes), profile), kind, profile)


def told(each: Events) -> list[tuple[int, int, Ended]]:
    """Start and end in minutes after midnight, and how it ended."""
    columns = (each.start_millis.tolist(), each.end_millis.tolist(), each.ended.tolist())
    return [((a - MONDAY) // MINUTE, (b - MONDAY) // MINUTE, Ended(c)) for a, b, c in zip(*columns, strict=True)]


def with_pause(before: Sequence[int], minutes: int, after: Sequence[int]) -> Slots:
    """Readings every five minutes, and `minutes` between the last of one part and the first of the next."""
    start = MONDAY + (len(before) - 1) * 5 * MINUTE + minutes * MINUTE
    return slots(together(every_five(before), every_five(after, start=start)))


@pytest.mark.parametrize(("low", "count"), [(2, 0), (3, 1)])
def test_an_event_takes_15_minutes_below(low: int, count: int) -> None:
    assert len(found([100] * 3 + [69] * low + [100] * 3)) == count


@pytest.mark.parametrize(("minutes", "low", "count"), [(15, 1, 1), (1, 14, 0), (1, 15, 1), (3, 4, 0), (3, 5, 1)])
def test_15_minutes_are_counted_in_whole_intervals_of_the_sensor(minutes: int, low: int, count: int) -> None:
    assert len(found([100] * 20 + [60] * low + [100] * 20, minutes=minutes)) == count


def test_an_event_lasts_from_its_first_low_to_the_first_reading_of_recovery() -> None:
    assert told(found([100] * 3 + [60] * 4 + [100] * 3)) == [(15, 35, Ended.RECOVERED)]


def test_less_than_15_minutes_back_do_not_end_an_event() -> None:
    assert told(found([60] * 3 + [100] * 2 + [60] + [100] * 3)) == [(0, 30, Ended.RECOVERED)]


def test_70_is_recovery_and_54_is_level_1() -> None:
    assert told(found([69] * 3 + [70] * 3)) == [(0, 15, Ended.RECOVERED)]
    assert told(found([53] * 3 + [54] * 3, Kind.HYPO_2)) == [(0, 15, Ended.RECOVERED)]


def test_jitter_of_the_clock_loses_no_event() -> None:
    times = MONDAY + np.array([0, 280, 590, 880, 1190, 1480]) * 1000
    chosen = slots(readings(times, [60, 60, 60, 100, 100, 100]))
    assert len(events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET)) == 1


def test_a_level_2_event_ends_above_54_or_in_range_as_chosen() -> None:
    values = [50] * 3 + [60] * 4 + [50] * 3 + [100] * 3
    assert len(found(values, Kind.HYPO_2)) == 2
    in_range = replace(ISLET, level2_ends_in_range=True)
    assert told(found(values, Kind.HYPO_2, in_range)) == [(0, 50, Ended.RECOVERED)]


def test_level_1_events_without_level_2_are_told_apart() -> None:
    done = result(slots_of([60] * 3 + [100] * 3 + [60] * 3 + [50] * 3 + [100] * 3))
    assert len(done.events[Kind.HYPO_1]) == 2
    assert done.hypo_1_exclusive == 1


@pytest.mark.parametrize(("low", "from_120", "over_120"), [(23, 0, 0), (24, 1, 0), (25, 1, 1)])
def test_prolonged_is_120_minutes_or_more_than_that(low: int, from_120: int, over_120: int) -> None:
    values = [60] * low + [100] * 3
    assert len(found(values, Kind.HYPO_PROLONGED)) == from_120
    assert len(found(values, Kind.HYPO_PROLONGED, replace(ISLET, prolonged_strictly=True))) == over_120


@pytest.mark.parametrize(("kind", "steps"), [(Kind.HYPER_1, 181), (Kind.HYPER_2, 251)])
def test_hyperglycaemia_mirrors_it(kind: Kind, steps: int) -> None:
    assert told(found([100] * 3 + [steps] * 3 + [180] * 3, kind)) == [(15, 30, Ended.RECOVERED)]
    assert told(found([100] * 3 + [steps - 1] * 3 + [100] * 3, kind)) == []


def test_extended_hyperglycaemia_is_90_of_120_minutes_above_250_until_180() -> None:
    values = [260] * 9 + [240] * 6 + [260] * 9 + [200] * 5 + [170] * 3
    assert told(found(values, Kind.HYPER_EXTENDED)) == [(0, 145, Ended.RECOVERED)]
    assert told(found([260] * 9 + [240] * 7 + [260] * 8 + [170] * 3, Kind.HYPER_EXTENDED)) == []


def test_mmol_l_has_its_own_thresholds() -> None:
    chosen = slots_of([38] * 3 + [39] * 3, unit=1)
    assert told(events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET)) == [(0, 15, Ended.RECOVERED)]


def test_a_short_gap_is_filled_for_events_and_for_nothing_else() -> None:
    chosen = with_pause([60], 30, [60] + [100] * 3)
    assert told(events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET)) == [(0, 35, Ended.RECOVERED)]
    done = result(chosen)
    assert done.readings == 5
    assert done.shares is not None
    assert done.shares.total_seconds == 5 * 300
    assert int(runs_of(chosen, ISLET).filled_seconds.sum()) == 5 * 300


def test_a_long_gap_truncates_at_the_end_of_cover_and_a_new_event_must_qualify_again() -> None:
    chosen = with_pause([60] * 3, 35, [60] * 2 + [100] * 3)
    assert told(events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET)) == [(0, 15, Ended.TRUNCATED)]


def test_the_line_through_a_gap_meets_a_threshold_exactly() -> None:
    # 72 to 68 over four intervals: 71, 70, 69; only the last is below 70.
    runs = runs_of(with_pause([72], 20, [68]), ISLET)
    assert runs.band.tolist() == [2, 1]
    assert runs.seconds.tolist() == [3 * 300, 2 * 300]
    assert runs.start_millis.tolist() == [MONDAY, MONDAY + 15 * MINUTE]


def test_between_180_and_181_lies_nothing_in_range() -> None:
    runs = runs_of(with_pause([180], 10, [181]), ISLET)
    assert runs.band.tolist() == [2, 3]
    assert runs.seconds.tolist() == [300, 600]


def test_nothing_is_interpolated_between_values_of_two_units() -> None:
    second = every_five([33] * 3, start=MONDAY + 30 * MINUTE, unit=1)
    chosen = slots(together(every_five([60] * 3), second))
    assert [end for _, _, end in told(events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET))] == [
        Ended.TRUNCATED,
        Ended.OPEN,
    ]


def test_a_unit_switch_without_a_gap_continues_an_event() -> None:
    chosen = slots(together(every_five([60] * 2), every_five([33, 100, 100, 100], start=MONDAY + 10 * MINUTE, unit=1)))
    assert told(events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET)) == [(0, 15, Ended.RECOVERED)]


def test_an_event_at_the_end_of_the_readings_is_open() -> None:
    assert told(found([60] * 4)) == [(0, 20, Ended.OPEN)]


def test_an_event_over_midnight_is_one_event_of_both_days() -> None:
    chosen = slots_of([60] * 6 + [100] * 3, start=MONDAY + DAY - 15 * MINUTE)
    both = Window(MONDAY, MONDAY + 2 * DAY, UTC_ZONE)
    first, second = day_elements(chosen, both, ISLET)
    whole = outcome(merged([first, second], ISLET), both, ISLET)
    assert told(whole.events[Kind.HYPO_1]) == [(1425, 1455, Ended.RECOVERED)]


def test_what_was_going_on_when_a_window_began_is_told() -> None:
    chosen = slots_of([60] * 6 + [100] * 3, start=MONDAY - 15 * MINUTE)
    before, today = element(chosen, day(MONDAY - DAY), ISLET), element(chosen, day(), ISLET)
    done = outcome(today, day(), ISLET, before=before)
    assert told(done.events[Kind.HYPO_1]) == [(0, 15, Ended.RECOVERED)]
    assert done.ongoing_at_start == {Kind.HYPO_1}
    assert outcome(today, day(), ISLET).ongoing_at_start == frozenset()


def test_the_two_hours_of_one_low_in_autumn_are_two_hours() -> None:
    start = at("2024-10-27T00:00")  # 01:00 in Dublin; at 01:00 UTC the clocks go back to 01:00
    chosen = slots_of([60] * 24 + [100] * 3, start=start)
    window = days_ending(date(2024, 10, 27), 1, DUBLIN)
    low = result(chosen, window).events[Kind.HYPO_1]
    assert low.minutes == 120
    assert len(result(chosen, window).events[Kind.HYPO_PROLONGED]) == 1


@pytest.mark.parametrize(
    ("start", "in_night", "in_other_night", "overlaps"),
    [
        ("05:55", True, True, True),
        ("06:00", False, True, False),
        ("23:30", False, True, True),
        ("12:00", False, False, False),
    ],
)
def test_night_is_by_the_patients_clock(start: str, in_night: bool, in_other_night: bool, overlaps: bool) -> None:
    # Dublin is an hour ahead of UTC in June.
    chosen = slots_of([60] * 9 + [100] * 3, start=at(f"2024-06-03T{start}") - HOUR)
    low = events(runs_of(chosen, ISLET), Kind.HYPO_1, ISLET)
    pregnancy = replace(ISLET, night_start_minute=23 * 60, night_end_minute=7 * 60)
    begins, touches = nights(low, DUBLIN, ISLET)
    assert (begins.tolist(), touches.tolist()) == ([in_night], [overlaps])
    assert nights(low, DUBLIN, pregnancy)[0].tolist() == [in_other_night]


def test_a_profile_that_cannot_be_is_refused() -> None:
    with pytest.raises(OutcomeError, match="`event_seconds` must be positive; night"):
        Profile(event_seconds=0, night_start_minute=1440)


def test_every_choice_of_a_profile_is_in_its_digest() -> None:
    others = (
        replace(ISLET, short_gap_seconds=2700),
        replace(ISLET, level2_ends_in_range=True),
        replace(ISLET, name="x"),
    )
    assert len({ISLET.digest, *(each.digest for each in others)}) == 4
    assert Profile().digest == ISLET.digest
