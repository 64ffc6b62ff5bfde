"""Tidepool's data model to records.

Source: tidepool-org/TidepoolApi docs/device-data. A datum's `id` is not deterministic, so its identity here is its
device's (`origin.id`), else a digest of device, type and time. Glucose is stored in mmol/L made by 18.01559 without
rounding; the threshold of `bg/out-of-range` is in mg/dL always.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from clinical import units
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    Carbohydrate,
    Detection,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Road,
    Status,
    VitalKind,
    VitalSign,
)
from clinical.trends import TIDEPOOL
from clinical.vendors.iso_time import read_time
from clinical.vendors.json_fields import Fields, items_of, not_this, read_document, read_each
from clinical.vendors.making import Maker, Measured, Whose, glucose_unit, moment, quantity, stored_glucose
from clinical.vendors.parsing import Parsed
from clinical.vendors.tidepool_words import AUTOMATIC, event_of

SYSTEM = "tidepool"
RULE = "tidepool"

_MOST_UNITS, _MOST_RATE, _MOST_GRAMS = 300, 100, 2000
_MOST_MILLIS = 8 * 86_400_000
_NO_MEASUREMENTS = frozenset(
    {
        "upload",
        "pumpSettings",
        "cgmSettings",
        "controllerSettings",
        "deviceStatus",
        "pumpStatus",
        "controllerStatus",
        "dosingDecision",
        "water",
    }
)
_EXCHANGE_GRAMS = Decimal(15)


def read_tidepool(body: bytes, whose: Whose) -> Parsed:
    """Records of a list of data (or of an object with `data`). Settings, uploads and statuses count as
    skipped. Raises Unreadable (line and column)."""
    found = items_of(read_document(body), "data")
    if found is None:
        raise not_this("a list of Tidepool's data", "not-tidepool")
    name, items = found
    return read_each(items, partial(_read, Maker(whose, Road.CLOUD, SYSTEM, RULE)), name=name)


def _read(maker: Maker, item: Fields) -> Sequence[AnyRecord]:
    kind = item.needed_text("type", 64)
    if kind in _NO_MEASUREMENTS:
        return []
    one = _Datum(item, kind, maker)
    match kind:
        case "cbg" | "smbg":
            return [one.reading()]
        case "bloodKetone":
            return [one.ketone()]
        case "bolus":
            return one.bolus()
        case "basal":
            return [one.basal()]
        case "wizard":
            return one.calculator()
        case "food":
            return one.food()
        case "insulin":
            return [one.injection()]
        case "physicalActivity" | "reportedState":
            return [one.annotation()]
        case "deviceEvent" if item.text("subType") == "prime" and "volume" in item:
            return [one.priming()]
        case _:
            return [one.event()]


class _Datum:
    def __init__(self, item: Fields, kind: str, maker: Maker) -> None:
        self._item = item
        self._kind = kind
        self._sub = item.word("subType") or item.word("deliveryType") or item.word("eventType") or ""
        self._maker = maker
        self._effective = self._time()

    def _time(self) -> Instant:
        """`time` is UTC; `deviceTime` and `timezoneOffset` are what the device showed."""
        item = self._item
        utc = self._maker.whose.time(item.needed_text("time", 64), "time")
        offset = item.number("timezoneOffset")
        minutes = int(offset) if offset is not None and abs(offset) <= 840 else None
        known = moment(utc.millis, minutes)
        local = item.text("deviceTime", 64)
        return known if local is None else _with_local(known, read_time(local, "deviceTime").wall.isoformat())

    def _remarks(self) -> list[str]:
        said = []
        for name, text in (("conversionOffset", "device clock set apart"), ("clockDriftOffset", "device clock drift")):
            millis = self._item.number(name)
            if millis:
                said.append(f"{text}: corrected at the source by {int(millis)} ms")
        return said

    def entry(self, part: str, name: str | None, unit: str | None, remark: str | None = None) -> dict[str, Any]:
        item, whose = self._item, self._maker.whose
        origin = item.inner("origin")
        native = origin.text("id", 128) if origin else None
        identity = native or whose.digest(
            item.original("deviceId") or "", self._kind, self._sub, self._effective.millis
        )
        deleted = "deletedTime" in item or "archivedTime" in item
        return self._maker.entry(
            f"{identity}#{part}" if part else identity,
            self._effective,
            Original(
                value=item.original(name) if name else None,
                unit=unit,
                code=f"{self._kind}/{self._sub}" if self._sub else self._kind,
                time=item.original("time"),
            ),
            status=Status.ENTERED_IN_ERROR if deleted else Status.FINAL,
            remarks=[*self._remarks(), remark],
        )

    def reading(self) -> Glucose:
        item = self._item
        unit = glucose_unit(item.text("units"), "units")
        measured = stored_glucose(item.needed("value"), unit, "value", units.MG_DL_PER_MMOL_L)
        measured = _out_of_range(item, measured)
        sensor = self._kind == "cbg" or self._sub == "scanned"
        return Glucose(
            **self.entry("", "value", item.word("units"), measured.remark),
            analyte=Analyte.INTERSTITIAL_GLUCOSE if sensor else Analyte.CAPILLARY_GLUCOSE,
            value=measured.value,
            detection=measured.detection,
            trend=TIDEPOOL.trend(item.word("trend")),
        )

    def ketone(self) -> VitalSign:
        item = self._item
        if units.ucum(item.text("units") or "") != units.MMOL_L:
            raise item.flaw("units", "unit-unknown", "is not mmol/L")
        value = quantity(item.needed("value"), units.MMOL_L, "value", 30)
        return VitalSign(**self.entry("", "value", item.word("units")), kind=VitalKind.KETONE, value=value)

    def bolus(self) -> list[AnyRecord]:
        made: list[AnyRecord] = []
        for name, kind in (("normal", InsulinKind.BOLUS), ("extended", InsulinKind.EXTENDED_BOLUS)):
            delivered = self._item.number(name)
            if delivered is None:
                continue
            expected = f"expected{name.capitalize()}"
            requested = self._item.number(expected)
            made.append(
                InsulinDose(
                    **self.entry(name, name, "U"),
                    kind=kind,
                    requested=_insulin(delivered if requested is None else requested, expected),
                    delivered=_insulin(delivered, name),
                    duration_seconds=self._seconds("duration") if name == "extended" else None,
                    automatic=self._sub == AUTOMATIC,
                )
            )
        if not made:
            raise self._item.flaw("normal", "value-missing", "has neither normal nor extended")
        return made

    def basal(self) -> AnyRecord:
        if self._sub == "suspend":
            return self.event()
        rate = self._item.needed("rate", as_text=True)
        return InsulinDose(
            **self.entry("", "rate", "U/h"),
            kind=InsulinKind.BASAL,
            rate=quantity(rate, units.INSULIN_RATE, "rate", _MOST_RATE),
            duration_seconds=self._seconds("duration"),
            automatic=self._sub == AUTOMATIC,
        )

    def calculator(self) -> list[AnyRecord]:
        """The carbohydrate that a person told the bolus calculator. Its bolus is another datum, or stands inside."""
        made: list[AnyRecord] = []
        bolus = self._item.inner("bolus") if self._item.is_object("bolus") else None
        if bolus is not None:
            made.extend(_Datum(bolus, "bolus", self._maker).bolus())
        carbs = self._item.number("carbInput")
        if carbs:
            said = self._item.inner("units") if self._item.is_object("units") else None
            exchanges = said is not None and said.word("carb") == "exchanges"
            grams = carbs * _EXCHANGE_GRAMS if exchanges else carbs
            remark = "exchanges taken as 15 g each" if exchanges else None
            amount = quantity(grams, units.GRAM, "carbInput", _MOST_GRAMS)
            entry = self.entry("carbs", "carbInput", "exchanges" if exchanges else "g", remark)
            made.append(Carbohydrate(**entry, amount=amount))
        return made

    def food(self) -> list[AnyRecord]:
        nutrition = self._item.inner("nutrition")
        carbs = nutrition.inner("carbohydrate") if nutrition else None
        if carbs is None or "net" not in carbs:
            return []  # an amount of food (5 g of biscuits) is no carbohydrate
        amount = quantity(carbs.needed("net"), units.GRAM, carbs.path("net"), _MOST_GRAMS)
        return [Carbohydrate(**self.entry("", None, "g"), amount=amount)]

    def injection(self) -> InsulinDose:
        dose = self._item.inner("dose")
        if dose is None:
            raise self._item.flaw("dose", "value-missing", "has no dose")
        formulation = self._item.inner("formulation")
        simple = formulation.inner("simple") if formulation else None
        named = (formulation.word("name") if formulation else None) or (simple.word("actingType") if simple else None)
        return InsulinDose(
            **self.entry("", None, "U"),
            kind=InsulinKind.INJECTION,
            delivered=_insulin(dose.needed("total"), dose.path("total")),
            insulin=named,
        )

    def priming(self) -> InsulinDose:
        volume = _insulin(self._item.needed("volume", as_text=True), "volume")
        return InsulinDose(**self.entry("", "volume", "U"), kind=InsulinKind.PRIMING, delivered=volume)

    def annotation(self) -> Annotation:
        if self._kind == "reportedState":
            states = [Fields(state).word("state") for state in self._item.many("states") if isinstance(state, dict)]
            return Annotation(
                **self.entry("", None, None), text=", ".join(filter(None, states)) or "state", kind="illness"
            )
        duration = self._item.inner("duration")
        minutes = duration.number("value") if duration and duration.word("units") == "minutes" else None
        text = self._item.prose("name", 200) or self._item.word("activityType") or "exercise"
        seconds = int(minutes * 60) if minutes is not None and 0 <= minutes <= 10_080 else None
        return Annotation(**self.entry("", None, None), text=text, kind="exercise", duration_seconds=seconds)

    def event(self) -> DeviceEvent:
        seconds = self._seconds("duration")
        value = None
        if self._sub == "calibration" and "value" in self._item:
            unit = glucose_unit(self._item.text("units"), "units")
            value = stored_glucose(self._item.needed("value"), unit, "value", units.MG_DL_PER_MMOL_L).value
        name = self._item.word("alarmType") or self._item.word("eventType") or self._item.word("name")
        entry = self.entry("", None, None)
        word, known = event_of(self._kind, self._sub, name, self._item.word("status"))
        return DeviceEvent(
            **{**entry, "original": Original(code=known, time=self._item.original("time"))},
            event=word,
            value=value,
            until=moment(self._effective.millis + seconds * 1000) if seconds else None,
        )

    def _seconds(self, name: str) -> int | None:
        millis = self._item.number(name) if not self._item.is_object(name) else None
        if millis is None:
            return None
        if not 0 <= millis <= _MOST_MILLIS:
            raise self._item.flaw(name, "value-impossible", "is negative, or longer than a week")
        return int(millis) // 1000


def _with_local(known: Instant, local: str) -> Instant:
    """The wall clock as the device showed it, which may differ from the corrected time."""
    return Instant(
        millis=known.millis,
        how=known.how,
        local=local,
        offset_minutes=known.offset_minutes,
        precision=known.precision,
    )


def _on_that_side(value: Quantity, said: Detection, threshold: int) -> bool:
    """Is the number at the threshold or beyond it? Within 2 mg/dL it is the same, as converted and rounded."""
    mg_dl = units.convert(value.steps, value.unit, units.MG_DL)
    return mg_dl <= threshold + 2 if said is Detection.BELOW else mg_dl >= threshold - 2


def _insulin(number: Decimal, name: str) -> Quantity:
    return quantity(number, units.INSULIN, name, _MOST_UNITS)


def _out_of_range(item: Fields, measured: Measured) -> Measured:
    """The annotation says that the value lies beyond a threshold, and the threshold is in mg/dL always."""
    for raw in item.many("annotations"):
        note = Fields(raw) if isinstance(raw, dict) else None
        if note is None or note.word("code") != "bg/out-of-range":
            continue
        said = {"low": Detection.BELOW, "high": Detection.ABOVE}.get(note.word("value") or "")
        threshold = note.number("threshold")
        if said is None:
            continue
        usable = threshold is not None and 20 <= threshold <= 600
        if usable and threshold and not _on_that_side(measured.value, said, int(threshold)):
            raise item.flaw("annotations", "value-contradicted", "say that the value is beyond a limit; it is not")
        value = Quantity(steps=int(threshold), unit=units.MG_DL) if usable and threshold else measured.value
        remark = f"{said.value} the measuring range: limit kept"
        return Measured(value, said, f"{measured.remark}; {remark}" if measured.remark else remark)
    return measured
