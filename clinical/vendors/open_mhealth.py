"""Open mHealth and IEEE 1752 data points to records: blood glucose, heart rate, steps, weight, blood pressure.

Source: openmhealth/schemas (blood-glucose 1.0 to 4.0 and its like) with IEEE 1752.1 time-frame-1.0. A value with a
descriptive statistic stands for a stretch of time and is no reading.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    BloodPressure,
    Glucose,
    Instant,
    Original,
    Quantity,
    Road,
    VitalKind,
    VitalSign,
)
from clinical.vendors.json_fields import Fields, items_of, not_this, read_document, read_each
from clinical.vendors.making import Maker, Whose, glucose, glucose_unit, quantity
from clinical.vendors.parsing import Flaw, Parsed

SYSTEM = "open-mhealth"
RULE = "open-mhealth"

_SPECIMENS: Final[Mapping[str, Analyte]] = {
    "interstitial fluid": Analyte.INTERSTITIAL_GLUCOSE,
    "capillary blood": Analyte.CAPILLARY_GLUCOSE,
    "plasma": Analyte.PLASMA_GLUCOSE,
    "whole blood": Analyte.BLOOD_GLUCOSE,
}
_OTHER_SPECIMENS: Final = frozenset({"serum", "tears", "urine", "saliva"})
_STATISTICS: Final = frozenset(
    {
        *("average", "count", "maximum", "median", "minimum", "standard deviation", "variance", "sum"),
        *("1st quartile", "2nd quartile", "3rd quartile", "4th quartile", "lower decile", "upper decile", "quintile"),
    }
)
_MEALS: Final = frozenset(
    {
        *("fasting", "not fasting", "before meal", "after meal", "with meal", "with food", "2 hours postprandial"),
        *(f"{when} {meal}" for when in ("before", "after") for meal in ("breakfast", "lunch", "dinner")),
    }
)
_SLEEP: Final = frozenset(
    {"before sleeping", "during sleep", "after sleeping", "on waking", "before sleep", "after sleep"}
)
_WEIGHTS: Final = {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237")}
_SECONDS: Final = {"sec": 1, "s": 1, "min": 60, "h": 3600, "d": 86400}
_MEASURES: Final = ("blood_glucose", "heart_rate", "step_count", "body_weight", "systolic_blood_pressure")


def read_open_mhealth(body: bytes, whose: Whose) -> Parsed:
    """Records of one data point, a list of them, or an answer with a list in `body`. Raises Unreadable."""
    document = read_document(body)
    name, items = items_of(document, "body", "dataPoints", "data_points") or ("", [document])
    if not items or (not isinstance(document, list) and not isinstance(document, dict)):
        raise not_this("a data point of Open mHealth", "not-open-mhealth")
    return read_each(items, partial(_read, Maker(whose, Road.CLOUD, SYSTEM, RULE)), name=name)


def _read(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    header = item.inner("header")
    body = item.inner("body") if item.is_object("body") else item
    assert body is not None
    measure = next((name for name in _MEASURES if name in body), None)
    if measure is None:
        if header is not None:
            return []  # a schema that is no measurement of ours
        raise item.flaw("", "measure-unknown", "holds none of " + ", ".join(_MEASURES))
    if (statistic := body.text("descriptive_statistic")) is not None:
        if statistic not in _STATISTICS:
            raise body.flaw("descriptive_statistic", "word-unknown", "is no statistic that the schema knows")
        _time_frame(body, maker.whose)
        return []
    return [_Point(maker, header, body, measure).record()]


class _Point:
    def __init__(self, maker: Maker, header: Fields | None, body: Fields, measure: str) -> None:
        self._maker, self._header, self._body, self._measure = maker, header, body, measure
        self._effective, self._seconds = _time_frame(body, maker.whose)

    def record(self) -> AnyRecord:
        match self._measure:
            case "blood_glucose":
                return self._glucose()
            case "systolic_blood_pressure":
                return BloodPressure(
                    **self._entry(),
                    systolic=self._pressure("systolic_blood_pressure"),
                    diastolic=self._pressure("diastolic_blood_pressure"),
                )
            case "heart_rate":
                rate = self._value("heart_rate", {"beats/min": Decimal(1)})
                value = quantity(rate, units.PER_MINUTE, "heart_rate.value", 400)
                return VitalSign(**self._entry(), kind=VitalKind.HEART_RATE, value=value)
            case "body_weight":
                weight = quantity(self._value("body_weight", _WEIGHTS), units.KILOGRAM, "body_weight.value", 700)
                return VitalSign(**self._entry(), kind=VitalKind.WEIGHT, value=weight)
            case _:
                plain = not self._body.is_object("step_count")
                count = self._body.needed("step_count") if plain else self._value("step_count", {"steps": Decimal(1)})
                value = quantity(count, units.COUNT, "step_count", 200_000)
                return VitalSign(**self._entry(), kind=VitalKind.STEPS, value=value, duration_seconds=self._seconds)

    def _glucose(self) -> Glucose:
        held = self._held("blood_glucose")
        unit = glucose_unit(held.text("unit"), held.path("unit"))
        measured = glucose(held.needed("value"), unit, held.path("value"))
        source = self._body.text("specimen_source") or self._body.text("blood_specimen_type")
        if source is not None and source not in _SPECIMENS and source not in _OTHER_SPECIMENS:
            raise self._body.flaw("specimen_source", "word-unknown", "is no specimen that the schema knows")
        if source in _OTHER_SPECIMENS:
            raise self._body.flaw("specimen_source", "specimen-unsupported", "is no specimen that a reading can be of")
        notes = (
            *self._known("temporal_relationship_to_meal", _MEALS),
            *self._known("temporal_relationship_to_sleep", _SLEEP),
        )
        return Glucose(
            **{**self._entry(measured.remark), "notes": notes},
            analyte=_SPECIMENS.get(source or "", Analyte.BLOOD_GLUCOSE),
            value=measured.value,
        )

    def _known(self, name: str, words: frozenset[str]) -> tuple[str, ...]:
        word = self._body.text(name)
        if word is not None and word not in words:
            raise self._body.flaw(name, "word-unknown", "is no word that the schema knows")
        return (word,) if word else ()

    def _held(self, name: str) -> Fields:
        held = self._body.inner(name)
        if held is None:
            raise self._body.flaw(name, "value-missing", "is missing")
        return held

    def _value(self, name: str, factors: Mapping[str, Decimal]) -> Decimal:
        held = self._held(name)
        factor = factors.get(held.text("unit") or "")
        if factor is None:
            raise held.flaw("unit", "unit-unknown", f"is none of {', '.join(factors)}")
        return held.needed("value") * factor

    def _pressure(self, name: str) -> Quantity:
        return quantity(self._value(name, {"mmHg": Decimal(1)}), units.PRESSURE, f"{name}.value", 400)

    def _entry(self, remark: str | None = None) -> dict[str, Any]:
        held = Fields({}) if not self._body.is_object(self._measure) else self._held(self._measure)
        header = self._header
        named = (header.text("id", 128) or header.text("uuid", 128)) if header else None
        value = held.original("value") or self._body.original(self._measure)
        identity = named or self._maker.whose.digest(self._measure, self._effective.millis, value)
        original = Original(value=value, unit=held.original("unit"), code=self._measure, time=self._effective.local)
        return self._maker.entry(identity, self._effective, original, remarks=(remark,))


def _time_frame(body: Fields, whose: Whose) -> tuple[Instant, int | None]:
    """A moment, or where a stretch of time begins and how long it is. Raises Flaw."""
    frame = body.inner("effective_time_frame")
    if frame is None:
        raise body.flaw("effective_time_frame", "time-missing", "is missing, and the schema requires it")
    if "date_time" in frame:
        return whose.time(frame.needed_text("date_time", 64), frame.path("date_time")), None
    interval = frame.inner("time_interval")
    if interval is None:
        raise frame.flaw("date_time", "time-missing", "has neither date_time nor time_interval")
    start = whose.time(interval.needed_text("start_date_time", 64), interval.path("start_date_time"))
    if "end_date_time" in interval:
        end = whose.time(interval.needed_text("end_date_time", 64), interval.path("end_date_time"))
        if end.millis < start.millis:
            raise interval.flaw("end_date_time", "time-impossible", "lies before the start")
        return start, (end.millis - start.millis) // 1000
    duration = interval.inner("duration")
    factor = _SECONDS.get(duration.word("unit") or "") if duration else None
    if duration is None or factor is None:
        raise interval.flaw("end_date_time", "time-missing", "has neither an end nor a duration that can be read")
    seconds = duration.needed("value") * factor
    if not 0 <= seconds <= 366 * 86400:
        raise Flaw(duration.path("value"), "time-impossible", "is negative, or longer than a year")
    return start, int(seconds)
