"""What counts and what does not: bad values, duplicates, two sensors, exclusions; each with its reason."""

import numpy as np
import pytest

from clinical.outcomes import (
    ISLET,
    Outcome,
    OutcomeError,
    Readings,
    Reason,
    Slots,
    Span,
    disjoint,
    element,
    outcome,
    readings,
    slots,
    steps_from,
    warm_up,
)
from clinical.outcomes.cleaning import NO_VALUE
from tests.unit.clinical.outcomes.support import DAY, HOUR, MINUTE, MONDAY, day, every_five, result, together


def dropped(chosen: Slots) -> dict[Reason, int]:
    return {Reason(reason): count for reason, count in enumerate(chosen.drops.counts().tolist()) if count}


def steps(chosen: Slots) -> list[int]:
    found: list[int] = (chosen.kept().level % 1024).tolist()
    return found


def excluding(given: Readings, *spans: Span) -> Outcome:
    apart = disjoint(spans)
    return outcome(element(slots(given, apart), day(), ISLET, apart), day(), ISLET)


@pytest.mark.parametrize(
    ("value", "unit", "reason"),
    [
        (NO_VALUE, 0, Reason.NOT_A_NUMBER),
        (-40, 0, Reason.IMPLAUSIBLE),
        (0, 0, Reason.IMPLAUSIBLE),
        (9, 0, Reason.IMPLAUSIBLE),
        (1001, 0, Reason.IMPLAUSIBLE),
        (10**12, 0, Reason.IMPLAUSIBLE),
        (4, 1, Reason.IMPLAUSIBLE),
        (557, 1, Reason.IMPLAUSIBLE),
        (100, 2, Reason.UNKNOWN_UNIT),
        (100, -1, Reason.UNKNOWN_UNIT),
    ],
)
def test_a_value_that_cannot_be_is_no_reading_and_its_time_has_a_reason(value: int, unit: int, reason: Reason) -> None:
    given = readings(MONDAY + np.arange(3) * 5 * MINUTE, [100, value, 100], [0, unit, 0])
    found = result(slots(given))
    assert found.readings == 2
    assert found.accounting.dropped_readings == {reason: 1}
    assert found.accounting.excluded_millis == {reason: 5 * MINUTE, Reason.NO_READING: DAY - 15 * MINUTE}


@pytest.mark.parametrize(("value", "unit"), [(10, 0), (1000, 0), (5, 1), (556, 1)])
def test_values_at_the_ends_of_the_plausible_count(value: int, unit: int) -> None:
    assert result(slots(readings([MONDAY], [value], unit))).readings == 1


def test_text_numbers_become_steps() -> None:
    assert steps_from([99.5, 99.4, -1], 0).tolist() == [100, 99, -1]
    assert steps_from([3.85, 10.0, 5.549], 1).tolist() == [39, 100, 55]
    assert steps_from([np.nan, np.inf, -np.inf, 1e30], 0).tolist() == [NO_VALUE] * 4


def test_a_value_without_a_unit_is_refused() -> None:
    with pytest.raises(OutcomeError, match="needs its unit"):
        steps_from([100.0], 2)


def test_fractions_and_uneven_arrays_are_refused() -> None:
    with pytest.raises(OutcomeError) as told:
        readings([MONDAY], [np.nan])
    assert told.value.code == "fraction"
    with pytest.raises(OutcomeError) as told:
        readings([MONDAY, MONDAY + 1], [100])
    assert told.value.code == "shape"


@pytest.mark.parametrize("millis", [-1, 0, 10**15, np.iinfo(np.int64).min, np.iinfo(np.int64).max])
def test_a_time_that_cannot_be_is_dropped(millis: int) -> None:
    assert dropped(slots(readings([millis], [100]))) == {Reason.BAD_TIME: 1}


@pytest.mark.parametrize("interval", [0, -300, 86_400])
def test_an_interval_that_cannot_be_is_dropped_with_its_reason(interval: int) -> None:
    found = result(slots(readings([MONDAY], [100], 0, interval)))
    assert found.accounting.dropped_readings == {Reason.BAD_INTERVAL: 1}


def test_unsorted_readings_are_put_in_order() -> None:
    given = every_five([100, 110, 120])
    assert steps(slots(given.part(np.array([2, 0, 1])))) == [100, 110, 120]


