"""CareLink Connect's markers and notifications to records: boluses, automatic doses, meals, meters, alarms.

Numbers come as numbers or as text (`"0.10000000149011612"`), beside the marker or in its `data.dataValues`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clinical import units
from clinical.records import (
    Analyte,
    AnyRecord,
    Carbohydrate,
    Device,
    DeviceEvent,
    Glucose,
    Instant,
    InsulinDose,
    InsulinKind,
    Original,
    Quantity,
    Status,
)
from clinical.vendors.event_tables import CARELINK_FAULTS, CARELINK_MARKERS
from clinical.vendors.json_fields import Fields
from clinical.vendors.making import LEAST_MG_DL, Maker, glucose, quantity
from clinical.vendors.parsing import Flaw

_AUTOMATIC: Final = frozenset({"AUTOCORRECTION", "AUTO_CORRECTION"})
_AMOUNTS: Final = ("programmedFastAmount", "deliveredFastAmount", "programmedExtendedAmount", "deliveredExtendedAmount")


class PumpMaker:
    """Fills in what every record of one pump says. `unit`: what its app shows glucose in, None if not known."""

    def __init__(self, maker: Maker, device: Device, unit: str | None) -> None:
        self.maker, self.device, self.unit = maker, device, unit

    def identity(self, device: Device, part: str, effective: Instant) -> str:
        """The device and its wall clock."""
        identity = f"{device.serial}|{part}|{effective.local}{'|2' if effective.fold else ''}"
        return identity if device.serial else self.maker.whose.digest(identity)

    def entry(
        self,
        part: str,
        effective: Instant,
        original: Original,
        *remarks: str | None,
        device: Device | None = None,
        status: Status = Status.FINAL,
    ) -> dict[str, Any]:
        device = device or self.device
        identity = self.identity(device, part, effective)
        return self.maker.entry(identity, effective, original, device=device, status=status, remarks=remarks)


def read_marker(
    pump: PumpMaker, marker: Mapping[str, Any], effective: Instant, remark: str | None
) -> Sequence[AnyRecord]:
    """Nothing for what only marks the edge of the graph. Raises Flaw."""
    outer = Fields(marker)
    kind = outer.needed_text("type", 64)
    held = marker.get("data")
    values = held.get("dataValues") if isinstance(held, dict) else None
    data = Fields(values, "data.dataValues") if isinstance(values, dict) else outer
    one = _Marker(pump, kind, data, effective, remark)
    match kind:
        case "INSULIN":
            return one.boluses()
        case "AUTO_BASAL_DELIVERY":
            return [one.automatic_basal()]
        case "MEAL":
            grams = quantity(data.needed("amount", as_text=True), units.GRAM, data.path("amount"), 2000)
            return [Carbohydrate(**one.entry("amount", "g"), amount=grams)]
        case "BG_READING" | "BG":
            value = one.meter()
            return [Glucose(**one.entry("unitValue", value.unit), analyte=Analyte.CAPILLARY_GLUCOSE, value=value)]
        case "CALIBRATION":
            value = one.meter()
            return [DeviceEvent(**one.entry("unitValue", value.unit), event="calibration", value=value)]
        case _:
            return one.event()


class _Marker:
    def __init__(self, pump: PumpMaker, kind: str, data: Fields, effective: Instant, remark: str | None) -> None:
        self._pump, self._kind, self._data = pump, kind, data
        self._effective, self._remark = effective, remark

    def entry(
        self, name: str, unit: str | None, *, part: str = "", code: str | None = None, status: Status = Status.FINAL
    ) -> dict[str, Any]:
        original = Original(value=self._data.original(name), unit=unit, code=code or self._kind)
        return self._pump.entry(f"{self._kind}{part}", self._effective, original, self._remark, status=status)

    def _amount(self, name: str) -> Quantity | None:
        number = self._data.number(name, as_text=True)
        return None if number is None else quantity(number, units.INSULIN, self._data.path(name), 300)

    def boluses(self) -> list[AnyRecord]:
        """What came at once and what came over time are two doses of one bolus."""
        data = self._data
        activation = data.text("activationType", 64) or ""
        status = Status.FINAL if data.flag("completed") or "completed" not in data else Status.PRELIMINARY
        made: list[AnyRecord] = []
        for part, slow in (("Fast", False), ("Extended", True)):
            requested, delivered = self._amount(f"programmed{part}Amount"), self._amount(f"delivered{part}Amount")
            if not any(amount and amount.steps for amount in (requested, delivered)):
                continue
            entry = self.entry(f"delivered{part}Amount", "U", part=f"|{part}", code=activation or None, status=status)
            minutes = data.number("effectiveDuration", as_text=True) if slow else None
            seconds = int(minutes * 60) if minutes is not None and 0 < minutes <= 1440 else None
            made.append(
                InsulinDose(
                    **entry,
                    kind=InsulinKind.EXTENDED_BOLUS if slow else InsulinKind.BOLUS,
                    requested=requested,
                    delivered=delivered,
                    duration_seconds=seconds,
                    automatic=activation in _AUTOMATIC,
                )
            )
        if not made and not any(name in data for name in _AMOUNTS):
            raise data.flaw("deliveredFastAmount", "value-missing", "has no amount")
        return made

    def automatic_basal(self) -> InsulinDose:
        given = self._amount("bolusAmount")
        if given is None:
            raise self._data.flaw("bolusAmount", "value-missing", "has no value")
        return InsulinDose(**self.entry("bolusAmount", "U"), kind=InsulinKind.BASAL, delivered=given, automatic=True)

    def meter(self) -> Quantity:
        """In the unit that the app shows; a number that it cannot have, or that two can, is set aside."""
        name = "unitValue" if "unitValue" in self._data else "value"
        number, shown = self._data.needed(name, as_text=True), self._pump.unit
        unit = units.MG_DL if number >= LEAST_MG_DL else shown
        if unit is None or (unit == units.MG_DL and number != number.to_integral_value()):
            raise self._data.flaw(name, "unit-missing", "has no unit that is sure")
        return glucose(number, unit, self._data.path(name)).value

    def event(self) -> list[AnyRecord]:
        """AUTO_MODE_STATUS and LOW_GLUCOSE_SUSPENDED without any value stand at the edge of every answer's 24 hours."""
        word = CARELINK_MARKERS.word(self._kind)
        if self._kind == "AUTO_MODE_STATUS":
            if "autoModeOn" not in self._data:
                return []
            word = "algorithm-on" if self._data.flag("autoModeOn") else "algorithm-off"
        elif self._kind == "LOW_GLUCOSE_SUSPENDED":
            if "deliverySuspended" not in self._data:
                return []
            word = word if self._data.flag("deliverySuspended") else "pump-resume"
        elif self._kind == "TIME_CHANGE":
            word = "clock-change"
        return [DeviceEvent(**self.entry("value", None), event=word)]


def notification_records(
    pump: PumpMaker, item: Mapping[str, Any], effective: Instant, remark: str | None, seen: set[str]
) -> list[AnyRecord]:
    """An alarm, once, whichever list it stands in. Raises Flaw."""
    fields = Fields(item)
    fault = fields.original("faultId") or fields.original("code")
    if fault is None:
        raise Flaw("faultId", "field-missing", "is missing")
    name = fields.word("referenceGUID") or fields.word("GUID") or f"{fault}|{effective.local}"
    if name in seen:
        return []
    seen.add(name)
    kind = fields.word("type")
    entry = pump.entry(f"fault|{name}", effective, Original(code=fault, system=kind), remark)
    return [DeviceEvent(**entry, event="reminder" if kind == "REMINDER" else CARELINK_FAULTS.word(fault))]
