"""Dates that say day and month in either order, with one separator: what a whole file tells about the order.

One date with a number past 12 tells for all; two that contradict, or none that tells, are never guessed at.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from clinical.vendors.parsing import Unreadable

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day-first", "month-first", "year-first"
DATE: Final = re.compile(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})", re.ASCII)
_LAST_MONTH, _YEAR_DIGITS = 12, 4


def order_of(days: Mapping[str, int], dates: str | None, column: str, *, beside: str | None = None) -> str:
    """The order of a file's dates. `days`: each that occurs, with its line; `beside`: a date of the first line that is
    written alike; `dates`: what somebody said of files that do not tell.

    Raises Unreadable `dates-undecidable` with the question, and `dates-mixed` with the line that contradicts.
    """
    told: dict[str, int] = {}
    if beside and (match := DATE.search(beside)):
        told |= dict.fromkeys(_told(match), 1)
    for day, line in days.items():
        if match := DATE.fullmatch(day):
            for one in _told(match):
                told.setdefault(one, line)
    if len(told) > 1:
        first, second = list(told.items())[:2]
        text = (
            f"dates are {first[0]} at line {first[1]} and {second[0]} here: two exports in one file, or an edited one"
        )
        raise Unreadable(text, code="dates-mixed", path=f"line {second[1]}")
    order: str | None = next(iter(told), dates)
    if order is None and any(DATE.fullmatch(day) for day in days):
        text = (
            "every date in this file reads as day-month and as month-day; does the account that made it write the day"
            " or the month first? Set `dates: day-first` or `dates: month-first`"
        )
        raise Unreadable(text, code="dates-undecidable", path=f"column {column}")
    if dates is not None and order not in (dates, YEAR_FIRST):
        text = f"`dates` says {dates}, but the date here is {order}"
        raise Unreadable(text, code="dates-mixed", path=f"line {told[order or dates]}")
    return order or YEAR_FIRST


def _told(match: re.Match[str]) -> list[str]:
    first, second = int(match[1]), int(match[2])
    if len(match[1]) == _YEAR_DIGITS:
        return [YEAR_FIRST]
    if first > _LAST_MONTH >= second or match[0][len(match[1])] == ".":
        return [DAY_FIRST]  # 05.08.2026: nobody writes the month first with full stops
    return [MONTH_FIRST] if second > _LAST_MONTH >= first else []


@lru_cache(maxsize=4096)
def read_date(text: str, order: str) -> tuple[int, int, int]:
    """Year, month and day; a year of two digits is of this century. Raises ValueError."""
    match = DATE.fullmatch(text)
    if match is None:
        raise ValueError("no date")
    one, two, three = int(match[1]), int(match[2]), int(match[3])
    year, month, day = {
        DAY_FIRST: (three, two, one),
        MONTH_FIRST: (three, one, two),
        YEAR_FIRST: (one, two, three),
    }[order]
    if order != YEAR_FIRST and len(match[3]) == len("21"):
        year += 2000
    if not 1900 <= year <= 2200:
        raise ValueError("no device lives then")
    return year, month, day