def test_the_same_day_uploaded_twice_is_one_day() -> None:
    once = every_five([60] * 10 + [120] * 278)
    twice = slots(together(once, every_five([60] * 10 + [120] * 278, start=MONDAY + 7000)))
    assert dropped(twice) == {Reason.NEAR_DUPLICATE: 288}
    assert result(twice).shares == result(slots(once)).shares


@pytest.mark.parametrize(("apart", "count"), [(149_999, 1), (150_000, 2)])
def test_readings_closer_than_half_an_interval_are_one(apart: int, count: int) -> None:
    assert len(steps(slots(readings([MONDAY, MONDAY + apart], [100, 110])))) == count


def test_a_chain_of_readings_each_near_the_next_is_cut_every_half_interval() -> None:
    given = readings(MONDAY + np.arange(6) * 60_000, [100, 101, 102, 103, 104, 105])
    assert steps(slots(given)) == [100, 103]


def test_readings_of_different_intervals_are_near_by_the_shorter_one() -> None:
    given = readings(MONDAY + np.array([0, 300, 320]) * 1000, [100, 101, 102], 0, [900, 900, 60])
    assert steps(slots(given)) == [100, 102]


def test_jitter_of_a_genuine_clock_drops_nothing() -> None:
    times = MONDAY + np.arange(288) * 300_000 + np.tile([38_000, -40_000, 0], 96)
    assert dropped(slots(readings(times, [100] * 288))) == {}


def test_the_better_source_is_taken_then_the_earlier_then_the_lower() -> None:
    assert steps(slots(readings([MONDAY, MONDAY + 5000], [100, 110], rank=[1, 0]))) == [110]
    assert steps(slots(readings([MONDAY, MONDAY + 5000], [100, 110]))) == [100]
    assert steps(slots(readings([MONDAY, MONDAY], [110, 100]))) == [100]


def test_a_bad_value_never_takes_the_place_of_a_good_one() -> None:
    found = slots(readings([MONDAY, MONDAY + 5000], [-5, 110], rank=[0, 1]))
    assert steps(found) == [110]
    assert dropped(found) == {Reason.IMPLAUSIBLE: 1}
    assert found.millis.tolist() == [MONDAY + 5000]


def test_of_two_sensors_at_once_one_is_taken_and_never_both() -> None:
    first, second = every_five([100] * 12), every_five([200] * 24, start=MONDAY - 30 * MINUTE + 2 * MINUTE)
    other = Readings(
        *(
            second.millis,
            second.steps,
            second.unit,
            second.interval_seconds,
            second.detection,
            second.stream + 1,
            second.rank,
        )
    )
    chosen = slots(together(first, other))
    assert steps(chosen) == [200] * 5 + [100] * 12 + [200] * 6
    assert dropped(chosen) == {Reason.OVERLAPPING_SENSOR: 13}
    assert chosen.millis[4] + 5 * MINUTE <= MONDAY


def test_warm_up_counts_for_nothing_and_is_accounted() -> None:
    found = excluding(every_five([50] * 24 + [100] * 264), warm_up("Dexcom G6").after(MONDAY))
    assert found.readings == 264
    assert found.shares is not None
    assert found.shares.in_range == 100
    assert found.accounting.excluded_millis == {Reason.WARM_UP: 2 * HOUR}
    assert found.accounting.dropped_readings == {Reason.WARM_UP: 24}
    assert found.active_percent == pytest.approx(100 * 22 / 24)
    assert found.active_percent_after_warm_up == 100


@pytest.mark.parametrize(
    ("generation", "minutes", "assumed"),
    [
        ("Dexcom G6", 120, False),
        ("dexcom g7", 30, False),
        ("Dexcom G7 15-Day", 60, False),
        ("Libre 3 Plus", 60, False),
        ("Eversense E3", 1440, False),
        ("Sensor of tomorrow", 120, True),
        (None, 120, True),
    ],
)
def test_warm_up_by_device_generation(generation: str | None, minutes: int, assumed: bool) -> None:
    found = warm_up(generation)
    assert (found.minutes, found.assumed) == (minutes, assumed)


