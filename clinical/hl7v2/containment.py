"""Which device measured what: OBX-4 of IHE PCD-01 (device.subsystem.channel.metric.facet) and its device rows.

A row for a device, subsystem or channel has no value and OBX-11 `X`; it carries OBX-18 and OBX-14 for what is below it
(IHE PCD TF-2, appendix B.8). `0` means that a level is not used: `1.0.0.0` is device 1, `1.13.1.0` its channel 1 in
subsystem 13.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from clinical.hl7v2.delimiters import Delimiters
from clinical.hl7v2.oru import Observation, Order
from clinical.hl7v2.remember import remember_short
from clinical.hl7v2.segment import Segment, leaf_of
from clinical.hl7v2.status import no_result
from clinical.hl7v2.values import has_value
from clinical.records import Device

T = TypeVar("T")

SUB_ID, EQUIPMENT, OBSERVED_AT = 4, 18, 14
PARTICIPANT, UDI, SERIAL = 10, 16, 20  # of PRT

# What a device says of itself, by MDC code (partition 8) or name.
_PROPERTIES = {
    "531969": "model", "mdc_id_model_number": "model",
    "531970": "vendor", "mdc_id_model_manufacturer": "vendor",
    "531972": "serial", "mdc_id_prod_spec_serial": "serial",
}  # fmt: skip


class Containment:
    """The device rows of one patient's part of a message."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._devices: dict[str, Device] = {}
        self._times: dict[str, str] = {}
        self._rows: list[tuple[str, Segment]] = []
        properties: dict[str, dict[str, str]] = {}
        for observation in observations:
            obx = observation.obx
            if not obx.raw(SUB_ID) or not (place := _place(obx.leaf(SUB_ID))):
                continue
            if no_result(obx) is not None:
                self._row(obx, place)
            elif has_value(obx) and (name := _property(obx)) is not None:
                self._rows.append((place.partition(".")[0], obx))
                properties.setdefault(place.partition(".")[0], {})[name] = obx.leaf(5).strip()
        for place, told in properties.items():
            known = self._devices.get(place, Device())
            self._devices[place] = Device(
                vendor=told.get("vendor") or known.vendor,
                model=told.get("model"),
                serial=known.serial or told.get("serial"),
            )

    def device(self, order: Order, observation: Observation) -> Device | None:
        """Its own equipment instance (OBX-18, PRT), else that of the nearest row above it, else the order's; with what
        the device says of itself, where it does."""
        obx = observation.obx
        own = equipment_of(obx)
        if own is None and observation.follows:
            own = participant_of(observation.follows)
        above = self._above(obx, self._devices) if self._devices else None
        if own is None and above is None and order.participations:
            return participant_of(order.participations)
        if own is None or above is None:
            return own or above
        return Device(
            vendor=above.vendor or own.vendor, model=above.model, serial=own.serial or above.serial, udi=own.udi
        )

    def time(self, obx: Segment) -> str:
        """OBX-14 of the nearest row above that has one; empty if none has."""
        return (self._above(obx, self._times) or "") if self._times else ""

    def rows(self, obx: Segment) -> list[Segment]:
        """The rows that say something of this OBX, in the order of the message."""
        if not self._rows:
            return []
        place = _place(obx.leaf(SUB_ID))
        return [row for above, row in self._rows if row is not obx and f"{place}.".startswith(f"{above}.")]

    def _row(self, obx: Segment, place: str) -> None:
        self._rows.append((place, obx))
        if (device := equipment_of(obx)) is not None:
            self._devices.setdefault(place, device)
        if time := obx.leaf(OBSERVED_AT).strip():
            self._times.setdefault(place, time)

    def _above(self, obx: Segment, rows: Mapping[str, T]) -> T | None:
        place = _place(obx.leaf(SUB_ID))
        while place:
            if (found := rows.get(place)) is not None:
                return found
            place = _place(place.rpartition(".")[0])
        return None


def equipment_of(obx: Segment) -> Device | None:
    """OBX-18, an EI: entity, namespace, universal id. The lowest level stands first when it repeats."""
    return _equipment(field_text, obx.delimiters, obx.codec) if (field_text := obx.raw(EQUIPMENT)) else None


@remember_short(maxsize=1024)
def _equipment(field_text: str, delimiters: Delimiters, codec: str) -> Device | None:
    first = field_text.split(delimiters.signs[0], 1)[0]
    entity, namespace, universal = (leaf_of(first, delimiters, codec, component).strip() for component in (1, 2, 3))
    serial = entity or universal
    return Device(vendor=namespace or None, serial=serial) if serial else None


def participant_of(segments: Iterable[Segment]) -> Device | None:
    """The device of a PRT (v2.7 and later, in place of OBX-18): PRT-10, an EI, with UDI (PRT-16) and serial number
    (PRT-20)."""
    for prt in segments:
        if prt.name != "PRT":
            continue
        entity, namespace, universal = (prt.leaf(PARTICIPANT, component).strip() for component in (1, 2, 3))
        serial, udi = prt.leaf(SERIAL).strip() or entity or universal, prt.leaf(UDI).strip()
        if serial or udi:
            return Device(vendor=namespace or None, serial=serial or None, udi=udi or None)
    return None


def _place(sub_id: str) -> str:
    """A dotted sub-id without the levels at its end that are not used; empty for one that is not of this form."""
    parts = sub_id.strip().split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return ""
    while parts and parts[-1].strip("0") == "":
        parts.pop()
    return ".".join(parts)


def _property(obx: Segment) -> str | None:
    for component in (1, 2, 4, 5):
        if (name := _PROPERTIES.get(obx.leaf(3, component).strip().lower())) is not None:
            return name
    return None
