"""A series of values in one Observation (SampledData, R4 section 2.24.0.12; R5's interval) as single Observations.

A CGM day comes so from some servers (gematik HDDT). The times are those that the series itself says: its start and the
time between two samples, or R5's offsets. Where these do not fit its end, none of its values has a time.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import msgspec

from clinical.fhir.errors import FhirError
from clinical.fhir.quantities import number_of
from clinical.fhir.read_common import ReadForm, source_of
from clinical.fhir.times import date_time, read_date_time
from clinical.records import Instant

ELEMENT: Final = "valueSampledData"
_PATH: Final = f"Observation.{ELEMENT}"
_MOST: Final = 100_000
_UNITS_MILLIS: Final = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
_LIMITS: Final = {"L": ("lowerLimit", "<"), "U": ("upperLimit", ">")}
_CORRECTIONS: Final = frozenset({"amended", "corrected", "entered-in-error"})


class Sample(NamedTuple):
    """One value of a series: the path to it, and the Observation that stands for it."""

    path: str
    resource: dict[str, Any]


def is_series(resource: Mapping[str, Any]) -> bool:
    """Is it an Observation with SampledData?"""
    return resource.get("resourceType") == "Observation" and ELEMENT in resource


def samples_of(resource: Mapping[str, Any], form: ReadForm) -> Iterator[Sample]:
    """Each value with its own time, under the series' name and that time, so that a later version of the series changes
    what it told before. `L` and `U` are limits; `E` is no value, and takes back what was told of it if the series is a
    correction.

    Raises FhirError, before any is given, if the times, the unit or the numbers cannot be known.
    """
    held = resource[ELEMENT]
    if not isinstance(held, dict):
        raise FhirError("is no SampledData", _PATH, "value-type")
    if held.get("dimensions") != 1:
        raise FhirError("has not one value at a time", f"{_PATH}.dimensions", "value-type")
    origin, words = number_of(held.get("origin"), f"{_PATH}.origin")
    words_of_data = _data(held)
    start, times = _times(resource, held, len(words_of_data))
    factor = _decimal(held.get("factor", 1), f"{_PATH}.factor")
    rest = {k: v for k, v in resource.items() if k not in ("id", "identifier", "effectivePeriod", ELEMENT)}
    named = source_of(resource, form)
    corrects = resource.get("status") in _CORRECTIONS
    plain = factor == 1 and origin == 0
    values = [_value(word, held, n, origin, factor, plain=plain) for n, word in enumerate(words_of_data)]
    for number, (value, millis) in enumerate(zip(values, times, strict=True)):
        if value is None and not corrects:
            continue
        when = msgspec.structs.replace(start, millis=millis, precision="millisecond" if millis % 1000 else "second")
        single = {
            **rest,
            "identifier": [{"system": named.system, "value": f"{named.value}@{millis}"}],
            "effectiveDateTime": date_time(when),
        }
        if value is None:
            single["status"] = "entered-in-error"
        else:
            single["valueQuantity"] = {**value, "code": words[0], "unit": words[-1]}
        yield Sample(f"{_PATH}.data[{number}]", single)


def _data(held: Mapping[str, Any]) -> list[str]:
    data = held.get("data")
    words = data.split() if isinstance(data, str) else []
    if not words:
        raise FhirError("has no data", f"{_PATH}.data", "value-missing")
    if len(words) > _MOST:
        raise FhirError(f"has more than {_MOST} values", f"{_PATH}.data", "too-long")
    return words


def _times(resource: Mapping[str, Any], held: Mapping[str, Any], count: int) -> tuple[Instant, list[int]]:
    """The start, and the UTC milliseconds of each value."""
    period = resource.get("effectivePeriod")
    if not isinstance(period, dict):
        raise FhirError("does not say when the series begins", "Observation.effectivePeriod", "time-missing")
    start = read_date_time(period.get("start"), "Observation.effectivePeriod.start")
    offsets = [start.millis + millis for millis in _offsets(held, count)]
    if "end" in period:
        end = read_date_time(period["end"], "Observation.effectivePeriod.end").millis
        if offsets[-1] > end:
            text = "ends before the last of its values; the time between two of them cannot be right"
            raise FhirError(text, "Observation.effectivePeriod.end", "period")
    return start, offsets


def _offsets(held: Mapping[str, Any], count: int) -> list[int]:
    unit = held.get("intervalUnit", "ms") if "interval" in held or "offsets" in held else "ms"
    if unit not in _UNITS_MILLIS:
        raise FhirError(f"is none of {', '.join(_UNITS_MILLIS)}", f"{_PATH}.intervalUnit", "unit-unknown")
    scale = _UNITS_MILLIS[unit]
    if isinstance(text := held.get("offsets"), str):
        offsets = [int(_decimal(word, f"{_PATH}.offsets") * scale) for word in text.split()]
        if len(offsets) != count or offsets != sorted(offsets):
            raise FhirError("are not one for each value, in order", f"{_PATH}.offsets", "period")
        return offsets
    name = "interval" if "interval" in held else "period"
    if name not in held:
        raise FhirError("does not say how far apart its values are", f"{_PATH}.{name}", "time-missing")
    step = _decimal(held[name], f"{_PATH}.{name}") * scale
    if step <= 0:
        raise FhirError("is no time between two values", f"{_PATH}.{name}", "period")
    return [int(step * number) for number in range(count)]


def _value(
    word: str, held: Mapping[str, Any], number: int, origin: Decimal, factor: Decimal, *, plain: bool
) -> dict[str, Any] | None:
    """Number and comparator; None for `E`."""
    path = f"{_PATH}.data[{number}]"
    if word == "E":
        return None
    if word not in _LIMITS:
        return {"value": origin + _decimal(word, path) * factor}
    name, comparator = _LIMITS[word]
    if name not in held:
        raise FhirError("is a limit that the series does not name", f"{_PATH}.{name}", "value-missing")
    if not plain:  # whether the limit is scaled as the data is, FHIR does not say
        raise FhirError(
            "is a limit, and the values are scaled: it is not clear in which numbers", path, "limit-unclear"
        )
    return {"value": _decimal(held[name], f"{_PATH}.{name}"), "comparator": comparator}


def _decimal(text: object, path: str) -> Decimal:
    try:
        number = Decimal(str(text)) if not isinstance(text, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise FhirError("is not a number", path, "not-a-number")
    return number
