"""Chosen fields of every segment of one name, in one pass over a message's text: nothing else is split."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from clinical.hl7v2.delimiters import Delimiters


def rows(text: str, name: str, fields: Sequence[int], delimiters: Delimiters, codec: str) -> list[tuple[str, ...]]:
    """For each segment of that name (not MSH) the first leaves of these fields, two or more in ascending order.

    `text` is a message as it came. What is not there is `""`, as everywhere.
    """
    ends = "[\r\n]" if "\n" in text else "\r"
    found: list[tuple[str, ...]] = _pattern(name, tuple(fields), delimiters, ends).findall(text)
    escape = delimiters.signs[3]
    if text.find(escape, 9) < 0:  # MSH-2 names it before
        return found
    return [tuple([delimiters.unescaped(leaf, codec) if escape in leaf else leaf for leaf in row]) for row in found]


@lru_cache(maxsize=256)
def _pattern(name: str, fields: tuple[int, ...], delimiters: Delimiters, ends: str) -> re.Pattern[str]:
    """A segment's start, and a group for each leaf. Segments may end early, so each group is optional with all behind
    it; nothing is ever tried twice (possessive), whatever the text."""
    assert len(fields) > 1
    assert fields[0] > 0
    assert all(before < after for before, after in pairwise(fields))
    sep = re.escape(delimiters.field)
    rest = rf"[^{sep}\r\n]*+"
    leaf = "([^" + "".join(map(re.escape, (delimiters.field, *delimiters.signs[:3]))) + r"\r\n]*+)"
    groups = ""
    for field, before in zip(reversed(fields), (*reversed(fields[:-1]), 0), strict=True):
        groups = f"(?:{(sep + rest) * (field - before - 1)}{sep}{leaf}{rest}{groups})?+"
    letters = "".join(f"[{re.escape(sign.lower() + sign.upper())}]" for sign in name)
    return re.compile(rf"{ends}{letters}(?=[{sep}\r\n]|\Z){groups}")
