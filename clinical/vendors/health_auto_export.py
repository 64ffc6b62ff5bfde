"""Health Auto Export's JSON (an app that reads Apple Health) to records.

Source: the app's documentation, "JSON": `{"data": {"metrics": [{"name", "units", "data": [{"date", "qty", ...}]}]}}`.
The app can be told to add up by the minute, hour or day; a value made so is written down as one where it shows.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    Deed,
    Device,
    Glucose,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Road,
    VitalKind,
    VitalSign,
)
from clinical.vendors.apple_health import factor_of, sensor_maker
from clinical.vendors.json_fields import Fields, joined, not_this, read_document, read_each, write_document
from clinical.vendors.making import Maker, Whose, quantity, stored_glucose
from clinical.vendors.parsing import Parsed

SYSTEM = "health-auto-export"
RULE = "health-auto-export"

_WEIGHTS: Final = {"kg": Decimal(1), "lb": Decimal("0.45359237")}


def read_health_auto_export(body: bytes, whose: Whose) -> Parsed:
    """Records of the metrics that can be some; others count as skipped. Raises Unreadable (line and column)."""
    document = read_document(body)
    data = document.get("data") if isinstance(document, dict) else None
    metrics = data.get("metrics") if isinstance(data, dict) else None
    if not isinstance(metrics, list):
        raise not_this("an export of Health Auto Export: it has no list data.metrics", "not-health-auto-export")
    maker = Maker(whose, Road.CLOUD, SYSTEM, RULE)
    parts = [_metric(maker, number, metric) for number, metric in enumerate(metrics)]
    return joined(parts)


def _metric(maker: Maker, number: int, metric: Any) -> Parsed:
    items = metric.get("data") if isinstance(metric, dict) else None
    name = metric.get("name") if isinstance(metric, dict) else None
    read = _METRICS.get(name) if isinstance(name, str) else None
    if read is None or not isinstance(items, list):
        return Parsed([], (), len(items) if isinstance(items, list) else 1)
    unit = metric.get("units")
    one = partial(_record, maker, read, str(name), unit if isinstance(unit, str) else "")
    head = {"name": name, "units": unit}
    return read_each(items, one, name=f"data.metrics[{number}].data", only=partial(_alone, head))


def _alone(head: Mapping[str, Any], item: Any) -> bytes:
    return write_document({"data": {"metrics": [{**head, "data": [item]}]}})


_Made = Callable[[Fields, str, dict[str, Any]], AnyRecord]


def _record(maker: Maker, read: _Made, name: str, unit: str, item: Fields) -> Sequence[AnyRecord]:
    written = item.needed_text("date", 64)
    effective = maker.whose.time(written, "date")
    amount = item.original("qty") if name != "blood_glucose" else None
    identity = maker.whose.digest(name, item.original("source"), effective.millis, amount)
    value = item.original("qty") or item.original("Avg")
    entry = maker.entry(identity, effective, Original(value=value, unit=unit, code=name, time=written))
    return [read(item, unit, entry)]


def _glucose(item: Fields, unit: str, entry: dict[str, Any]) -> Glucose:
    factor = factor_of(unit)
    maker = sensor_maker(item.word("source") or "")
    measured = stored_glucose(item.needed("qty"), units.MG_DL if unit == units.MG_DL else units.MMOL_L, "qty", factor)
    meal = (item.word("mealTime") or "").lower()
    return Glucose(
        **{
            **_said(entry, measured.remark),
            "notes": (meal,) if meal not in ("", "unspecified") else (),
            "device": Device(vendor=maker) if maker else None,
        },
        analyte=Analyte.INTERSTITIAL_GLUCOSE if maker else Analyte.BLOOD_GLUCOSE,
        value=measured.value,
        detection=measured.detection,
    )


def _said(entry: dict[str, Any], remark: str | None) -> dict[str, Any]:
    """The entry with one more thing that was done."""
    done = (*entry["done"], Deed(rule=RULE, version="1", what=remark)) if remark else entry["done"]
    return {**entry, "done": done}


def _insulin(item: Fields, unit: str, entry: dict[str, Any]) -> InsulinDose:
    if unit != "IU":
        raise item.flaw("units", "unit-unknown", "is not IU")
    kind = {"Bolus": InsulinKind.BOLUS, "Basal": InsulinKind.BASAL}.get(item.word("reason") or "")
    if kind is None:
        raise item.flaw("reason", "field-missing", "says neither Bolus nor Basal")
    return InsulinDose(**entry, kind=kind, delivered=quantity(item.needed("qty"), units.INSULIN, "qty", 300))


def _carbohydrate(item: Fields, unit: str, entry: dict[str, Any]) -> Carbohydrate:
    if unit != "g":
        raise item.flaw("units", "unit-unknown", "is not g")
    return Carbohydrate(**entry, amount=quantity(item.needed("qty"), units.GRAM, "qty", 2000))


def _heart_rate(item: Fields, _unit: str, entry: dict[str, Any]) -> VitalSign:
    name = "Avg" if "Avg" in item else "qty"
    spread = "Min" in item and "Max" in item and item.number("Min") != item.number("Max")
    remark = f"average of {item.original('Min')} to {item.original('Max')}, as the app added up" if spread else None
    rate = quantity(item.needed(name), units.PER_MINUTE, name, 400)
    return VitalSign(**_said(entry, remark), kind=VitalKind.HEART_RATE, value=rate)


def _steps(item: Fields, _unit: str, entry: dict[str, Any]) -> VitalSign:
    return VitalSign(**entry, kind=VitalKind.STEPS, value=quantity(item.needed("qty"), units.COUNT, "qty", 200_000))


def _weight(item: Fields, unit: str, entry: dict[str, Any]) -> VitalSign:
    factor = _WEIGHTS.get(unit)
    if factor is None:
        raise item.flaw("units", "unit-unknown", "is neither kg nor lb")
    return VitalSign(
        **entry, kind=VitalKind.WEIGHT, value=quantity(item.needed("qty") * factor, units.KILOGRAM, "qty", 700)
    )


def _pressure(item: Fields, unit: str, entry: dict[str, Any]) -> BloodPressure:
    if unit != "mmHg":
        raise item.flaw("units", "unit-unknown", "is not mmHg")

    def half(name: str) -> Quantity:
        return quantity(item.needed(name), units.PRESSURE, name, 400)

    original = Original(
        value=f"{item.original('systolic')}/{item.original('diastolic')}", unit=unit, time=entry["original"].time
    )
    return BloodPressure(**{**entry, "original": original}, systolic=half("systolic"), diastolic=half("diastolic"))


_METRICS: Final[Mapping[str, _Made]] = {
    "blood_glucose": _glucose,
    "insulin_delivery": _insulin,
    "carbohydrates": _carbohydrate,
    "dietary_carbohydrates": _carbohydrate,
    "heart_rate": _heart_rate,
    "step_count": _steps,
    "weight_body_mass": _weight,
    "body_mass": _weight,
    "blood_pressure": _pressure,
}
