"""Alerts: when a low is predicted and confirmed, that it is told once, and when it may be told again."""

import pytest

from clinical.outcomes import Alert, AlertKind, AlertState, OutcomeError, step
from clinical.outcomes.alerts import forecast
from tests.unit.clinical.outcomes.support import HOUR, MINUTE, MONDAY

P, L, VL = AlertKind.PREDICTED_LOW, AlertKind.CONFIRMED_LOW, AlertKind.CONFIRMED_VERY_LOW
MMOL_L = 1024


def told(
    values: list[int], *, late_millis: int = 0, minutes: int = 5, state: AlertState | None = None
) -> list[tuple[AlertKind, int]]:
    """(kind, place of the reading) of what readings at equal distances raise."""
    known, found = state or AlertState(), []
    for place, level in enumerate(values):
        millis = MONDAY + place * minutes * MINUTE
        known, alerts = step(known, (millis, level, minutes * 60), millis + late_millis)
        found += [(alert.kind, place) for alert in alerts]
    return found


def test_a_steep_fall_is_predicted_once() -> None:
    assert told([140, 130, 120, 110, 100, 90, 80]) == [(P, 3)]


def test_the_forecast_is_a_straight_line_30_minutes_on() -> None:
    recent = tuple((MONDAY + n * 5 * MINUTE, 130 - 10 * n, 300) for n in range(5))
    assert forecast(recent) == pytest.approx((-2.0, 90 - 60))
    assert forecast(recent[:2]) is None


def test_the_prediction_says_what_it_foresees() -> None:
    state, found = AlertState(), list[Alert]()
    for place, level in enumerate((130, 120, 110)):
        millis = MONDAY + place * 5 * MINUTE
        state, alerts = step(state, (millis, level, 300), millis)
        found += alerts
    assert [(each.kind, each.at_millis) for each in found] == [(P, MONDAY + 10 * MINUTE)]
    assert found[0].forecast_mg_dl == pytest.approx(50.0)


@pytest.mark.parametrize(
    "values",
    [
        [72, 71, 70, 70],  # falls too slowly
        [200, 190, 180, 170, 160],  # too high to say
        [100, 100, 100, 100],
        [120, 110],  # too few
    ],
)
def test_no_prediction_without_cause(values: list[int]) -> None:
    assert told(values) == []


def test_mmol_l_is_judged_by_the_same_rule() -> None:
    # 7.5, 7.0, 6.5 mmol/L fall to 63 mg/dL in 30 minutes; with 6.0 it is 54.
    assert told([MMOL_L + steps for steps in (75, 70, 65, 60, 55)]) == [(P, 3)]


def test_after_a_prediction_80_must_hold_for_15_minutes_and_30_minutes_pass() -> None:
    falling, flat = [130, 120, 110], [110] * 8
    again = [100, 90, 80]
    # At 90 the line through 110, 110, 110, 100, 90 still ends at 64; at 80 it ends at 34.
    assert told([*falling, *flat, *again]) == [(P, 2), (P, 13)]
    short = [*falling, 110, 110, 100, 90, 80]
    assert told(short) == [(P, 2)]


def test_a_value_that_wavers_around_the_limit_alarms_once() -> None:
    values = [100, 92, 84, 76, 84, 76, 84, 76, 84, 76, 84, 76]
    assert told(values) == [(P, 2)]


def test_a_low_is_confirmed_after_15_minutes_and_told_once() -> None:
    assert told([69, 69, 69, 69, 69]) == [(L, 2)]
    assert told([69], minutes=15) == [(L, 0)]


def test_depth_is_told_beside_it() -> None:
    assert told([53, 53, 53]) == [(L, 2), (VL, 2)]


def test_a_low_is_told_again_only_after_15_minutes_of_recovery() -> None:
    low = [69, 69, 69]
    assert told([*low, 70, 70, *low]) == [(L, 2)]
    assert told([*low, 70, 70, 70, *low]) == [(L, 2), (L, 8)]


def test_backfill_never_raises_anything() -> None:
    assert told([130, 120, 110, 100, 60, 60, 60], late_millis=11 * MINUTE) == []
    assert told([130, 120, 110], late_millis=10 * MINUTE) == [(P, 2)]


def test_a_reading_before_the_last_changes_nothing() -> None:
    state, _ = step(AlertState(), (MONDAY, 100, 300), MONDAY)
    assert step(state, (MONDAY - MINUTE, 40, 300), MONDAY) == (state, ())
    assert step(state, (MONDAY, 40, 300), MONDAY) == (state, ())


def test_a_pause_of_more_than_ten_minutes_begins_anew() -> None:
    state = AlertState()
    for place, level in enumerate((69, 69)):
        state, _ = step(state, (MONDAY + place * 5 * MINUTE, level, 300), MONDAY + place * 5 * MINUTE)
    later = MONDAY + HOUR
    state, found = step(state, (later, 69, 300), later)
    assert found == ()
    assert len(state.recent) == 1
    assert state.low.inside_seconds == 300


def test_a_told_low_stays_told_over_a_pause() -> None:
    state = AlertState()
    for place in range(3):
        state, _ = step(state, (MONDAY + place * 5 * MINUTE, 60, 300), MONDAY + place * 5 * MINUTE)
    found: list[Alert] = []
    for place in range(4):
        later = MONDAY + HOUR + place * 5 * MINUTE
        state, alerts = step(state, (later, 60, 300), later)
        found += alerts
    assert found == []


@pytest.mark.parametrize("level", [-1, 2048])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    with pytest.raises(OutcomeError, match="no such level"):
        step(AlertState(), (MONDAY, level, 300), MONDAY)