def test_the_warm_up_of_an_unknown_device_is_accounted_as_assumed() -> None:
    found = excluding(every_five([100] * 288), warm_up("Sensor of tomorrow").after(MONDAY))
    assert found.accounting.excluded_millis == {Reason.WARM_UP_ASSUMED: 2 * HOUR}
    assert found.active_percent_after_warm_up == 100


def test_the_warm_up_that_a_device_reports_goes_first() -> None:
    assert warm_up("Dexcom G7", 27).minutes == 27
    with pytest.raises(OutcomeError, match="negative"):
        warm_up(None, -1)


def test_where_exclusions_overlap_the_first_reason_has_the_time() -> None:
    start = MONDAY + HOUR
    found = excluding(
        every_five([100] * 288),
        Span(start, start + 40 * MINUTE, Reason.CALIBRATION),
        Span(start + 20 * MINUTE, start + 60 * MINUTE, Reason.WARM_UP),
        Span(start + 30 * MINUTE, start + 90 * MINUTE, Reason.DEVICE_ARTEFACT),
    )
    assert found.accounting.excluded_millis == {
        Reason.WARM_UP: 40 * MINUTE,
        Reason.CALIBRATION: 20 * MINUTE,
        Reason.DEVICE_ARTEFACT: 30 * MINUTE,
    }
    assert found.accounting.covered_millis == DAY - 90 * MINUTE


def test_an_exclusion_cuts_the_cover_of_the_reading_before_it() -> None:
    start = MONDAY + HOUR + 2 * MINUTE
    found = excluding(every_five([100] * 288), Span(start, start + 3 * MINUTE, Reason.SENSOR_ERROR))
    assert found.readings == 288
    assert found.accounting.covered_millis == DAY - 3 * MINUTE


def test_spans_are_checked() -> None:
    with pytest.raises(OutcomeError, match="ends before"):
        Span(2, 1, Reason.WARM_UP)
    with pytest.raises(OutcomeError, match="found in the readings"):
        Span(1, 2, Reason.NEAR_DUPLICATE)


def test_a_gap_is_time_without_a_reading() -> None:
    given = together(every_five([100] * 12), every_five([100] * 12, start=MONDAY + 3 * HOUR))
    found = result(slots(given))
    assert found.accounting.covered_millis == 2 * HOUR
    assert found.accounting.excluded_millis == {Reason.NO_READING: DAY - 2 * HOUR}
    assert found.active_percent == pytest.approx(100 * 2 / 24)


def test_a_day_that_has_not_ended_counts_up_to_now() -> None:
    window, chosen = day(), slots(every_five([100] * 12))
    found = outcome(element(chosen, window, ISLET), window, ISLET, as_of_millis=MONDAY + 2 * HOUR)
    assert found.active_percent == 50
    assert found.accounting.window_millis == 2 * HOUR
    with pytest.raises(OutcomeError, match="not begun"):
        outcome(element(chosen, window, ISLET), window, ISLET, as_of_millis=MONDAY)


def test_a_warm_up_that_is_not_over_counts_until_now_and_no_further() -> None:
    window = day()
    spans = disjoint([warm_up("Dexcom G6").after(window.start_millis + HOUR)])
    found = element(slots(every_five([100] * 12)), window, ISLET, spans)
    found_at = outcome(found, window, ISLET, as_of_millis=window.start_millis + HOUR + 10 * MINUTE)
    assert found_at.accounting.excluded_millis == {Reason.WARM_UP: 10 * MINUTE}
    assert found_at.active_percent == pytest.approx(600 / 7)
    assert found_at.active_percent_after_warm_up == 100
    before = outcome(found, window, ISLET, as_of_millis=window.start_millis + HOUR)
    assert before.accounting.excluded_millis == {}


def test_a_reading_from_later_than_now_extends_the_time_that_counts() -> None:
    window = day()
    millis = window.start_millis + np.array([0, 5, 10, 360]) * MINUTE
    found = element(slots(readings(millis, [100] * 4)), window, ISLET)
    told = outcome(found, window, ISLET, as_of_millis=window.start_millis + HOUR).accounting
    assert (told.window_millis, told.covered_millis) == (365 * MINUTE, 20 * MINUTE)
    assert told.excluded_millis == {Reason.NO_READING: 345 * MINUTE}
