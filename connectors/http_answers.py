"""What an HTTP server answers in a channel test, in an analyst's words."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from engine import sdk

_STATUS: Final = re.compile(r"(?P<status>[1-5]\d\d)(?:: (?P<seconds>\d{1,6}))?")

Judge = Callable[[int, Mapping[str, str]], sdk.Answer]
"""What a status with these headers means: an Answer, or an error word raised."""


def rehearsed(word: str, judge: Judge) -> sdk.Answer:
    """What it would come to if the server answered `503`, or `503: 60` (with `Retry-After: 60`), or did `no_answer`.

    Raises what `judge` raises, and ValueError for any other word.
    """
    if word.replace("-", "_") == "no_answer":
        raise sdk.Unavailable("the server did not answer in time", code="timed-out")
    match = _STATUS.fullmatch(word)
    if match is None:
        raise ValueError(
            'is no answer of a server; write a status such as 202 or 503, "503: 60" to be asked to wait, or no_answer'
        )
    return judge(int(match["status"]), {"Retry-After": match["seconds"]} if match["seconds"] else {})
