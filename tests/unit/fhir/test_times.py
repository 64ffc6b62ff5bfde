"""Instants as FHIR dateTimes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.fhir.times import date_time, instant_text
from clinical.records import Instant

# R4's own pattern for dateTime, as the specification prints it.
FHIR_DATE_TIME = re.compile(
    r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])"
    r"(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?)?)?"
)
MILLIS = 1_795_168_845_678  # 2026-11-20T10:00:45.678Z


@pytest.mark.parametrize(
    ("precision", "offset", "text"),
    [
        ("second", None, "2026-11-20T10:00:45Z"),
        ("second", 0, "2026-11-20T10:00:45+00:00"),
        ("second", 60, "2026-11-20T11:00:45+01:00"),
        ("second", -570, "2026-11-20T00:30:45-09:30"),
        ("second", 840, "2026-11-21T00:00:45+14:00"),
        ("second", 900, "2026-11-20T10:00:45Z"),
        ("minute", 60, "2026-11-20T11:00:00+01:00"),
        ("millisecond", 60, "2026-11-20T11:00:45.678+01:00"),
        ("day", 60, "2026-11-20"),
        ("day", 840, "2026-11-21"),
    ],
)
def test_offset_and_precision_are_kept(precision: str, offset: int | None, text: str) -> None:
    assert date_time(Instant(millis=MILLIS, how="offset", offset_minutes=offset, precision=precision)) == text


@settings(deadline=None)
@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - UTC below
    st.one_of(st.none(), st.integers(min_value=-840, max_value=840)),
)
def test_what_is_written_is_the_same_instant_and_a_fhir_date_time(moment: datetime, offset: int | None) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    millis = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    text = date_time(Instant(millis=millis, how="offset", offset_minutes=offset, precision="millisecond"))
    assert FHIR_DATE_TIME.fullmatch(text)
    assert datetime.fromisoformat(text) == moment


def test_an_instant_is_in_utc() -> None:
    assert instant_text(datetime(2026, 11, 20, 10, 0, 0, 5000, tzinfo=UTC)) == "2026-11-20T10:00:00.005Z"
