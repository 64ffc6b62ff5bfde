"""Shares of time and averages, worked out by hand."""

from datetime import date
from math import sqrt

import numpy as np
import pytest

from clinical.outcomes import (
    ADULT,
    ISLET,
    OLDER,
    PREGNANCY,
    PREGNANCY_TYPE_1,
    Band,
    Goal,
    OutcomeError,
    Readings,
    Reason,
    days_ending,
    element,
    merged,
    outcome,
    readings,
    slots,
    target_set,
)
from clinical.outcomes.figures import Figures, Shares
from clinical.outcomes.targets import TargetSet
from tests.unit.clinical.outcomes.support import (
    DAY,
    DUBLIN,
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

MG_DL = ((53, Band.VERY_LOW), (54, Band.LOW), (69, Band.LOW), (70, Band.IN_RANGE), (180, Band.IN_RANGE))
MG_DL_HIGH = ((181, Band.HIGH), (250, Band.HIGH), (251, Band.VERY_HIGH))
MMOL_L = ((29, Band.VERY_LOW), (30, Band.LOW), (38, Band.LOW), (39, Band.IN_RANGE), (100, Band.IN_RANGE))
MMOL_L_HIGH = ((101, Band.HIGH), (139, Band.HIGH), (140, Band.VERY_HIGH))


def shares_of(given: Readings, targets: TargetSet = ADULT) -> Shares:
    found = result(slots(given), profile=ISLET.with_targets(targets)).shares
    assert found is not None
    return found


def figures_of(given: Readings) -> Figures:
    found = result(slots(given)).figures
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("unit", "steps", "band"),
    [(0, *each) for each in (*MG_DL, *MG_DL_HIGH)] + [(1, *each) for each in (*MMOL_L, *MMOL_L_HIGH)],
)
def test_each_edge_lies_in_its_band_in_the_unit_it_came_in(unit: int, steps: int, band: Band) -> None:
    assert shares_of(every_five([steps], unit=unit)).seconds[band] == 300


