"""Reading and writing places in a JSON document: `user.id`, `records[0].unit`, `records[].unit` for all."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from engine import sdk

_PATH = re.compile(r"[^.\[\]]+(?:\[\d{0,6}\])*(?:\.[^.\[\]]+(?:\[\d{0,6}\])*)*")
_STEP = re.compile(r"\[(\d*)\]|[^.\[\]]+")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")

_ALL = -1
Step = str | int


def is_path(text: str) -> bool:
    return _PATH.fullmatch(text) is not None


def read(body: bytes) -> Any:
    """A document whose numbers keep their digits (5.40 stays 5.40). Raises InvalidMessage."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise sdk.InvalidMessage("the body is not JSON", code="not-json") from None


def write(document: Any) -> bytes:
    return _encoder.encode(document)


def values(document: Any, path: str) -> list[Any]:
    """What stands at a path: one value for each element that it passes through; none where it leads nowhere."""
    return list(_walk(document, _steps(path)))


def put(document: Any, path: str, value: Any) -> bool:
    """Write a value in place, making the objects on the way. False if there was nothing to write to.

    Raises InvalidMessage where something else than an object or list stands in the way.
    """
    *way, last = _steps(path)
    holders = [document]
    for step in way:
        holders = [inner for holder in holders for inner in _enter(holder, step, path)]
    return sum(_set(holder, last, value, path) for holder in holders) > 0


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    for match in _STEP.finditer(path):
        number = match[1]
        steps.append(match[0] if number is None else int(number) if number else _ALL)
    return steps


def _walk(value: Any, steps: list[Step]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield from _walk(value[step], rest)
    elif isinstance(value, list):
        for element in value if step == _ALL else value[step : step + 1]:
            yield from _walk(element, rest)


def _enter(holder: Any, step: Step, path: str) -> list[Any]:
    if isinstance(step, str):
        return [_object(holder, path).setdefault(step, {})]
    elements = _list(holder, path)
    return elements if step == _ALL else elements[step : step + 1]


def _set(holder: Any, step: Step, value: Any, path: str) -> int:
    """How many places were written."""
    if isinstance(step, str):
        _object(holder, path)[step] = value
        return 1
    elements = _list(holder, path)
    places = range(len(elements)) if step == _ALL else range(step, min(step + 1, len(elements)))
    for place in places:
        elements[place] = value
    return len(places)


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise sdk.InvalidMessage("something other than an object stands on the way", code="not-an-object", path=path)
    return value


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise sdk.InvalidMessage("something other than a list stands there", code="not-a-list", path=path)
    return value
