"""Late data, corrections and drift: which days change, and that nothing else does."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from clinical.outcomes import (
    ISLET,
    Element,
    OutcomeError,
    Readings,
    Reason,
    Window,
    WindowState,
    affected_days,
    day_elements,
    days_ending,
    decode,
    element,
    encode,
    fixed_period,
    outcome,
    readings,
    rolling_elements,
    slots,
    warm_up,
    window_element,
)
from clinical.outcomes.zone import day_of, day_start, local_millis
from clinical.time import moment
from tests.unit.clinical.outcomes.support import DAY, DUBLIN, HOUR, MINUTE, MONDAY, UTC_ZONE, day, every_five, together

WEEK = days_ending(date(2024, 2, 11), 7, UTC_ZONE)


def days_of(given: Readings) -> dict[date, Element]:
    return dict(zip(WEEK.days(), day_elements(slots(given), WEEK, ISLET), strict=True))


def test_a_late_backfill_changes_its_day_and_the_outcome_names_other_input() -> None:
    known, late = every_five([100] * 1000), every_five([60] * 12, start=MONDAY + 5 * DAY)
    days = days_of(known)
    before = outcome(window_element(days, WEEK, ISLET), WEEK, ISLET)
    changed = affected_days(late.millis.tolist(), UTC_ZONE)
    assert changed == [date(2024, 2, 9), date(2024, 2, 10)]
    everything = slots(together(known, late))
    for each in changed:
        days[each] = element(everything, days_ending(each, 1, UTC_ZONE), ISLET)
    after = outcome(window_element(days, WEEK, ISLET), WEEK, ISLET)
    assert after.element_digest == element(everything, WEEK, ISLET).digest
    assert after.element_digest != before.element_digest
    assert after.readings == before.readings + 12


def test_a_recompute_of_the_same_readings_names_the_same_input() -> None:
    one, other = (window_element(days_of(every_five([100] * 1000)), WEEK, ISLET) for _ in range(2))
    assert one.digest == other.digest


def test_a_tombstone_is_as_if_the_reading_had_never_been() -> None:
    given = every_five([60, *[100] * 999])
    left = given.part(np.arange(1, 1000))
    assert window_element(days_of(left), WEEK, ISLET).digest == element(slots(left), WEEK, ISLET).digest


def test_a_corrected_clock_moves_readings_to_another_day() -> None:
    drift = 10 * MINUTE
    start = MONDAY + DAY - 5 * MINUTE
    wrong, right = every_five([60], start=start), every_five([60], start=start + drift)
    changed = affected_days([*wrong.millis.tolist(), *right.millis.tolist()], UTC_ZONE)
    assert changed == [date(2024, 2, 5), date(2024, 2, 6)]
    assert days_of(right)[date(2024, 2, 6)].cells.size == 1


def test_a_sensor_start_touches_the_days_of_its_warm_up() -> None:
    span = warm_up("Dexcom G6").after(MONDAY + 23 * HOUR)
    assert affected_days([], UTC_ZONE, spans=[span]) == [date(2024, 2, 5), date(2024, 2, 6)]


def test_a_window_needs_all_its_days() -> None:
    days = days_of(every_five([100]))
    del days[date(2024, 2, 7)]
    with pytest.raises(OutcomeError, match="1 days of the window have no element"):
        window_element(days, WEEK, ISLET)


def test_windows_that_end_together_are_made_from_each_other() -> None:
    given = every_five(np.random.default_rng(3).integers(50, 270, 1500).tolist())
    last, counts = date(2024, 2, 11), (7, 1, 3)
    found = rolling_elements(days_of(given), last, counts, ISLET)
    wanted = {count: element(slots(given), days_ending(last, count, UTC_ZONE), ISLET) for count in counts}
    assert {count: each.digest for count, each in found.items()} == {n: each.digest for n, each in wanted.items()}
    with pytest.raises(OutcomeError, match="1 days of the window"):
        rolling_elements(days_of(given), last, [8], ISLET)


def test_a_window_of_other_times_is_not_made_from_days() -> None:
    with pytest.raises(OutcomeError, match="whole local days"):
        window_element(days_of(every_five([100])), Window(MONDAY + HOUR, MONDAY + DAY, UTC_ZONE), ISLET)


@pytest.mark.parametrize("left", [0, 3, 4, 10, 12])
def test_an_element_of_which_a_part_is_missing_is_refused(left: int) -> None:
    stored = msgspec.msgpack.decode(encode(element(slots(every_five([100])), day(), ISLET)))
    stored[2] = stored[2][:left]
    with pytest.raises(OutcomeError, match="no stored element"):
        decode(msgspec.msgpack.encode(stored))


@pytest.mark.parametrize("body", [b"", b"\x00", b"[]", encode(element(slots(every_five([100])), day(), ISLET))[:-9]])
def test_bytes_that_are_no_element_are_refused(body: bytes) -> None:
    with pytest.raises(OutcomeError) as told:
        decode(body)
    assert told.value.code == "stored"


def test_windows_roll_by_a_day_or_stand_side_by_side() -> None:
    assert WEEK.start_millis == MONDAY
    assert fixed_period(date(2024, 2, 7), 7, UTC_ZONE) == WEEK
    assert fixed_period(date(2024, 2, 12), 7, UTC_ZONE).start_millis == WEEK.end_millis
    assert days_ending(date(2024, 2, 12), 7, UTC_ZONE).start_millis == WEEK.start_millis + DAY


def test_a_window_is_partial_until_it_has_ended() -> None:
    assert WEEK.state(WEEK.end_millis - 1) is WindowState.PARTIAL
    assert WEEK.state(WEEK.end_millis) is WindowState.FINAL
    assert WEEK.state(WEEK.end_millis, grace_millis=HOUR) is WindowState.PARTIAL


@pytest.mark.parametrize("days", [0, -1])
def test_a_window_has_a_day(days: int) -> None:
    for make in (days_ending, fixed_period):
        with pytest.raises(OutcomeError, match="at least one day"):
            make(date(2024, 2, 5), days, UTC_ZONE)
    with pytest.raises(OutcomeError, match="must end after"):
        Window(MONDAY, MONDAY, UTC_ZONE)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Dublin", date(2024, 3, 31), 23),
        ("Europe/Dublin", date(2024, 10, 27), 25),
        ("America/Havana", date(2024, 3, 10), 23),  # midnight does not exist
        ("America/Havana", date(2024, 11, 3), 25),  # midnight comes twice
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),  # never was
        ("Asia/Kathmandu", date(2024, 2, 5), 24),
    ],
)
def test_days_have_their_real_length(zone: str, day: date, hours: float) -> None:
    there = ZoneInfo(zone)
    assert day_start(day + timedelta(days=1), there) - day_start(day, there) == hours * HOUR
    if hours:
        assert day_of(day_start(day, there), there) == day
        assert day_of(day_start(day, there) - 1, there) < day


@pytest.mark.parametrize("zone", ["Europe/Dublin", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_the_wall_clock_over_a_year_is_pythons(zone: str) -> None:
    there = ZoneInfo(zone)
    millis = day_start(date(2023, 12, 25), there) + np.arange(0, 380 * 48) * 30 * MINUTE + 7
    offsets = local_millis(millis, there) - millis
    wanted = [(moment(t, there).utcoffset() or timedelta()) // timedelta(milliseconds=1) for t in millis.tolist()]
    assert offsets.tolist() == wanted


def test_a_reading_at_the_last_instant_of_a_window_is_cut_there_and_flows_into_the_next_day() -> None:
    last = MONDAY + DAY - MINUTE
    given = readings([last, last + 5 * MINUTE], [100, 100])
    first = outcome(element(slots(given), day(), ISLET), day(), ISLET)
    assert first.accounting.covered_millis == MINUTE
    both = Window(MONDAY, MONDAY + 2 * DAY, UTC_ZONE)
    account = outcome(element(slots(given), both, ISLET), both, ISLET).accounting
    assert account.covered_millis == 10 * MINUTE
    assert account.excluded_millis == {Reason.NO_READING: 2 * DAY - 10 * MINUTE}


def test_days_of_wear_are_local_days_with_a_reading() -> None:
    window = days_ending(date(2024, 6, 9), 7, DUBLIN)
    midnight = day_start(date(2024, 6, 5), DUBLIN)
    given = readings([midnight - MINUTE, midnight + 10 * MINUTE, midnight + 2 * DAY], [100] * 3)
    assert outcome(element(slots(given), window, ISLET), window, ISLET).days_of_wear == 3