@pytest.mark.parametrize(("unit", "inside", "outside"), [(0, (70, 140), (69, 141)), (1, (39, 78), (38, 79))])
def test_the_tight_range_holds_both_its_edges(unit: int, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    assert shares_of(every_five([*inside, *outside], unit=unit)).tight == 50


@pytest.mark.parametrize(("unit", "inside", "outside"), [(0, (63, 140), (62, 141)), (1, (35, 78), (34, 79))])
@pytest.mark.parametrize("targets", [PREGNANCY, PREGNANCY_TYPE_1])
def test_pregnancy_has_its_own_range(
    targets: TargetSet, unit: int, inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    share = shares_of(every_five([*inside, *outside], unit=unit), targets)
    assert (share.below, share.in_range, share.above) == (25, 50, 25)


def test_a_patient_who_changes_units_at_noon_adds_times_in_bands_and_never_values() -> None:
    morning = every_five([70] * 100 + [69] * 44)
    afternoon = every_five([39] * 100 + [38] * 44, start=MONDAY + DAY // 2, unit=1)
    found = result(slots(together(morning, afternoon)))
    assert found.mixed_units
    assert found.shares is not None
    assert found.shares.seconds == (0, 88 * 300, 200 * 300, 0, 0)
    assert found.figures is not None
    wanted = (70 * 100 + 69 * 44 + (3.9 * 100 + 3.8 * 44) * 18.01559) / 288
    assert found.figures.mean == pytest.approx(wanted, rel=1e-12)


def test_averages_by_hand() -> None:
    figures = figures_of(every_five([100, 120, 140, 200]))
    sd = sqrt((40**2 + 20**2 + 0 + 60**2) / 3)
    assert figures.mean == 140
    assert figures.sd == pytest.approx(sd, rel=1e-15)
    assert figures.cv == pytest.approx(100 * sd / 140, rel=1e-15)
    assert figures.gmi == pytest.approx(3.31 + 0.02392 * 140, rel=1e-15)
    assert figures.gmi_mmol_mol == pytest.approx(12.71 + 4.70587 * 140 / 18.01559, rel=1e-12)
    assert figures.ea1c == pytest.approx(186.7 / 28.7, rel=1e-15)
    assert figures.j_index == pytest.approx(0.001 * (140 + sd) ** 2, rel=1e-15)
    assert figures.percentiles == (103, 115, 130, 155, 191)
    assert figures.iqr == 40
    assert (figures.least, figures.greatest) == (100, 200)


def test_mmol_l_means_itself_and_is_converted_for_display_only() -> None:
    figures = figures_of(every_five([55, 60, 65], unit=1))
    assert figures.mean_mmol_l == 6.0
    assert figures.sd_mmol_l == pytest.approx(0.5, rel=1e-12)
    assert figures.mean == pytest.approx(6.0 * 18.01559, rel=1e-12)


def test_risk_indices_by_hand() -> None:
    figures = figures_of(every_five([50, 112, 113, 400]))
    risk = [10 * (1.509 * (np.log(g) ** 1.084 - 5.381)) ** 2 for g in (50, 112, 113, 400)]
    assert figures.lbgi == pytest.approx((risk[0] + risk[1]) / 4, rel=1e-7)
    assert figures.hbgi == pytest.approx((risk[2] + risk[3]) / 4, rel=1e-7)


def test_gri_by_hand() -> None:
    figures = figures_of(every_five([50] * 2 + [60] * 4 + [100] * 80 + [200] * 10 + [300] * 4))
    assert figures.gri == pytest.approx(3.0 * 2 + 2.4 * 4 + 1.6 * 4 + 0.8 * 10, rel=1e-15)
    assert figures.gri_hypo == pytest.approx(2 + 0.8 * 4, rel=1e-15)
    assert figures.gri_hyper == pytest.approx(4 + 0.5 * 10, rel=1e-15)
    assert figures.gri_zone == "B"


def test_gri_stops_at_100() -> None:
    figures = figures_of(every_five([40] * 20))
    assert (figures.gri, figures.gri_zone) == (100, "E")


def test_sensors_of_different_intervals_weigh_by_time_and_not_by_count() -> None:
    given = together(
        every_five([120] * 96),
        every_five([65] * 32, start=MONDAY + 8 * 60 * MINUTE, minutes=15),
        every_five([200] * 480, start=MONDAY + 16 * 60 * MINUTE, minutes=1),
    )
    share, figures = shares_of(given), figures_of(given)
    assert share.below == share.in_range == share.above == pytest.approx(100 / 3)
    assert figures.mean == pytest.approx((120 + 65 + 200) / 3)
    assert figures.percentiles[2] == 120


def test_below_and_above_detection_count_in_their_range_and_are_told() -> None:
    given = readings(MONDAY + np.arange(4) * 300_000, [54, 100, 250, 100], detection=[-1, 0, 1, 0])
    found = result(slots(given))
    assert found.shares is not None
    assert found.shares.seconds == (300, 0, 600, 0, 300)
    assert found.censored_percent == 50
    assert found.bounded


def test_all_low_is_100_percent_below_and_one_event() -> None:
    found = result(slots_of([45] * 288))
    assert found.shares is not None
    assert (found.shares.very_low, found.shares.below, found.shares.in_range) == (100, 100, 0)
    assert [len(each) for each in found.events.values()] == [1, 1, 1, 0, 0, 0]


def test_no_data_gives_no_number() -> None:
    found = result(slots_of([]))
    assert found.shares is None
    assert found.figures is None
    assert found.censored_percent is None
    assert (found.readings, found.days_of_wear, found.active_percent, found.sufficient) == (0, 0, 0, False)
    assert found.accounting.excluded_millis == {Reason.NO_READING: DAY}
    assert found.goals == {}


def test_one_reading_has_a_mean_and_no_spread() -> None:
    figures = figures_of(every_five([100]))
    assert (figures.mean, figures.sd, figures.cv, figures.j_index) == (100, None, None, None)
    assert figures.percentiles == (100,) * 5


@pytest.mark.parametrize(("count", "enough"), [(2822, False), (2823, True)])
def test_data_suffice_from_70_percent_of_14_days(count: int, enough: bool) -> None:
    window = days_ending(date(2024, 2, 18), 14, UTC_ZONE)
    found = result(slots_of([100] * count), window)
    assert found.sufficient is enough
    assert bool(found.goals) is enough


def test_a_full_week_is_not_two() -> None:
    found = result(slots_of([100] * 2016), days_ending(date(2024, 2, 11), 7, UTC_ZONE))
    assert (found.active_percent, found.sufficient) == (100, False)


@pytest.mark.parametrize(
    ("name", "start", "hours"), [("spring", "2024-03-31T00:00", 23), ("autumn", "2024-10-26T23:00", 25)]
)
def test_the_denominator_is_real_time_when_the_clocks_change(name: str, start: str, hours: int) -> None:
    window = days_ending(date(2024, 3, 31) if name == "spring" else date(2024, 10, 27), 1, DUBLIN)
    assert window.start_millis == at(start)
    found = result(slots_of([60] * 12 + [100] * (hours * 12 - 12), start=window.start_millis), window)
    assert window.seconds == hours * 3600
    assert found.active_percent == 100
    assert found.days_of_wear == 1
    assert found.shares is not None
    assert found.shares.below == pytest.approx(100 / hours)


def test_goals_are_judged_where_data_suffice() -> None:
    window = days_ending(date(2024, 2, 18), 14, UTC_ZONE)
    values = [60] * 200 + [100] * 2600 + [200] * 1232
    adult, older = (result(slots_of(values), window, ISLET.with_targets(each)).goals for each in (ADULT, OLDER))
    assert adult == {"in_range": False, "below": False, "very_low": True, "above": False, "very_high": True}
    assert older == {"in_range": True, "below": False, "very_high": True}


def test_reaching_exactly_the_percentage_is_not_more_than_it() -> None:
    assert not Goal("in_range", True, 70).met(70.0)
    assert not Goal("below", False, 4).met(4.0)


GOOD = {"very_low": 54, "low": 70, "tight_high": 140, "high": 180, "very_high": 250}
GOOD_MMOL_L = {"very_low": 30, "low": 39, "tight_high": 78, "high": 100, "very_high": 139}


@pytest.mark.parametrize(
    ("mg_dl", "mmol_l", "said"),
    [
        ({"low": 50}, {}, "must rise"),
        ({"high": 130}, {}, "must rise"),
        ({"low": 80}, {}, "another value"),
        ({"very_low": 5}, {}, "must lie between"),
        ({"middle": 100}, {}, "`middle` is not a threshold"),
        ({"low": 70.0}, {}, "whole number"),
        ({}, {"low": 3.9}, "whole number"),
    ],
)
def test_a_target_set_that_cannot_be_is_refused_with_the_reason(
    mg_dl: dict[str, int], mmol_l: dict[str, int], said: str
) -> None:
    with pytest.raises(OutcomeError, match=said) as told:
        target_set("own", GOOD | mg_dl, GOOD_MMOL_L | mmol_l)
    assert told.value.code == "targets"


def test_every_problem_of_a_target_set_is_told_at_once() -> None:
    with pytest.raises(OutcomeError) as told:
        target_set("own", {"low": 70}, GOOD_MMOL_L, (Goal("time", True, 70), Goal("below", False, 400)))
    for part in ("`very_low` is missing", "`high` is missing", "goal `time`", "400 is no percentage"):
        assert part in told.value.text


def test_an_own_target_set_counts_by_its_thresholds() -> None:
    own = target_set("own", GOOD | {"low": 80}, GOOD_MMOL_L | {"low": 44})
    assert shares_of(every_five([79, 80]), own).below == 50
    assert shares_of(every_five([43, 44], unit=1), own).below == 50


def test_elements_of_another_method_are_not_merged() -> None:
    first = element(slots_of([100]), day(), ISLET)
    other = ISLET.with_targets(PREGNANCY)
    with pytest.raises(OutcomeError, match="another method"):
        merged([first, element(slots_of([]), day(MONDAY + DAY), other)], ISLET)
    with pytest.raises(OutcomeError, match="another method"):
        outcome(first, day(), other)


def test_elements_with_a_day_missing_between_are_not_merged() -> None:
    first, third = (element(slots_of([100]), day(MONDAY + n * DAY), ISLET) for n in (0, 2))
    with pytest.raises(OutcomeError, match="without a day missing"):
        merged([first, third], ISLET)
