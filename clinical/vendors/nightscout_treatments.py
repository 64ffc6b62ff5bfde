"""Nightscout's treatments: insulin, carbohydrate, finger-sticks, and what happened to devices.

One treatment may say several things (a meal bolus is insulin and carbohydrate), each a record of its own whose
identity is the treatment's and a word.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from clinical import units
from clinical.events import UNMAPPED, EventTable
from clinical.records import (
    Analyte,
    Annotation,
    AnyRecord,
    Carbohydrate,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Status,
)
from clinical.vendors.json_fields import Fields
from clinical.vendors.making import Maker, glucose, glucose_unit, moment, quantity

SENSOR_START: Final = "Sensor Start"
EVENTS: Final = EventTable(
    {
        SENSOR_START: "sensor-start",
        "Sensor Change": "sensor-start",
        "Sensor Stop": "sensor-stop",
        "Site Change": "infusion-set-change",
        "Insulin Change": "reservoir-change",
        "Insulin Cartridge Change": "reservoir-change",
        "Pump Battery Change": "battery-change",
        "Suspend Pump": "pump-suspend",
        "Resume Pump": "pump-resume",
        "Profile Switch": "settings-change",
        "Temporary Target": "temporary-target",
        "Temporary Override": "temporary-target",
        "OpenAPS Offline": "algorithm-off",
    }
)
_NOTES: Final[Mapping[str, str]] = {
    "Note": "note",
    "Announcement": "note",
    "Question": "note",
    "D.A.D. Alert": "note",
    "Exercise": "exercise",
}
_ALGORITHMS: Final = frozenset({"iaps", "trio", "openaps", "androidaps", "loop", "freeaps-x"})
_ONLY_DOSES: Final = frozenset(
    {
        "Bolus",
        "SMB",
        "Correction Bolus",
        "Meal Bolus",
        "Snack Bolus",
        "Combo Bolus",
        "Bolus Wizard",
        "Carb Correction",
        "Carbs",
        "BG Check",
        "Temp Basal",
        "<none>",
    }
)
_MOST_UNITS, _MOST_RATE, _MOST_GRAMS, _MOST_MINUTES = 300, 100, 2000, 10_080


class Common(NamedTuple):
    """What both kinds of documents say the same way. `identity` None: there is none."""

    identity: str | None
    version: str | None
    status: Status


def read(item: Fields, effective: Instant, maker: Maker, common: Common) -> Sequence[AnyRecord]:
    """The records of one treatment; none if it says nothing. Raises Flaw."""
    one = _Treatment(item, effective, maker, common)
    made = [*one.doses(), *one.carbohydrate(), *one.finger_stick()]
    if one.kind == "Temp Basal":
        made.extend(one.temporary_basal())
    return made or one.happening()


class _Treatment:
    def __init__(self, item: Fields, effective: Instant, maker: Maker, common: Common) -> None:
        self.item = item
        self.kind = item.text("eventType") or "<none>"
        self._effective = effective
        self._maker = maker
        self._common = common

    def doses(self) -> list[AnyRecord]:
        delivered = self._amount("insulin")
        programmed = self._amount("programmed")
        if not delivered and not programmed:
            return self._extended()
        bolus = self.item.inner("bolus")
        by_hand = bolus is not None and bolus.flag("isExternal")
        automatic = (
            self.kind == "SMB"
            or self.item.flag("automatic")
            or self.item.flag("isSMB")
            or (bolus is not None and bolus.flag("isSMB"))
        )
        name = "insulin" if delivered is not None else "programmed"
        dose = InsulinDose(
            **self._entry("insulin", name, "U"),
            kind=InsulinKind.INJECTION if by_hand else InsulinKind.BOLUS,
            requested=_units(programmed, "programmed") if programmed else None,
            delivered=_units(delivered, "insulin") if delivered is not None else None,
            automatic=automatic,
            insulin=self.item.word("insulinType"),
        )
        return [dose, *self._extended()]

    def _extended(self) -> list[AnyRecord]:
        """The part of a combo bolus that runs on: `splitExt` per cent of `enteredinsulin` over `duration` minutes."""
        entered, share = self._amount("enteredinsulin"), self._amount("splitExt")
        minutes = self._minutes()
        if self.kind != "Combo Bolus" or not entered or not share or not minutes:
            return []
        amount = entered * share / 100
        return [
            InsulinDose(
                **self._entry("extended", "enteredinsulin", "U"),
                kind=InsulinKind.EXTENDED_BOLUS,
                requested=_units(amount, "enteredinsulin"),
                duration_seconds=minutes * 60,
            )
        ]

    def carbohydrate(self) -> list[AnyRecord]:
        grams = self._amount("carbs")
        if not grams:
            return []
        amount = quantity(grams, units.GRAM, "carbs", _MOST_GRAMS)
        return [Carbohydrate(**self._entry("carbs", "carbs", "g"), amount=amount)]

    def finger_stick(self) -> list[AnyRecord]:
        """`glucose` is a meter's where it is entered as one; elsewhere it repeats the sensor's."""
        if "glucose" not in self.item or self.item.word("glucoseType") == "Sensor":
            return []
        if self.kind != "BG Check" and self.item.word("glucoseType") != "Finger":
            return []
        number = self.item.needed("glucose", as_text=True)
        measured = glucose(number, glucose_unit(self.item.text("units"), "units"), "glucose")
        return [
            Glucose(
                **self._entry("glucose", "glucose", self.item.word("units"), measured.remark),
                analyte=Analyte.CAPILLARY_GLUCOSE,
                value=measured.value,
            )
        ]

    def temporary_basal(self) -> list[AnyRecord]:
        """A rate for a time; without a time it ends another. Per cent of a profile that is not here is no rate."""
        name = next((one for one in ("absolute", "rate") if one in self.item), None)
        minutes = self._minutes()
        if name is None or minutes is None:
            return [self._event("settings-change", "percent")]
        if minutes == 0:
            return [self._event("settings-change", name)]
        by = (self.item.word("enteredBy") or "").lower()
        return [
            InsulinDose(
                **self._entry("basal", name, "U/h"),
                kind=InsulinKind.BASAL,
                rate=quantity(self.item.needed(name, as_text=True), units.INSULIN_RATE, name, _MOST_RATE),
                duration_seconds=minutes * 60,
                automatic=self.item.flag("automatic") or by in _ALGORITHMS or by.startswith(("loop://", "openaps://")),
            )
        ]

    def happening(self) -> list[AnyRecord]:
        """An event or a note; a word that is not known is `unmapped`, with the word."""
        if self.kind in EVENTS:
            return [self._event(EVENTS.word(self.kind), "duration")]
        if self.kind in _ONLY_DOSES and "notes" not in self.item:
            return []
        text = self.item.prose("notes")
        if self.kind in _NOTES or self.kind in _ONLY_DOSES:
            minutes = self._minutes()
            kind = _NOTES.get(self.kind, "note")
            return [
                Annotation(
                    **self._entry("note", None, None),
                    text=text or self.kind,
                    kind=kind,
                    duration_seconds=minutes * 60 if minutes else None,
                )
            ]
        return [self._event(UNMAPPED, None)]

    def _event(self, event: str, name: str | None) -> DeviceEvent:
        minutes = self._minutes()
        until = moment(self._effective.millis + minutes * 60_000) if minutes else None
        return DeviceEvent(**self._entry("event", name, None), event=event, until=until)

    def _entry(self, part: str, name: str | None, unit: str | None, remark: str | None = None) -> dict[str, Any]:
        identity = self._common.identity
        named = f"{identity}#{part}" if identity else self._maker.whose.digest(part, self.kind, self._effective.millis)
        original = Original(
            value=self.item.original(name) if name else None,
            unit=unit,
            code=self.kind,
            time=self.item.original("created_at") or self.item.original("date"),
        )
        common = self._common
        return self._maker.entry(
            named, self._effective, original, status=common.status, remarks=(remark,), version=common.version
        )

    def _amount(self, name: str) -> Decimal | None:
        number = self.item.number(name, as_text=True)
        if number is not None and number < 0:
            raise self.item.flaw(name, "value-impossible", "is negative")
        return number

    def _minutes(self) -> int | None:
        minutes = self._amount("duration")
        if minutes is not None and minutes > _MOST_MINUTES:
            raise self.item.flaw("duration", "value-impossible", "is longer than a week")
        return None if minutes is None else int(minutes)


def _units(number: Decimal, field_name: str) -> Any:
    return quantity(number, units.INSULIN, field_name, _MOST_UNITS)
