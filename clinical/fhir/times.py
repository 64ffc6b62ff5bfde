"""Instants as FHIR writes them (R4 section 2.24.0.1, dateTime)."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from clinical.records import Instant

_EPOCH_DAY = date(1970, 1, 1)
_MILLIS_PER_DAY = 86_400_000
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
    if instant.precision == "day":
        return _day(number)
    seconds, millis = divmod(millis, 1000)
    minutes, seconds = divmod(seconds, 60)
    if instant.precision == "minute":
        seconds = 0
    fraction = f".{millis:03}" if instant.precision == "millisecond" else ""
    zone = "Z" if offset is None else _offset(offset)
    return f"{_day(number)}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{fraction}{zone}"


def instant_text(moment: datetime) -> str:
    """An aware datetime as a FHIR instant in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
