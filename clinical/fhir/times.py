"""Instants as FHIR writes them (R4 section 2.24.0.1, dateTime)."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from clinical.fhir.errors import FhirError
from clinical.records import Instant
from clinical.time import Written, instant_at_offset

_EPOCH_DAY = date(1970, 1, 1)
_MILLIS_PER_DAY = 86_400_000
_TWO_DIGITS = tuple(f"{number:02}" for number in range(60))
_CLOCK = tuple(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60))
_FURTHEST_OFFSET_MINUTES = 14 * 60  # the widest that a FHIR dateTime can write


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (_EPOCH_DAY + timedelta(days=number)).isoformat()


@lru_cache(maxsize=256)
def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def date_time(instant: Instant) -> str:
    """The instant as a FHIR dateTime with the digits that were given.

    Wall clock and offset as known, else UTC with `Z`. `day` gives a date alone; `minute` writes the seconds that
    FHIR demands as `00`; `millisecond` writes three digits.
    """
    offset = instant.offset_minutes
    if offset is not None and abs(offset) > _FURTHEST_OFFSET_MINUTES:
        offset = None
    number, millis = divmod(instant.millis + (offset or 0) * 60_000, _MILLIS_PER_DAY)
    precision = instant.precision
    if precision == "day":
        return _day(number)
    minute, millis = divmod(millis, 60_000)
    seconds = "00" if precision == "minute" else _TWO_DIGITS[millis // 1000]
    fraction = f".{millis % 1000:03}" if precision == "millisecond" else ""
    zone = "Z" if offset is None else _offset(offset)
    return f"{_day(number)}T{_CLOCK[minute]}:{seconds}{fraction}{zone}"


def instant_text(moment: datetime) -> str:
    """An aware datetime as a FHIR instant in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):(\d\d)))?", re.ASCII)


def read_date_time(text: object, path: str, *, day: bool = False) -> Instant:
    """A FHIR dateTime or instant. `Z` tells no wall clock, an offset does. A date alone is the midnight of UTC if
    `day`, which only sums of a day are.

    Raises FhirError: `no-time-of-day` for a date alone or less, `bad-time` for what is no dateTime.
    """
    if not isinstance(text, str) or not text:
        raise FhirError("nothing says when this was", path, "time-missing")
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        code = "no-time-of-day" if re.fullmatch(r"\d{4}(-\d\d)?", text, re.ASCII) else "bad-time"
        raise FhirError("is no FHIR dateTime with a date, a time and an offset", path, code)
    given, clock, fraction, utc, sign, hours, minutes = match.groups()
    if clock is None and not day:
        raise FhirError("has no time of day, and none is invented", path, "no-time-of-day")
    try:
        wall = datetime.fromisoformat(f"{given}T{clock or '00:00:00'}")
        wall = wall.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6]))
        offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1) if sign else 0
    except ValueError:
        raise FhirError("there is no such date and time", path, "bad-time") from None
    if abs(offset) > _FURTHEST_OFFSET_MINUTES or not 1900 <= wall.year <= 2200:
        raise FhirError("is no time that a clock shows", path, "bad-time")
    precision = "day" if clock is None else "millisecond" if fraction else "second"
    instant = instant_at_offset(Written(wall, offset, precision), offset, "offset")
    if utc or clock is None:
        return Instant(millis=instant.millis, how="offset", precision=precision)
    return instant
