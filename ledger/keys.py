"""The two keys of a reading, and the key of a record at its source. Pure, and fast: they are made for every record.

- `same_moment`: patient, minute, analyte. Equal here but not below: two sources disagree.
- `same_reading`: patient, minute, analyte, value in 0.1 mmol/L. Equal: a duplicate.

Both are SHA-256 over a canonical text (`canonical_text`), cut to 12 bytes and led by the minute in 4, so that the
keys of new readings lie together at the right edge of their index. A bucket only finds: readings a second apart may
lie in two minutes, and a sender that divides by 18 moves every tenth value by one bucket. So neighbouring buckets
are probed too, and a tolerance decides (`ledger.claims`).
"""

import hashlib
from functools import lru_cache
from itertools import product
from typing import Any

from clinical import units

MINUTE = 60_000
"""Milliseconds in a time bucket."""
LARGEST_TIME_TOLERANCE = MINUTE
"""Milliseconds: further apart, readings of a sensor that reads every minute would merge."""

_HASH_BYTES = 12
_LAST_MINUTE = 0xFFFF_FFFF


def canonical_text(*parts: str | int) -> str:
    """The text that is hashed: each part with its length before it, so that no two lists of parts give one text."""
    return "|".join(f"{len(str(part))}:{part}" for part in parts)


@lru_cache(maxsize=4096)
def _started(tenant: str, patient: str, analyte: str) -> Any:
    """A hash over what all keys of one patient's analyte begin with."""
    return hashlib.sha256(canonical_text(tenant, patient, analyte).encode())


def _key(minute: int, digest: bytes) -> bytes:
    return min(max(minute, 0), _LAST_MINUTE).to_bytes(4, "big") + digest[:_HASH_BYTES]


def same_moment(tenant: str, patient: str, analyte: str, minute: int) -> bytes:
    """16 bytes for everything that is said of this analyte of this patient in this minute."""
    hashed = _started(tenant, patient, analyte).copy()
    hashed.update(b"|%d" % minute)
    return _key(minute, hashed.digest())


def same_reading(tenant: str, patient: str, analyte: str, minute: int, matching: int) -> bytes:
    """16 bytes for this value (`matching_value`) of this analyte of this patient in this minute."""
    hashed = _started(tenant, patient, analyte).copy()
    hashed.update(b"|%d|%d" % (minute, matching))
    return _key(minute, hashed.digest())


def same_content(tenant: str, patient: str, subject: str, minute: int, content: bytes) -> bytes:
    """16 bytes for a record of another kind than glucose: all that it says (`content`), in this minute."""
    hashed = _started(tenant, patient, subject).copy()
    hashed.update(b"|%d|" % minute)
    hashed.update(content)
    return _key(minute, hashed.digest())


def identity(tenant: str, system: str, value: str, kind: str = "") -> bytes:
    """16 bytes for who a record is at its source, whatever its patient, time and value become.

    `kind` for all but glucose: a source may name a meal's insulin and its carbohydrate with one id.
    """
    hashed = _of_source(tenant, system).copy()
    hashed.update((f"|{canonical_text(value, kind)}" if kind else f"|{len(value)}:{value}").encode())
    digest: bytes = hashed.digest()
    return digest[:16]


@lru_cache(maxsize=4096)
def _of_source(tenant: str, system: str) -> Any:
    """A hash over what the identities of all that a source says begin with."""
    return hashlib.sha256(canonical_text(tenant, system).encode())


def minute_of(millis: int) -> int:
    """The time bucket of an instant."""
    return millis // MINUTE


@lru_cache(maxsize=4096)
def matching_value(steps: int, unit: str) -> int:
    """A value as tenths of mmol/L, rounded half up: its value bucket. For comparing only, never for judging."""
    return units.convert(steps, unit, units.MMOL_L)


def minutes_near(millis: int, to_the_minute: bool, tolerance: int) -> range:
    """The time buckets in which a reading of the same moment may lie: this one, and those within reach.

    `to_the_minute`: only the minute is known, so the reading may have been taken anywhere in it. `tolerance` is in
    milliseconds; a reading written to the minute in the bucket before may have
    been taken right up to its end.
    """
    start = millis // MINUTE * MINUTE if to_the_minute else millis
    latest = start + MINUTE - 1 if to_the_minute else millis
    return range((millis - tolerance) // MINUTE, (latest + tolerance) // MINUTE + 1)


def readings_near(
    tenant: str, patient: str, analyte: str, minutes: range, matching: int, tolerance: int
) -> list[bytes]:
    """`same_reading` of each of these minutes with each value at most `tolerance` buckets away."""
    values = range(matching - tolerance, matching + tolerance + 1)
    return [same_reading(tenant, patient, analyte, minute, value) for minute, value in product(minutes, values)]
