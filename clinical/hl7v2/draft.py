"""One OBX that could be read, before it is known whose it is and when exactly."""

from decimal import Decimal
from typing import NamedTuple

from clinical.hl7v2.containment import Containment
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.meaning import TEXTS, Code, Part
from clinical.hl7v2.oru import Observation, Order
from clinical.hl7v2.status import status_of
from clinical.hl7v2.times import Time, time_of
from clinical.hl7v2.values import Unit, Value, has_value, read_text, read_unit, read_unit_of, read_value
from clinical.measures import UNIT, Measure, is_plausible_glucose, is_possible
from clinical.records import Analyte, Detection, Device, Quantity, Status
from clinical.units import INSULIN, MG_DL, MMOL_L, STEP, to_steps

IMPLAUSIBLE = "implausible"
_LONGEST_SECONDS = 10 * 86_400
_ROUNDED = "rounded to the step of its unit"
_WITHDRAWN = "withdrawn without a value"

# HI and LO name no limit. These hold for every usual device: no sensor stops above 40 or below 400 mg/dL, no meter
# stops above 20 or below 500.
_SENSOR_RANGE = {MG_DL: (40, 400), MMOL_L: (22, 222)}
_METER_RANGE = {MG_DL: (20, 500), MMOL_L: (11, 277)}


class Content(NamedTuple):
    """What OBX-5 and OBX-6 say: a quantity or a text, or neither where it was withdrawn without a value."""

    quantity: Quantity | None = None
    detection: Detection | None = None
    text: str | None = None
    unit: str | None = None
    """As sent."""
    remarks: tuple[str, ...] = ()


class Draft(NamedTuple):
    """A result. `sub_id` is OBX-4."""

    order: Order
    observation: Observation
    code: Code
    status: Status
    content: Content
    time: Time
    device: Device | None
    sub_id: str

    @property
    def parent(self) -> str:
        """OBX-4 up to the last dot; empty if it has none."""
        return self.sub_id.rpartition(".")[0]

    @property
    def withdrawn(self) -> bool:
        return self.content.quantity is None and self.content.text is None


def draft(order: Order, observation: Observation, code: Code, above: Containment, not_verified: Status) -> Draft:
    """Read an OBX whose code is known. Raises Hl7Error with the path inside the segment, or that of a time."""
    obx = observation.obx
    status = status_of(obx, not_verified)
    return Draft(
        order,
        observation,
        code,
        status,
        _content(observation, code, status),
        time_of(order, observation, above.time(obx)),
        above.device(order, observation),
        obx.leaf(4).strip(),
    )


def _content(observation: Observation, code: Code, status: Status) -> Content:
    obx, meaning = observation.obx, code.meaning
    withdrawn = status is Status.ENTERED_IN_ERROR and not has_value(obx)
    if isinstance(meaning, Analyte):
        unit = None if withdrawn and not obx.raw(6) else read_unit(obx)
        if withdrawn or unit is None:
            ucum, sent = (unit.ucum, unit.text) if unit is not None else (MG_DL, None)
            return Content(Quantity(steps=0, unit=ucum), unit=sent, remarks=(_WITHDRAWN,))
        return _glucose(read_value(obx), meaning, unit)
    if withdrawn:
        return Content(remarks=(_WITHDRAWN,))
    if isinstance(meaning, Measure):
        return _measured(observation, meaning)
    if meaning in TEXTS:
        return Content(text=read_text(obx))
    return _own_number(observation, meaning)


def _glucose(value: Value, analyte: Analyte, unit: Unit) -> Content:
    """The value in steps of its unit. Raises Hl7Error if nobody can have that value."""
    if value.number is None:
        ranges = _SENSOR_RANGE if analyte is Analyte.INTERSTITIAL_GLUCOSE else _METER_RANGE
        low, high = ranges[unit.ucum]
        steps = low if value.detection is Detection.BELOW else high
        remark = "outside a range that was not given: the limit of usual devices"
        return Content(Quantity(steps=steps, unit=unit.ucum), value.detection, unit=unit.text, remarks=(remark,))
    steps, exact = to_steps(value.number * unit.factor, unit.ucum)
    if not is_plausible_glucose(steps, unit.ucum, exact=exact):
        raise Hl7Error("the value is implausible for its unit; is it the other unit?", "5", IMPLAUSIBLE)
    remarks = () if unit.factor == 1 else (f"converted to {unit.ucum}",)
    return Content(
        Quantity(steps=steps, unit=unit.ucum),
        value.detection,
        unit=unit.text,
        remarks=remarks if exact else (*remarks, _ROUNDED),
    )


def _measured(observation: Observation, measure: Measure) -> Content:
    unit = read_unit_of(observation.obx, UNIT[measure])
    number = _exact(observation) * unit.factor
    if not is_possible(measure, number):
        raise Hl7Error("the value is one that nobody can have; is the unit right?", "5", IMPLAUSIBLE)
    steps, exact = to_steps(number, unit.ucum)
    remarks = () if unit.factor == 1 else (f"converted to {unit.ucum}",)
    return Content(
        Quantity(steps=steps, unit=unit.ucum), unit=unit.text, remarks=remarks if exact else (*remarks, _ROUNDED)
    )


def _own_number(observation: Observation, part: Part) -> Content:
    """A number beside one of our own codes: seconds, a day's units, or an event's value in a unit of ours."""
    number = _exact(observation)
    sent = observation.obx.leaf(6).strip()
    if part is Part.DURATION:
        if sent != "s" or not 0 <= number <= _LONGEST_SECONDS or number != int(number):
            raise Hl7Error("is no duration; send whole seconds, at most ten days, in s", "5", "duration")
        return Content(text=str(int(number)))
    if sent not in STEP or (part is not Part.VALUE and sent != INSULIN):
        raise Hl7Error(f"the unit is not one for this; send {INSULIN}", "6", "unit-unknown")
    return Content(Quantity(steps=to_steps(number, sent)[0], unit=sent), unit=sent)


def _exact(observation: Observation) -> Decimal:
    value = read_value(observation.obx)
    if value.number is None or value.detection is not None:
        raise Hl7Error("is a limit, not a value", "5", "not-a-number")
    return value.number
