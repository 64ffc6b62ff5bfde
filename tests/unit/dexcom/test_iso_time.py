from datetime import datetime

import pytest

from clinical.vendors.iso_time import read_time, utc_of
from clinical.vendors.parsing import Flaw


@pytest.mark.parametrize(
    ("text", "utc", "offset", "local", "precision"),
    [
        ("2025-01-30T23:49:55Z", "2025-01-30 23:49:55", 0, "2025-01-30T23:49:55", "second"),
        ("2025-01-30T15:49:55-08:00", "2025-01-30 23:49:55", -480, "2025-01-30T15:49:55", "second"),
        # receivers write no offset
        ("2025-01-30T15:49:55", "2025-01-30 15:49:55", None, "2025-01-30T15:49:55", "second"),
        ("2025-01-30 15:49:55", "2025-01-30 15:49:55", None, "2025-01-30T15:49:55", "second"),
        # seen in production: no seconds, offsets in every form, single digits
        ("2021-02-03T14:15Z", "2021-02-03 14:15:00", 0, "2021-02-03T14:15:00", "minute"),
        ("2021-02-03T14:15:16-04:00:29", "2021-02-03 18:15:16", -240, "2021-02-03T14:15:16", "second"),
        ("2021-02-03T14:15:16-0400", "2021-02-03 18:15:16", -240, "2021-02-03T14:15:16", "second"),
        ("2021-02-03T14:15:16-04", "2021-02-03 18:15:16", -240, "2021-02-03T14:15:16", "second"),
        ("2021-2-3 4:5:6+5:45", "2021-02-02 22:20:06", 345, "2021-02-03T04:05:06", "second"),
        ("2021-02-03T14:15:16.5+01:00", "2021-02-03 13:15:16.500000", 60, "2021-02-03T14:15:16.500000", "millisecond"),
    ],
)
def test_reads_what_dexcom_has_been_seen_to_write(
    text: str, utc: str, offset: int | None, local: str, precision: str
) -> None:
    written = read_time(text, "systemTime")
    assert utc_of(written) == datetime.fromisoformat(utc)
    assert (written.offset_minutes, written.wall.isoformat(), written.precision) == (offset, local, precision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-01-31",  # no time of day: none is invented
        "2025-02-30T10:00:00Z",
        "2025-01-30T25:00:00Z",
        "2025-01-30T23:59:60Z",
        "2025-W05-4T15:49:55Z",
        "20250130T154955Z",
        "2025-01-30x15:49:55",
        "2025-01-30T15:49:55+25:00",
        "2025-01-30T15:49:55+15:00",  # no zone is so far away
        "2025-01-30T15:49:55+01:75",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "٢٠٢٥-01-30T15:49:55Z",
        "2025-01-31T15:49:55Z" + " " * 1000,
    ],
)
def test_refuses_what_is_no_time_without_repeating_it(text: str) -> None:
    with pytest.raises(Flaw) as caught:
        read_time(text, "systemTime")
    assert (caught.value.code, caught.value.field_name) == ("time-unreadable", "systemTime")
    assert text.strip() not in str(caught.value) or not text
