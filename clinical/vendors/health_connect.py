"""Android's Health Connect records, as an app that reads them writes them, to records.

Source: AOSP `android.health.connect.datatypes` and androidx `health.connect.client.records` for names and units. There
is no file format, so a body is a list of records, or an object with `records`, each with the name of its class in
`recordType`. A quantity says its unit (`{"inMillimolesPerLiter": 5.5}`, or value and unit): a bare number is refused.
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
    Carbohydrate,
    Device,
    Glucose,
    Instant,
    Original,
    Quantity,
    Road,
    VitalKind,
    VitalSign,
)
from clinical.vendors.json_fields import Fields, items_of, not_this, read_document, read_each
from clinical.vendors.making import Maker, Whose, glucose, quantity
from clinical.vendors.parsing import Parsed

SYSTEM = "health-connect"
RULE = "health-connect"

_GLUCOSE: Final = {"inMillimolesPerLiter": units.MMOL_L, "inMilligramsPerDeciliter": units.MG_DL}
_WEIGHT: Final = {"inKilograms": Decimal(1), "inGrams": Decimal("0.001"), "inPounds": Decimal("0.45359237")}
_UNITS: Final = {
    "mmol/L": "inMillimolesPerLiter",
    "mg/dL": "inMilligramsPerDeciliter",
    "kg": "inKilograms",
    "g": "inGrams",
    "lb": "inPounds",
    "mmHg": "inMillimetersOfMercury",
}
_SPECIMENS: Final[Mapping[str, Analyte]] = {
    "1": Analyte.INTERSTITIAL_GLUCOSE,
    "interstitial_fluid": Analyte.INTERSTITIAL_GLUCOSE,
    "2": Analyte.CAPILLARY_GLUCOSE,
    "capillary_blood": Analyte.CAPILLARY_GLUCOSE,
    "3": Analyte.PLASMA_GLUCOSE,
    "plasma": Analyte.PLASMA_GLUCOSE,
}
_RELATIONS: Final = {"2": "fasting", "3": "before a meal", "4": "after a meal"}


def read_health_connect(body: bytes, whose: Whose) -> Parsed:
    """Records of glucose, heart rate, steps, weight, blood pressure and carbohydrate; others count as skipped. Raises
    Unreadable (line and column)."""
    found = items_of(read_document(body), "records", "changes", "upsertedRecords")
    if found is None:
        raise not_this("a list of Health Connect's records", "not-health-connect")
    name, items = found
    return read_each(items, partial(_read, Maker(whose, Road.CLOUD, SYSTEM, RULE)), name=name)


def _read(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    kind = (item.text("recordType", 64) or item.needed_text("type", 64)).rpartition(".")[2].removesuffix("Record")
    one = _One(maker, item, kind)
    match kind:
        case "BloodGlucose":
            return [one.glucose()]
        case "HeartRate":
            return one.heart_rates()
        case "Steps":
            return [one.steps()]
        case "Weight":
            weight = quantity(one.amount("weight", _WEIGHT), units.KILOGRAM, "weight", 700)
            return [VitalSign(**one.entry(value="weight"), kind=VitalKind.WEIGHT, value=weight)]
        case "BloodPressure":
            systolic, diastolic = one.pressure("systolic"), one.pressure("diastolic")
            return [BloodPressure(**one.entry(), systolic=systolic, diastolic=diastolic)]
        case "Nutrition" if "totalCarbohydrate" in item:
            grams = one.amount("totalCarbohydrate", {"inGrams": Decimal(1)})
            return [Carbohydrate(**one.entry(), amount=quantity(grams, units.GRAM, "totalCarbohydrate", 2000))]
        case _:
            return []


class _One:
    def __init__(self, maker: Maker, item: Fields, kind: str) -> None:
        self._maker, self._item, self._kind = maker, item, kind

    def glucose(self) -> Glucose:
        name, number, written = self._quantity("level", _GLUCOSE)
        measured = glucose(number, _GLUCOSE[written], name)
        specimen = (self._item.original("specimenSource") or "").lower().removeprefix("specimen_source_")
        note = _RELATIONS.get(self._item.original("relationToMeal") or "")
        return Glucose(
            **{**self.entry(measured.remark, value="level"), "notes": (note,) if note else ()},
            analyte=_SPECIMENS.get(specimen, Analyte.BLOOD_GLUCOSE),
            value=measured.value,
        )

    def heart_rates(self) -> list[AnyRecord]:
        made: list[AnyRecord] = []
        for number, raw in enumerate(self._item.many("samples")):
            if not isinstance(raw, dict):
                raise self._item.flaw(f"samples[{number}]", "not-an-object", "is not an object")
            sample = Fields(raw, f"samples[{number}]")
            rate = quantity(sample.needed("beatsPerMinute"), units.PER_MINUTE, sample.path("beatsPerMinute"), 400)
            at = self._instant(sample, "time", self._offset("startZoneOffset"))
            entry = self.entry(at=at, part=f"#{at.millis}", value=None)
            made.append(VitalSign(**entry, kind=VitalKind.HEART_RATE, value=rate))
        return made

    def steps(self) -> VitalSign:
        begin = self._instant(self._item, "startTime", self._offset("startZoneOffset"))
        end = self._instant(self._item, "endTime", None)
        if not begin.millis <= end.millis <= begin.millis + 8 * 86_400_000:
            raise self._item.flaw("endTime", "time-impossible", "lies before the start, or more than a week after it")
        value = quantity(self._item.needed("count"), units.COUNT, "count", 200_000)
        seconds = (end.millis - begin.millis) // 1000
        return VitalSign(
            **self.entry(at=begin, value="count"), kind=VitalKind.STEPS, value=value, duration_seconds=seconds
        )

    def pressure(self, name: str) -> Quantity:
        return quantity(self.amount(name, {"inMillimetersOfMercury": Decimal(1)}), units.PRESSURE, name, 400)

    def amount(self, name: str, factors: Mapping[str, Decimal]) -> Decimal:
        _, number, written = self._quantity(name, factors)
        return number * factors[written]

    def _quantity(self, name: str, known: Mapping[str, Any]) -> tuple[str, Decimal, str]:
        """Where it stands, the number, and the unit as Health Connect calls it."""
        if not self._item.is_object(name):
            missing = name not in self._item
            text = "has no value" if missing else "is a bare number; a unit is never guessed"
            raise self._item.flaw(name, "value-missing" if missing else "unit-missing", text)
        held = self._item.inner(name)
        assert held is not None
        for written in known:
            if written in held:
                return held.path(written), held.needed(written), written
        unit = _UNITS.get(held.text("unit") or "")
        if unit is None or unit not in known:
            raise held.flaw("unit", "unit-unknown", f"is none of {', '.join(known)}")
        return held.path("value"), held.needed("value"), unit

    def entry(
        self,
        remark: str | None = None,
        *,
        at: Instant | None = None,
        part: str = "",
        value: str | None = None,
    ) -> dict[str, Any]:
        item, metadata = self._item, self._item.inner("metadata") or Fields({})
        name = "time" if "time" in item else "startTime"
        at = at or self._instant(item, name, self._offset("zoneOffset"))
        identity = metadata.text("id", 128) or self._maker.whose.digest(
            self._kind, self._origin(metadata), metadata.text("clientRecordId", 128), at.millis
        )
        modified = metadata.text("lastModifiedTime", 64)
        held = item.original(value) if value else None
        return self._maker.entry(
            f"{identity}{part}",
            at,
            Original(value=held, code=self._kind, time=item.original(name)),
            device=_device(metadata),
            remarks=(remark,),
            version=self._maker.whose.version if modified is None else modified,
        )

    def _origin(self, metadata: Fields) -> str:
        if metadata.is_object("dataOrigin"):
            origin = metadata.inner("dataOrigin")
            return (origin.text("packageName", 200) if origin else None) or ""
        return metadata.text("dataOrigin", 200) or ""

    def _instant(self, held: Fields, name: str, offset: int | None) -> Instant:
        """An Instant is UTC; the offset beside it may be missing, and then the wall clock is not known."""
        number = held.original(name) or ""
        if number.isdecimal():
            return self._maker.whose.at_millis(int(held.needed(name, as_text=True)), held.path(name), offset)
        found = self._maker.whose.time(held.needed_text(name, 64), held.path(name))
        return self._maker.whose.at_millis(found.millis, held.path(name), offset)

    def _offset(self, name: str) -> int | None:
        """`+02:00`, `{"totalSeconds": 7200}`, or nothing."""
        if self._item.is_object(name):
            inner = self._item.inner(name)
            seconds = inner.number("totalSeconds") if inner else None
            return int(seconds) // 60 if seconds is not None and abs(seconds) <= 50_400 else None
        text = self._item.word(name)
        if text is None:
            return None
        stamp = f"2020-01-01T00:00:00{text}"
        return self._maker.whose.time(stamp, name).offset_minutes


def _device(metadata: Fields) -> Device | None:
    device = metadata.inner("device") if metadata.is_object("device") else None
    if device is None:
        return None
    return Device(vendor=device.word("manufacturer"), model=device.word("model"))
