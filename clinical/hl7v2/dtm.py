"""HL7 date-times (DTM, TS): `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`, HL7 v2.9.1 section 2A.2.21."""

import re
from datetime import datetime, timedelta

from clinical.hl7v2.errors import Hl7Error
from clinical.time import Written

_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?", re.ASCII
)
_USUAL = frozenset({14, 19})  # to the second, without an offset and with one
_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001 - offset beside it
_MOST = 10_000
_WIDEST_OFFSET_MINUTES = 14 * 60
_ADVICE = "write it as YYYYMMDDHHMMSS+ZZZZ"


def read_dtm(text: str) -> Written:
    """A moment as written, to the minute at least. Raises Hl7Error without a path.

    `no-time-of-day`: it is coarser than a minute, and nobody may invent the rest. `bad-time`: it is no such moment.
    """
    if len(text) in _USUAL:
        try:
            past, offset = _PASTS[text[10:]]
            return Written(_HOURS[text[:10]] + past, offset)
        except ValueError:
            pass  # another form, or no time at all: the pattern decides
    return _read(text.strip())


def _read(text: str) -> Written:
    match = _DTM.fullmatch(text)
    if match is None:
        raise Hl7Error(f"is not an HL7 date and time; {_ADVICE}", code="bad-time")
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        micros = int((fraction or "0").ljust(6, "0")[:6])
        clock = (int(hour or 0), int(minute or 0), int(second or 0), micros)
        wall = _likely(datetime(int(year), int(month or 1), int(day or 1), *clock))  # noqa: DTZ001 - offset beside it
        offset = _offset(sign, hours, minutes) if sign else None
    except ValueError:
        raise Hl7Error(f"there is no such date and time; {_ADVICE}", code="bad-time") from None
    if minute is None:
        what = "no time of day" if hour is None else "an hour but no minutes"
        raise Hl7Error(f"has {what}, and none is invented; {_ADVICE}", code="no-time-of-day")
    return Written(wall, offset, "minute" if second is None else "second" if fraction is None else "millisecond")


def _likely(wall: datetime) -> datetime:
    """Years in which arithmetic with offsets cannot leave the calendar; all others are no clock's time."""
    if not 1900 <= wall.year <= 2200:
        raise ValueError("no clock shows that year")
    return wall


class _Hours(dict[str, datetime]):
    """`YYYYMMDDHH`; each is read once."""

    def __missing__(self, text: str) -> datetime:
        hour = _read(text + "00").wall
        if len(self) >= _MOST:
            self.clear()
        self[text] = hour
        return hour


class _Pasts(dict[str, tuple[timedelta, int | None]]):
    """`MMSS` and an offset, if there is one: how much past the hour, and minutes east of UTC; each is read once."""

    def __missing__(self, text: str) -> tuple[timedelta, int | None]:
        found = _read("2000010100" + text)
        if found.precision != "second":
            raise ValueError("another form")
        if len(self) >= _MOST:
            self.clear()
        past = self[text] = found.wall - _MIDNIGHT, found.offset_minutes
        return past


_HOURS = _Hours()
_PASTS = _Pasts()


def _offset(sign: str, hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _WIDEST_OFFSET_MINUTES:
        raise ValueError("no zone is so far from UTC")
    return -total if sign == "-" else total


def offset_of(text: str) -> int | None:
    """The offset of a time in minutes east of UTC, whatever its precision; None if it has none or is no time."""
    match = _DTM.fullmatch(text.strip())
    if match is None or match[8] is None:
        return None
    try:
        return _offset(match[8], match[9], match[10])
    except ValueError:
        return None


def write_dtm(moment: datetime, *, offset: bool = True) -> str:
    """An aware moment with the seconds it has, a fraction only if there is one, and its offset."""
    text = moment.strftime("%Y%m%d%H%M%S")
    if moment.microsecond:
        text += f".{moment.microsecond // 1000:03d}"
    return text + moment.strftime("%z")[:5] if offset else text
