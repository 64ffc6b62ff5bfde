# ruff: noqa: DTZ001 - wall clocks are naive here
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from clinical.hl7v2 import Hl7Error
from clinical.hl7v2.dtm import offset_of, read_dtm, write_dtm

WALL = datetime(2026, 11, 20, 10, 15, 30)


@pytest.mark.parametrize(
    ("text", "wall", "offset", "precision"),
    [
        ("20261120101530", WALL, None, "second"),
        ("20261120101530+0100", WALL, 60, "second"),
        ("20261120101530-0330", WALL, -210, "second"),
        ("20261120101530+0000", WALL, 0, "second"),
        ("202611201015", WALL.replace(second=0), None, "minute"),
        ("202611201015+1400", WALL.replace(second=0), 840, "minute"),
        ("20261120101530.5", WALL.replace(microsecond=500_000), None, "millisecond"),
        ("20261120101530.1234-0500", WALL.replace(microsecond=123_400), -300, "millisecond"),
        (" 20261120101530 ", WALL, None, "second"),
    ],
)
def test_a_moment_is_read_with_its_offset_and_its_precision(
    text: str, wall: datetime, offset: int | None, precision: str
) -> None:
    written = read_dtm(text)
    assert (written.wall, written.offset_minutes, written.precision) == (wall, offset, precision)


@pytest.mark.parametrize("text", ["2026", "202611", "20261120", "2026112010", "20261120+0100", "2026112010-0500"])
def test_no_time_of_day_is_invented(text: str) -> None:
    with pytest.raises(Hl7Error) as raised:
        read_dtm(text)
    assert raised.value.code == "no-time-of-day"


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "20261320101530", "20260230101530", "20261120241530", "20261120106030", "20261120101560",
        "20261120101530+9900", "20261120101530+0160", "20261120101530Z", "2026-11-20T10:15:30", "202611201015301",
        "2026112010153", "18001120101530", "00000000000000", "２０２６１１２０１０１５３０", "2026W0111015301",
        "20261120101530.", "20261120101530+01",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Hl7Error) as raised:
        read_dtm(text)
    assert raised.value.code == "bad-time"
    assert text not in str(raised.value) or len(text) < 2


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("20261120101530+0100", 60), ("20261120-0500", -300), ("2026", None), ("", None), ("2026+9900", None)],
)  # fmt: skip
def test_the_offset_of_a_message_time_is_found_whatever_its_precision(text: str, minutes: int | None) -> None:
    assert offset_of(text) == minutes


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (WALL.replace(tzinfo=UTC), "20261120101530+0000"),
        (WALL.replace(tzinfo=ZoneInfo("Asia/Kolkata")), "20261120101530+0530"),
        (WALL.replace(tzinfo=timezone(timedelta(hours=-9, minutes=-30))), "20261120101530-0930"),
        (WALL.replace(microsecond=7_000, tzinfo=UTC), "20261120101530.007+0000"),
    ],
)
def test_a_moment_is_written_so_that_it_is_read_back(moment: datetime, text: str) -> None:
    assert write_dtm(moment) == text
    assert read_dtm(text).wall == moment.replace(tzinfo=None)
