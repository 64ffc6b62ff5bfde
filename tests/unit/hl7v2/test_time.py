# ruff: noqa: DTZ001 - wall clocks are naive here
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from clinical.time import Written, instant_at_offset, instant_in_zone, moment, passes, second_by_order, utc_of

DUBLIN = ZoneInfo("Europe/Dublin")
AUTUMN = datetime(2026, 10, 25, 1, 30)  # occurs twice: 00:30Z and 01:30Z
SPRING = datetime(2026, 3, 29, 1, 30)  # does not occur


def at(wall: datetime, offset: int | None = None) -> Written:
    return Written(wall, offset)


def test_an_offset_gives_the_instant_and_keeps_the_wall_clock() -> None:
    instant = instant_at_offset(at(datetime(2026, 11, 20, 10, 0), 60), 60, "offset")
    assert moment(instant.millis) == datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    assert (instant.local, instant.offset_minutes, instant.how) == ("2026-11-20T10:00:00", 60, "offset")


def test_a_zone_gives_the_offset_of_the_season() -> None:
    summer = instant_in_zone(at(datetime(2026, 7, 1, 12, 0)), DUBLIN)
    winter = instant_in_zone(at(datetime(2026, 12, 1, 12, 0)), DUBLIN)
    assert (summer.offset_minutes, winter.offset_minutes) == (60, 0)
    assert (summer.how, summer.zone, summer.fold, summer.gap) == ("zone", "Europe/Dublin", False, False)


def test_an_offset_west_of_utc_is_negative() -> None:
    instant = instant_in_zone(at(datetime(2026, 7, 1, 12, 0)), ZoneInfo("America/St_Johns"))
    assert instant.offset_minutes == -150


def test_milliseconds_are_exact_before_and_after_1970() -> None:
    for wall in (datetime(1969, 12, 31, 23, 59, 59, 999_000), datetime(2026, 1, 1, 0, 0, 0, 1_000)):
        assert moment(instant_at_offset(at(wall), 0, "offset").millis) == wall.replace(tzinfo=UTC)


def test_a_time_that_occurs_twice_is_its_first_pass_unless_the_second_is_meant() -> None:
    first, second = instant_in_zone(at(AUTUMN), DUBLIN), instant_in_zone(at(AUTUMN), DUBLIN, second=True)
    assert second.millis - first.millis == 3_600_000
    assert (first.fold, second.fold) == (False, True)
    assert (first.offset_minutes, second.offset_minutes) == (60, 0)
    assert passes(AUTUMN, DUBLIN).twice


def test_a_time_that_does_not_occur_is_read_with_the_offset_before_it() -> None:
    instant = instant_in_zone(at(SPRING), DUBLIN)
    assert instant.gap
    assert moment(instant.millis, DUBLIN).strftime("%H:%M") == "02:30"
    assert passes(SPRING, DUBLIN).gap


def test_utc_takes_the_offset_before_the_zone() -> None:
    assert utc_of(at(AUTUMN), -60, DUBLIN) == AUTUMN + timedelta(hours=1)
    assert utc_of(at(AUTUMN), None, DUBLIN) == AUTUMN - timedelta(hours=1)


def series(*minutes: int) -> list[datetime]:
    """Wall times in minutes after one o'clock on the day the clocks go back at two."""
    return [datetime(2026, 10, 25, 1, 0) + timedelta(minutes=m) for m in minutes]


def test_one_jump_back_divides_the_two_passes() -> None:
    walls = series(-10, 0, 20, 40, 5, 25, 45, 65)
    assert second_by_order(walls, DUBLIN) == {1: False, 2: False, 3: False, 4: True, 5: True, 6: True}


def test_without_a_jump_or_with_two_of_them_the_order_tells_nothing() -> None:
    assert second_by_order(series(0, 20, 40), DUBLIN) == {}
    assert second_by_order(series(0, 40, 5, 50, 10), DUBLIN) == {}


def test_jitter_is_no_jump() -> None:
    assert second_by_order(series(0, 20, 10, 40), DUBLIN) == {}


def test_each_year_is_told_by_itself() -> None:
    other = [datetime(2025, 10, 26, 1, minute) for minute in (0, 40, 5)]
    assert second_by_order(other + series(0, 40), DUBLIN) == {0: False, 1: False, 2: True}
    assert second_by_order([], DUBLIN) == {}
