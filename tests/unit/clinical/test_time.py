"""Wall clocks of devices that do as they like, and names of zones that are not IANA's."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from clinical.time import (
    Written,
    ignores_summer_time,
    instant_in_zone,
    instant_without_summer_time,
    is_local_epoch,
    moment,
    wall_of_epoch,
)
from clinical.zones import zone_of

LONDON, DUBLIN, NEW_YORK = (ZoneInfo(name) for name in ("Europe/London", "Europe/Dublin", "America/New_York"))
NEVER = datetime(2021, 3, 28, 1, 32)  # noqa: DTZ001 - a wall clock: 01:00 became 02:00 that night in London


def test_a_time_that_does_not_occur_shows_a_clock_that_ignores_summer_time() -> None:
    assert ignores_summer_time([datetime(2021, 3, 28, 0, 47), NEVER], LONDON)  # noqa: DTZ001
    assert not ignores_summer_time([datetime(2021, 3, 28, 0, 47), datetime(2021, 3, 28, 2, 1)], LONDON)  # noqa: DTZ001


@pytest.mark.parametrize("zone", [LONDON, DUBLIN])
def test_such_a_clock_goes_on_evenly_and_keeps_its_mark(zone: ZoneInfo) -> None:
    walls = [datetime(2021, 3, 28, 0, 47) + timedelta(minutes=15 * n) for n in range(10)]  # noqa: DTZ001
    instants = [instant_without_summer_time(Written(wall, None, "minute"), zone) for wall in walls]
    steps = {b.millis - a.millis for a, b in itertools.pairwise(instants)}
    assert steps == {15 * 60_000}
    assert [instant.gap for instant in instants] == [False] + [True] * 4 + [False] * 5
    assert {(instant.how, instant.offset_minutes) for instant in instants} == {("standard", 0)}
    assert instants[3].local == "2021-03-28T01:32:00"


def test_half_hour_zones_are_kept_to_the_minute() -> None:
    written = Written(datetime(2026, 3, 1, 12, 0), None)  # noqa: DTZ001
    assert instant_in_zone(written, ZoneInfo("Asia/Kathmandu")).offset_minutes == 345
    assert instant_without_summer_time(written, ZoneInfo("Australia/Lord_Howe")).offset_minutes == 630


@pytest.mark.parametrize(
    ("name", "iana"),
    [
        ("Eastern Standard Time", "America/New_York"),
        ("Eastern Daylight Time", "America/New_York"),
        ("Central European Summer Time", "Europe/Warsaw"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("central european  standard time", "Europe/Warsaw"),
        ("Greenwich Mean Time", "Europe/London"),
        ("India Standard Time", "Asia/Kolkata"),
        ("AUS Eastern Standard Time", "Australia/Sydney"),
        ("Europe/Dublin", "Europe/Dublin"),
        ("UTC", "Etc/UTC"),
    ],
)
def test_names_of_windows_and_java_are_zones(name: str, iana: str) -> None:
    assert zone_of(name) == ZoneInfo(iana)


@pytest.mark.parametrize(
    ("name", "minutes"), [("UTC+5:30", 330), ("GMT-0345", -225), ("+02:00", 120), ("UTC+14", 840), ("-0800", -480)]
)
def test_offsets_are_fixed_zones(name: str, minutes: int) -> None:
    assert zone_of(name) == timezone(timedelta(minutes=minutes))


@pytest.mark.parametrize(
    "name", ["IST", "CST", "EST", "", "Mars Time", "Europe/Nowhere", "UTC+15", "../etc/passwd", "a\0/b"]
)
def test_what_is_not_certain_is_no_zone(name: str) -> None:
    assert zone_of(name) is None


def test_an_epoch_of_local_time_becomes_its_instant() -> None:
    # The pump's clock showed 19:35 in New York; its epoch says 19:35 UTC, and the server's clock 00:35 UTC.
    server = int(datetime(2025, 11, 12, 0, 35, tzinfo=UTC).timestamp() * 1000)
    pump = server - 5 * 3_600_000 - 16_560  # five hours, and a clock a little behind
    assert is_local_epoch(pump, server, NEW_YORK)
    assert not is_local_epoch(server - 60_000, server, NEW_YORK)
    assert not is_local_epoch(server, server, ZoneInfo("Etc/UTC"))
    instant = instant_in_zone(wall_of_epoch(pump), NEW_YORK)
    assert instant.millis == pump + 5 * 3_600_000
    assert moment(instant.millis, NEW_YORK).replace(tzinfo=None) == wall_of_epoch(pump).wall
