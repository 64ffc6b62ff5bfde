"""Remembering what fields mean that come again and again, such as codes and units."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

from clinical.hl7v2.delimiters import Delimiters

T = TypeVar("T")
Reader = Callable[[str, Delimiters, str], T]

_LONGEST = 256


def remember_short(maxsize: int) -> Callable[[Reader[T]], Reader[T]]:
    """A cache for readers `(field text, delimiters, codec)` whose memory is bounded: long fields are read each time."""

    def decorate(read: Reader[T]) -> Reader[T]:
        remembered = lru_cache(maxsize)(read)

        @wraps(read)
        def reader(text: str, delimiters: Delimiters, codec: str) -> T:
            return (remembered if len(text) <= _LONGEST else read)(text, delimiters, codec)

        return reader

    return decorate
