"""Fitbit's Web API and its successor, the Google Health API, to records: heart rate, steps, weight, glucose.

Source: Fitbit Web API (`activities-heart-intraday`, `activities-steps`, `weight`), which has ended for new data in
September 2026, and Google Health API v4 `users.dataTypes.dataPoints.list` (`dataPoints`). Fitbit's times are wall
clocks of the person's profile, without offset; Google's are instants.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from clinical import units
from clinical.records import Analyte, AnyRecord, Glucose, Instant, Original, Road, VitalKind, VitalSign
from clinical.time import Written, passes
from clinical.vendors.iso_time import read_time
from clinical.vendors.json_fields import Fields, joined, not_this, read_document, read_each, write_document
from clinical.vendors.making import Maker, Whose, glucose, quantity
from clinical.vendors.parsing import Flaw, Parsed, Problem

SYSTEM, GOOGLE = "fitbit", "google-health"
RULE = "fitbit"

_KILOGRAMS: Final = {"kg": Decimal(1), "lb": Decimal("0.45359237"), "stone": Decimal("6.35029318")}
_SPECIMENS: Final = {
    "INTERSTITIAL_FLUID": Analyte.INTERSTITIAL_GLUCOSE,
    "CAPILLARY_BLOOD": Analyte.CAPILLARY_GLUCOSE,
    "PLASMA": Analyte.PLASMA_GLUCOSE,
}


def read_fitbit(body: bytes, whose: Whose, *, weight_unit: str = "kg") -> Parsed:
    """Records of an answer, or of a list of them. `weight_unit`: Fitbit gives weights in the unit that was asked for, and does not say it.

    Where a day is told minute by minute, its total is left out. Raises Unreadable (line and column).
    """
    document = read_document(body)
    if isinstance(document, list):
        return joined([_within(f"[{n}].", _answer(one, whose, weight_unit)) for n, one in enumerate(document)])
    return _answer(document, whose, weight_unit)


def _within(place: str, parsed: Parsed) -> Parsed:
    problems = [Problem(place + one.path, one.code, one.text, one.body) for one in parsed.problems]
    return Parsed(parsed.records, problems, parsed.skipped)


def _answer(document: Any, whose: Whose, weight_unit: str) -> Parsed:
    if not isinstance(document, dict):
        raise not_this("an answer of Fitbit or Google Health", "not-fitbit")
    if isinstance(document.get("dataPoints"), list):
        google = Maker(whose, Road.CLOUD, GOOGLE, RULE)
        return read_each(document["dataPoints"], partial(_google, google), name="dataPoints")
    maker = Maker(whose, Road.CLOUD, SYSTEM, RULE)
    parts = [
        *(_series(maker, document, name, kind) for name, kind in _SERIES.items() if name in document),
        *([_weights(maker, document, weight_unit)] if "weight" in document else []),
    ]
    if not parts:
        raise not_this("an answer of Fitbit or Google Health", "not-fitbit")
    return joined(parts)


_SERIES: Final = {"activities-heart": VitalKind.HEART_RATE, "activities-steps": VitalKind.STEPS}


def _series(maker: Maker, document: dict[str, Any], name: str, kind: VitalKind) -> Parsed:
    days, intraday = document[name], document.get(f"{name}-intraday")
    if not isinstance(days, list):
        raise not_this(f"an answer of Fitbit: {name} is no list", "not-fitbit")
    dataset = intraday.get("dataset") if isinstance(intraday, dict) else None
    if not isinstance(intraday, dict) or not isinstance(dataset, list):
        if kind is VitalKind.HEART_RATE:
            return Parsed([], (), len(days))  # zones and averages of days
        return read_each(days, partial(_day, maker), name=name)
    first = Fields(days[0]) if days and isinstance(days[0], dict) else Fields({})
    date = first.word("dateTime") or ""
    seconds = _interval(intraday)

    def only(item: Any) -> bytes:
        return write_document({name: [{"dateTime": date}], f"{name}-intraday": {**intraday, "dataset": [item]}})

    read = partial(_minute, maker, kind, date, seconds)
    return read_each(dataset, read, name=f"{name}-intraday.dataset", only=only)


def _interval(intraday: dict[str, Any]) -> int:
    """How long each value of a dataset stands for."""
    number, unit = intraday.get("datasetInterval"), intraday.get("datasetType")
    factor = {"minute": 60, "second": 1}.get(str(unit), 60)
    return number * factor if isinstance(number, int) and 0 < number <= 1440 else factor


def _minute(maker: Maker, kind: VitalKind, date: str, seconds: int, item: Fields) -> Sequence[AnyRecord]:
    written = f"{date}T{item.needed_text('time', 16)}"
    at = maker.whose.time(written, "time")
    number = item.needed("value", as_text=True)
    if kind is VitalKind.STEPS:
        if number == 0:
            return []  # a minute of rest
        value = quantity(number, units.COUNT, "value", 200_000)
    else:
        value = quantity(number, units.PER_MINUTE, "value", 400)
    identity = maker.whose.digest(kind, written, seconds)
    entry = maker.entry(identity, at, Original(value=item.original("value"), code=kind, time=written))
    return [VitalSign(**entry, kind=kind, value=value, duration_seconds=seconds if kind is VitalKind.STEPS else None)]


def _day(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    written = item.needed_text("dateTime", 16)
    begin = read_time(f"{written}T00:00:00", "dateTime")
    at = maker.whose.check(maker.whose.instant(Written(begin.wall, None, "day"), "dateTime"), "dateTime")
    value = quantity(item.needed("value", as_text=True), units.COUNT, "value", 200_000)
    original = Original(value=item.original("value"), code="activities-steps", time=written)
    entry = maker.entry(maker.whose.digest("day", written), at, original, remarks=("a day's total",))
    return [VitalSign(**entry, kind=VitalKind.STEPS, value=value, duration_seconds=_length(maker.whose, begin))]


def _length(whose: Whose, begin: Written) -> int:
    """Of a day, which is not always 24 hours."""
    if whose.zone is None:
        return 86_400
    ends = passes(begin.wall + timedelta(days=1), whose.zone).first
    return int((ends - passes(begin.wall, whose.zone).first).total_seconds())


def _weights(maker: Maker, document: dict[str, Any], unit: str) -> Parsed:
    if not isinstance(document["weight"], list):
        raise not_this("an answer of Fitbit: weight is no list", "not-fitbit")
    return read_each(document["weight"], partial(_weight, maker, unit), name="weight")


def _weight(maker: Maker, unit: str, item: Fields) -> Sequence[AnyRecord]:
    """`logId` looks like an instant and is the wall clock read as UTC: it names the record and tells no time."""
    written = f"{item.needed_text('date', 16)}T{item.needed_text('time', 16)}"
    at = maker.whose.time(written, "time")
    weight = quantity(item.needed("weight") * _KILOGRAMS[unit], units.KILOGRAM, "weight", 700)
    identity = item.original("logId") or maker.whose.digest("weight", written)
    original = Original(value=item.original("weight"), unit=unit, code="weight", time=written)
    return [VitalSign(**maker.entry(identity, at, original), kind=VitalKind.WEIGHT, value=weight)]


# --- Google Health


def _google(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    for name, make in _POINTS.items():
        if name in item:
            point = item.inner(name)
            assert point is not None
            return [make(maker, item, point)]
    return []


def _sampled(maker: Maker, point: Fields) -> Instant:
    sample = point.inner("sampleTime")
    if sample is None:
        raise point.flaw("sampleTime", "time-missing", "is missing")
    return _physical(maker, sample, "physicalTime", "utcOffset")


def _physical(maker: Maker, held: Fields, name: str, offset_name: str) -> Instant:
    found = maker.whose.time(held.needed_text(name, 64), held.path(name))
    offset = held.word(offset_name) or ""
    seconds = int(offset[:-1]) if offset.endswith("s") and offset[:-1].lstrip("-").isdecimal() else None
    return maker.whose.at_millis(found.millis, held.path(name), seconds // 60 if seconds is not None else None)


def _pointed(
    maker: Maker, item: Fields, kind: str, at: Instant, value: str | None, unit: str, remark: str | None = None
) -> dict[str, Any]:
    source = item.inner("dataSource") if item.is_object("dataSource") else None
    identity = item.text("name", 256) or maker.whose.digest(kind, source.word("platform") if source else "", at.millis)
    return maker.entry(identity, at, Original(value=value, unit=unit, code=kind), remarks=(remark,))


def _google_heart(maker: Maker, item: Fields, point: Fields) -> VitalSign:
    at = _sampled(maker, point)
    rate = quantity(point.needed("beatsPerMinute", as_text=True), units.PER_MINUTE, point.path("beatsPerMinute"), 400)
    entry = _pointed(maker, item, "heartRate", at, point.original("beatsPerMinute"), "/min")
    return VitalSign(**entry, kind=VitalKind.HEART_RATE, value=rate)


def _google_steps(maker: Maker, item: Fields, point: Fields) -> VitalSign:
    interval = point.inner("interval")
    if interval is None:
        raise point.flaw("interval", "time-missing", "is missing")
    begin = _physical(maker, interval, "startTime", "startUtcOffset")
    end = _physical(maker, interval, "endTime", "endUtcOffset")
    if not begin.millis <= end.millis <= begin.millis + 8 * 86_400_000:
        raise Flaw(interval.path("endTime"), "time-impossible", "lies before the start, or more than a week after it")
    count = quantity(point.needed("count", as_text=True), units.COUNT, point.path("count"), 200_000)
    entry = _pointed(maker, item, "steps", begin, point.original("count"), "{steps}")
    seconds = (end.millis - begin.millis) // 1000
    return VitalSign(**entry, kind=VitalKind.STEPS, value=count, duration_seconds=seconds)


def _google_weight(maker: Maker, item: Fields, point: Fields) -> VitalSign:
    at = _sampled(maker, point)
    grams = point.needed("weightGrams", as_text=True)
    weight = quantity(grams / 1000, units.KILOGRAM, point.path("weightGrams"), 700)
    entry = _pointed(maker, item, "weight", at, point.original("weightGrams"), "g")
    return VitalSign(**entry, kind=VitalKind.WEIGHT, value=weight)


def _google_glucose(maker: Maker, item: Fields, point: Fields) -> Glucose:
    at, name = _sampled(maker, point), "bloodGlucoseMilligramsPerDeciliter"
    measured = glucose(point.needed(name, as_text=True), units.MG_DL, point.path(name))
    sensor = point.word("measurementSource") == "CONTINUOUS_GLUCOSE_MONITORING"
    analyte = _SPECIMENS.get(point.word("specimen") or "", Analyte.BLOOD_GLUCOSE)
    entry = _pointed(maker, item, "bloodGlucose", at, point.original(name), units.MG_DL, measured.remark)
    return Glucose(**entry, analyte=Analyte.INTERSTITIAL_GLUCOSE if sensor else analyte, value=measured.value)


_POINTS: Final[dict[str, Callable[[Maker, Fields, Fields], AnyRecord]]] = {
    "heartRate": _google_heart,
    "steps": _google_steps,
    "weight": _google_weight,
    "bloodGlucose": _google_glucose,
}
