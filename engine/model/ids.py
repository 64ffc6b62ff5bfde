"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562 section 5.7)."""

import threading
import time
from random import getrandbits

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 as text; within one process each is greater than the one before, also inside a millisecond.

    The 12 bits after the version count up inside a millisecond, so that rows made together stay in order.
    """
    global _last  # noqa: PLW0603 - one sequence for the process is the point
    millis = time.time_ns() // 1_000_000
    with _lock:
        stamp = max(millis << 12, _last + 1)
        _last = stamp
    digits = f"{(stamp >> 12 << 4 | 7) << 76 | (stamp & 0xFFF) << 64 | 1 << 63 | getrandbits(62):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def millis_of(id_: str) -> int:
    """When a UUIDv7 was made: milliseconds since 1970."""
    return int(id_[:8] + id_[9:13], 16)


def least_id(millis: int) -> str:
    """What no id that is made at this moment, or later, is less than; for bounds in time."""
    digits = f"{millis:012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"
