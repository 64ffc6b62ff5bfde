"""Times read the short way are the times that the long way reads."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.time import Written, instant_in_zone
from clinical.vendors.iso_time import read_time, read_wall
from clinical.vendors.parsing import Flaw
from clinical.vendors.wall_clock import HourClock, WallClock
from tests.examples import some

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock
ZONES = ("Europe/Dublin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca", "UTC")
walls = st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1)).map(lambda wall: wall.replace(microsecond=0))  # noqa: DTZ001
changes = st.sampled_from(("2025-10-26T00:00:00", "2026-03-29T00:00:00", "2026-04-05T00:00:00", "2025-03-09T00:00:00"))
near_a_change = st.builds(
    lambda day, minutes: datetime.fromisoformat(day) + timedelta(minutes=minutes), changes, st.integers(-600, 900)
)


@given(walls, st.sampled_from(("", "Z", "+05:45", "-0330", " +0200", ".250Z", "-04:00:29")), st.sampled_from("T "))
@settings(max_examples=some(300))
def test_a_wall_is_what_the_long_way_reads(wall: datetime, behind: str, between: str) -> None:
    text = f"{wall:%Y-%m-%d}{between}{wall:%H:%M:%S}{behind}"
    written, found = read_time(text, "t"), read_wall(text, "t")
    assert EPOCH + timedelta(milliseconds=found.millis) == written.wall
    assert found.local == written.wall.isoformat()
    assert (found.offset_minutes, found.precision) == (written.offset_minutes, written.precision)


@pytest.mark.parametrize(
    "text", ["", "2025", "2025-01-30T", "2025-01-30T23:", "2025-01-30T23:60:00", "٢٠٢٥-01-30T23:10:00"]
)
def test_what_is_no_time_is_no_wall_either(text: str) -> None:
    with pytest.raises(Flaw, match="time-unreadable"):
        read_wall(text, "t")


@given(walls | near_a_change, st.sampled_from(ZONES))
@settings(max_examples=some(400))
def test_an_hour_worked_out_once_gives_the_instants_of_the_zone(wall: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    short, long = HourClock(zone).instant(wall.isoformat()), instant_in_zone(Written(wall, None), zone)
    assert short is None or short == long
    assert WallClock(zone, ()).plain(Written(wall, None)) in (None, long)


def test_hours_in_which_clocks_change_are_left_to_the_whole_file() -> None:
    clock = HourClock(ZoneInfo("Europe/Dublin"))
    assert clock.instant("2025-10-26T01:30:00") is None
    assert clock.instant("2026-03-29T01:30:00") is None
    assert clock.instant("2025-10-26T02:30:00") is not None
    assert clock.instant("2026-03-01T01:30:00Z") is None
