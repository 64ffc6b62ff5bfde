"""Clocks that are wrong: found, put right, both kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.drift import Drift, Pair, corrected, estimate
from clinical.records import Instant

NOON = 1_795_176_000_000
HOUR, DAY = 3_600_000, 86_400_000


def pairs(seconds: float, per_day: float = 0.0, zone_hours: float = 0, days: int = 10) -> list[Pair]:
    """Read out once a day; the clock lacks `seconds` at the end."""
    found = []
    for day in range(days):
        true = NOON + day * DAY
        lacks = seconds - per_day * (days - 1 - day)
        found.append(Pair(round(true - lacks * 1000 + zone_hours * HOUR), true))
    return found


def test_without_pairs_nothing_is_said() -> None:
    assert estimate([]) is None


@pytest.mark.parametrize("zone_hours", [0, -5, 5.75, 10.5])
def test_zone_and_drift_are_told_apart(zone_hours: float) -> None:
    drift = estimate(pairs(130, zone_hours=zone_hours))
    assert drift is not None
    assert (drift.seconds, drift.offset_minutes) == (130, zone_hours * 60)
    assert abs(drift.seconds_per_day) < 0.01


def test_a_clock_that_loses_time_has_a_slope() -> None:
    drift = estimate(pairs(170, per_day=17))
    assert drift is not None
    assert drift.seconds_per_day == pytest.approx(17, abs=0.1)
    assert drift.at(drift.millis - 5 * DAY) == pytest.approx(85, abs=1)


def test_one_late_answer_moves_nothing() -> None:
    late = pairs(90)
    late[4] = Pair(late[4].device, late[4].true + 240_000)
    drift = estimate(late)
    assert drift is not None
    assert drift.seconds == pytest.approx(90, abs=1)


def test_pairs_from_before_a_journey_do_not_count() -> None:
    away = [Pair(pair.device + 20 * DAY, pair.true + 20 * DAY) for pair in pairs(40, zone_hours=-5)]
    drift = estimate([*pairs(400), *away])
    assert drift is not None
    assert drift.seconds == pytest.approx(40)
    assert drift.offset_minutes == -300


def test_the_instant_is_put_right_and_what_the_clock_said_is_kept() -> None:
    drift = Drift(NOON, 120, 0, 0)
    before = Instant(millis=NOON, how="zone", local="2026-11-20T12:00:00", zone="Etc/UTC")
    after, deed = corrected(before, drift)
    assert (after.millis, after.drift_millis, after.local) == (NOON + 120_000, 120_000, before.local)
    assert after.millis - after.drift_millis == before.millis
    assert deed is not None
    assert deed.what == "device clock corrected by +120 s"
    assert corrected(after, drift) == (after, None)


def test_the_error_is_spread_over_the_time_since_the_clock_was_right() -> None:
    drift = Drift(NOON, 200, 0, 0)
    since = NOON - 10 * DAY
    assert [drift.at(NOON - days * DAY, since) for days in (0, 5, 10, 11)] == [200, 100, 0, 0]
    assert drift.at(NOON + DAY, since) == 200


def test_a_clock_that_is_right_within_a_minute_is_left_alone() -> None:
    instant = Instant(millis=NOON, how="zone")
    assert corrected(instant, Drift(NOON, 59, 0, 0)) == (instant, None)


def test_past_the_limit_there_is_an_alarm() -> None:
    assert [Drift(NOON, seconds, 0, 0).alarms() for seconds in (299, 300, -300)] == [False, True, True]
    assert Drift(NOON, 100, 0, 0).alarms(60)


@given(st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 10**13)), max_size=12))
def test_whatever_the_clocks_say_there_is_an_answer_within_the_quarter(given_pairs: list[tuple[int, int]]) -> None:
    drift = estimate([Pair(*pair) for pair in given_pairs])
    assert (drift is None) == (not given_pairs)
    if drift is not None and len(given_pairs) == 1:
        assert abs(drift.seconds) <= 450
