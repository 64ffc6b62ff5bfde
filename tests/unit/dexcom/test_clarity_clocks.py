"""What time Clarity's wall clock says, also in the hours that clocks jump over or repeat."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from clinical.records import PatientRef
from clinical.vendors.clarity import read_clarity
from clinical.vendors.parsing import Parsed
from tests.unit.dexcom.clarity_files import COLUMNS, a_file, an_egv

PATIENT = PatientRef(system="stm", value="P-1")
DUBLIN = ZoneInfo("Europe/Dublin")


def read(body: bytes, zone: ZoneInfo = DUBLIN, **details: object) -> Parsed:
    return read_clarity(body, PATIENT, zone, **details)  # type: ignore[arg-type]


def values(parsed: Parsed) -> list[str | None]:
    return [record.original.value for record in parsed.records]


BUCHAREST = ZoneInfo("Europe/Bucharest")


def fall_back_rows(transmitter: str = "8ABCDE") -> list[tuple[str, ...]]:
    """27 October 2019, two passes through 03:00 to 04:00, sorted by wall clock as Clarity does; 24 rows."""
    rows = [an_egv("2019-10-27T02:55:07", "299", "1081273", transmitter)]
    for step in range(12):
        first, second = 1081573 + 300 * step, 1085173 + 300 * step
        at = f"2019-10-27T03:{5 * step:02d}:07"
        pair = [
            an_egv(at, str(300 + step), str(first), transmitter),
            an_egv(at, str(200 + step), str(second), transmitter),
        ]
        rows += pair if step % 2 else reversed(pair)
    return [*rows, an_egv("2019-10-27T04:00:07", "212", "1088773", transmitter)]


def test_the_hour_that_comes_twice_is_told_apart_by_the_transmitters_clock() -> None:
    parsed = read(a_file(fall_back_rows()), BUCHAREST)
    assert values(parsed) == [str(v) for v in (299, *range(300, 312), *range(200, 213))]
    instants = [record.effective.millis for record in parsed.records]
    assert {b - a for a, b in pairwise(instants)} == {300_000}
    assert [record.effective.fold for record in parsed.records] == [False] * 13 + [True] * 12 + [False]
    assert [record.effective.offset_minutes for record in parsed.records] == [180] * 13 + [120] * 13
    assert "time that occurs twice decided by ticks" in {deed.what for r in parsed.records for deed in r.done}


def test_without_the_transmitters_clock_the_hour_is_a_question() -> None:
    parsed = read(a_file(fall_back_rows(), columns=COLUMNS[:12]), BUCHAREST)
    assert values(parsed) == ["299", "212"]
    assert Counter(problem.code for problem in parsed.problems) == {"time-twice": 24}


@pytest.mark.parametrize(("if_twice", "offset"), [("earlier", 180), ("later", 120)])
def test_the_settings_may_answer_it(if_twice: str, offset: int) -> None:
    body = a_file([an_egv("2019-10-27T03:30:00")], columns=COLUMNS[:12])
    (record,) = read(body, BUCHAREST, if_twice=if_twice).records
    assert (record.effective.offset_minutes, record.effective.fold) == (offset, if_twice == "later")
    assert [deed.what for deed in record.done] == [f"time that occurs twice taken as the {if_twice} by setting"]


def test_rows_in_the_order_they_happened_are_told_apart_by_that_order() -> None:
    ticked = sorted(fall_back_rows(), key=lambda row: int(row[11]))
    parsed = read(a_file(ticked, columns=COLUMNS[:12]), BUCHAREST)
    assert not parsed.problems
    assert [record.effective.fold for record in parsed.records] == [False] * 13 + [True] * 12 + [False]


def test_a_clock_that_never_jumps_shows_no_gap_in_spring() -> None:
    """29 March 2020: 02:55:50 is followed by 04:00:51, and the transmitter counts 301 seconds."""
    rows = [
        an_egv("2020-03-29T02:55:50", ticks="1000000", transmitter="8ABCDE"),
        an_egv("2020-03-29T04:00:51", ticks="1000301", transmitter="8ABCDE"),
    ]
    first, second = read(a_file(rows), BUCHAREST).records
    assert second.effective.millis - first.effective.millis == 301_000
    assert not first.effective.gap
    assert not second.effective.gap


def test_a_time_that_never_was_is_kept_with_a_mark() -> None:
    (record,) = read(a_file([an_egv("2020-03-29T03:30:00")]), BUCHAREST).records
    assert record.effective.gap
    assert record.effective.local == "2020-03-29T03:30:00"
    assert record.effective.offset_minutes == 120
    assert [deed.what for deed in record.done] == ["time that the zone leaves out, read with the offset before it"]


def test_the_clock_of_another_transmitter_tells_nothing() -> None:
    rows = fall_back_rows()
    rows[0], rows[-1] = (an_egv(row[0], row[6], row[11], "OTHER1") for row in (rows[0], rows[-1]))
    parsed = read(a_file(rows), BUCHAREST)
    assert Counter(problem.code for problem in parsed.problems) == {"time-twice": 24}


def test_a_clock_that_was_set_tells_nothing() -> None:
    rows = [
        an_egv("2019-10-27T02:55:07", "299", "1081273", "8ABCDE"),
        an_egv("2019-10-27T03:10:00", "300", "77", "8ABCDE"),
    ]
    parsed = read(a_file(rows), BUCHAREST)
    assert [problem.code for problem in parsed.problems] == ["time-twice"]


def test_half_hour_changes_of_the_clock_are_told_apart_too() -> None:
    """Lord Howe Island goes back by 30 minutes: 5 April 2026, 01:30 to 02:00 occurs twice."""
    rows = [
        an_egv("2026-04-05T01:25:00", "100", "1000000", "8ABCDE"),
        an_egv("2026-04-05T01:45:00", "110", "1001200", "8ABCDE"),
        an_egv("2026-04-05T01:45:00", "120", "1003000", "8ABCDE"),
        an_egv("2026-04-05T02:05:00", "130", "1004200", "8ABCDE"),
    ]
    parsed = read(a_file(rows), ZoneInfo("Australia/Lord_Howe"))
    assert values(parsed) == ["100", "110", "120", "130"]
    assert [record.effective.offset_minutes for record in parsed.records] == [660, 660, 630, 630]
    assert [record.effective.fold for record in parsed.records] == [False, False, True, False]


def test_clocks_that_go_back_by_half_an_hour_are_told_apart_by_order() -> None:
    zone, first = ZoneInfo("Australia/Lord_Howe"), datetime(2026, 4, 4, 14, 0, tzinfo=UTC)
    moments = [first + timedelta(minutes=5 * number) for number in range(20)]
    walls = [moment.astimezone(zone).replace(tzinfo=None).isoformat() for moment in moments]
    parsed = read_clarity(a_file([an_egv(wall, "101", "", "") for wall in walls]), PATIENT, zone)
    assert [record.effective.millis for record in parsed.records] == [int(at.timestamp() * 1000) for at in moments]
