"""Quantities as analysts write them: `30s`, `20 per second`, `16 MB`. A bare number is refused."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PER = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_RATE = re.compile(r"(\d+)\s+per\s+(second|minute|hour|day)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMG]i?B|B)")


def parse_duration(value: object) -> float:
    """`30s`, `5m`, `1.5h`, `14d`, `250ms` as seconds. Raises ValueError that says what to write."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} what? Write a unit: {value}s, {value}m or {value}h")  # noqa: TRY004
    raise ValueError("is not a duration; write a number and a unit, such as 30s, 5m, 2h or 14d")


def parse_rate(value: object) -> float:
    """`20 per second`, `60000 per hour` as a number per second."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return int(match[1]) / _PER[match[2]]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} per what? Write {value} per second, per minute or per hour")  # noqa: TRY004
    raise ValueError("is not a rate; write a number and a time, such as 20 per second or 60000 per hour")


def parse_size(value: object) -> int:
    """`16 MB`, `64KiB` as bytes."""
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return int(float(match[1]) * _BYTES[match[2]])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} what? Write a unit: {value} kB or {value} MB")  # noqa: TRY004
    raise ValueError("is not a size; write a number and a unit, such as 64 kB or 16 MB")


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda seconds: f"{seconds:g}s", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$", "examples": ["30s", "5m"]}),
]
"""Seconds, written with a unit. A default in code is a plain float of seconds (pydantic leaves defaults alone)."""

Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ per (second|minute|hour|day)$", "examples": ["20 per second"]}),
]
"""Number per second, written `20 per second`."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "examples": ["16 MB", "64 KiB"]}),
]
"""Bytes, written with a unit. A default in code is a plain int of bytes."""
