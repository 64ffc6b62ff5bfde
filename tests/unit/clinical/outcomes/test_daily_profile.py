"""Percentiles by time of day, differences over days and hours, and excursions."""

from datetime import date

import numpy as np
import pytest

from clinical.outcomes import (
    ISLET,
    OutcomeError,
    Slots,
    agp,
    conga,
    day_elements,
    days_ending,
    element,
    mage,
    merged,
    modd,
    slots,
)
from tests.unit.clinical.outcomes.support import (
    DAY,
    DUBLIN,
    HOUR,
    MINUTE,
    MONDAY,
    UTC_ZONE,
    at,
    every_five,
    slots_of,
    together,
)

WEEK = days_ending(date(2024, 2, 11), 7, UTC_ZONE)


def daily(values: list[int]) -> Slots:
    """One reading at three in the morning on each day of the week."""
    parts = [every_five([value], start=MONDAY + n * DAY + 3 * HOUR) for n, value in enumerate(values)]
    return slots(together(*parts))


def test_percentiles_of_an_hour_over_the_days() -> None:
    found = agp(element(daily([100, 110, 120, 130, 140, 150, 160]), WEEK, ISLET))
    assert [found.at(3 * 60 + 59, percent) for percent in (5, 25, 50, 75, 95)] == [103, 115, 130, 145, 157]
    assert found.readings[3] == 7
    assert sum(found.readings) == 7
    assert found.at(4 * 60, 50) is None


def test_the_profile_is_by_the_patients_clock() -> None:
    window = days_ending(date(2024, 6, 3), 1, DUBLIN)
    found = agp(element(slots_of([100], start=at("2024-06-03T02:00")), window, ISLET))
    assert found.at(3 * 60, 50) == 100


def test_merged_days_give_the_profile_of_the_whole() -> None:
    generator = np.random.default_rng(1)
    chosen = slots_of(generator.integers(60, 250, 1500).tolist())
    parts, whole = merged(day_elements(chosen, WEEK, ISLET), ISLET), element(chosen, WEEK, ISLET)
    assert np.array_equal(agp(parts, 15).percentiles, agp(whole, 15).percentiles, equal_nan=True)


def test_smoothing_weighs_neighbours_over_midnight_and_leaves_empty_bins_empty() -> None:
    values = [100] * 12 + [160] * 12
    chosen = slots(together(every_five(values), every_five([220] * 12, start=MONDAY + 23 * HOUR)))
    smoothed = agp(element(chosen, WEEK, ISLET)).smoothed()[:, 2]
    assert smoothed[0] == pytest.approx((4 * 100 + 160 + 220) / 6)
    assert smoothed[1] == pytest.approx((4 * 160 + 100) / 5)
    assert np.isnan(smoothed[2])


@pytest.mark.parametrize("minutes", [0, -5, 7, 25, 1500])
def test_a_bin_divides_the_day(minutes: int) -> None:
    with pytest.raises(OutcomeError, match="divides the day"):
        agp(element(daily([100]), WEEK, ISLET), minutes)


def test_modd_compares_with_the_same_time_of_the_day_before() -> None:
    assert modd(daily([100, 120, 90]), UTC_ZONE) == 25
    assert modd(daily([100]), UTC_ZONE) is None
    assert modd(slots_of([]), UTC_ZONE) is None


def test_modd_goes_by_the_wall_clock_when_the_clocks_change() -> None:
    first, second = at("2024-03-30T12:00"), at("2024-03-31T11:00")  # noon in Dublin on both days
    chosen = slots(together(every_five([100], start=first), every_five([130], start=second)))
    assert modd(chosen, DUBLIN) == 30
    assert modd(chosen, UTC_ZONE) is None


def test_conga_is_the_spread_of_differences_over_its_hours() -> None:
    chosen = slots_of([100] * 12 + [110] * 6 + [130] * 6)
    assert conga(chosen, 1) == pytest.approx(np.std([10] * 6 + [30] * 6, ddof=1))
    assert conga(chosen, 4) is None
    with pytest.raises(OutcomeError, match="one hour"):
        conga(chosen, 0)


def test_a_partner_further_than_half_an_interval_is_none() -> None:
    near, far = (readings_an_hour_apart(extra) for extra in (149, 150))
    assert conga(near, 1) == 0
    assert conga(far, 1) is None


def readings_an_hour_apart(extra_seconds: int) -> Slots:
    later = MONDAY + HOUR + extra_seconds * 1000
    return slots(together(every_five([100] * 3), every_five([120] * 3, start=later)))


def test_mage_is_the_mean_of_swings_larger_than_one_sd() -> None:
    wave = [100] * 40 + [200] * 40
    found = mage(slots_of(wave * 3))
    assert found is not None
    assert (found.rises, found.falls, found.mean) == (100, 100, 100)
    assert (found.rise_count, found.fall_count) == (3, 2)


def test_mage_leaves_small_swings_to_the_large_one_around_them() -> None:
    found = mage(slots_of(([100] * 40 + [150] * 20 + [145] * 20 + [250] * 40) * 3))
    assert found is not None
    assert (found.rises, found.falls) == (150, 150)


def test_mage_without_swings_or_readings() -> None:
    flat = mage(slots_of([100] * 100))
    assert flat is not None
    assert flat.mean is None
    assert mage(slots_of([100])) is None


def test_mage_begins_anew_after_a_long_gap() -> None:
    up = slots(together(every_five([100] * 60), every_five([200] * 60, start=MONDAY + 8 * HOUR)))
    found = mage(up)
    assert found is not None
    assert found.mean is None
    assert 60 * 5 * MINUTE < 8 * HOUR
