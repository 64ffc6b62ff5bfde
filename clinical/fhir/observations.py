"""Everything that is neither glucose nor insulin given, as Observations.

Carbohydrate by LOINC 9059-7; vital signs after FHIR's own profiles (R4 section 10.1.3.1); a day's insulin, device
events and notes by our own codes where LOINC has none, one code for each kind, so that a receiver maps a row once.
"""

from datetime import datetime
from typing import Any

from clinical.fhir.form import Form
from clinical.fhir.frame import effective, frame
from clinical.fhir.observation import STATUS, is_withdrawn_alone
from clinical.fhir.quantities import quantity
from clinical.fhir.terms import (
    ANNOTATION_KINDS,
    DEVICE_EVENTS,
    LOINC,
    OBSERVATION_KINDS,
    UNKNOWN,
    category,
    coding,
    concept,
)
from clinical.measures import BLOOD_PRESSURE, COMMENT, STEPS_OF_A_DAY, WRITTEN, Measure, Written
from clinical.records import (
    Annotation,
    AnyRecord,
    BloodPressure,
    Carbohydrate,
    DeviceEvent,
    InsulinTotal,
    Quantity,
    VitalKind,
    VitalSign,
)

_PROFILE = "http://hl7.org/fhir/StructureDefinition/"
_VITAL_PROFILES = {VitalKind.WEIGHT: _PROFILE + "bodyweight", VitalKind.HEART_RATE: _PROFILE + "heartrate"}
_CATEGORIES = {VitalKind.STEPS: "activity", VitalKind.KETONE: "laboratory"}
_A_DAY_SECONDS = 86_400
DEVICE_EVENT, INSULIN_TOTAL = "device-event", "insulin-total"
TOTALS = ("total", "basal", "bolus")


def carbohydrate(record: Carbohydrate, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """Carbohydrate eaten, in grams."""
    observation = _observation(record, form, recorded, _loinc(WRITTEN[Measure.CARBOHYDRATE]))
    return _with_value(observation, record, record.amount, "amount")


def vital_sign(record: VitalSign, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """Weight, heart rate, steps or ketone. Steps that a day's count holds have the code for that."""
    written = WRITTEN[Measure(record.kind.value)]
    if record.kind is VitalKind.STEPS and record.duration_seconds == _A_DAY_SECONDS:
        written = STEPS_OF_A_DAY
    observation = _observation(
        record,
        form,
        recorded,
        _loinc(written),
        profile=_VITAL_PROFILES.get(record.kind),
        seconds=record.duration_seconds,
    )
    observation["category"] = category(_CATEGORIES.get(record.kind, "vital-signs"))
    return _with_value(observation, record, record.value, "value")


def blood_pressure(record: BloodPressure, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """The panel, with systolic, diastolic and, where there is one, the pulse as components."""
    observation = _observation(record, form, recorded, _loinc(BLOOD_PRESSURE), profile=_PROFILE + "bp")
    observation["category"] = category("vital-signs")
    if is_withdrawn_alone(record, record.systolic):
        observation["dataAbsentReason"] = UNKNOWN
        return observation
    parts = [(Measure.SYSTOLIC, record.systolic), (Measure.DIASTOLIC, record.diastolic)]
    if record.pulse is not None:
        parts.append((Measure.HEART_RATE, record.pulse))
    observation["component"] = [_component(_loinc(WRITTEN[measure]), value, measure.value) for measure, value in parts]
    return observation


def insulin_total(record: InsulinTotal, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """A day's insulin as a device adds it up: a panel, since a sum is no administration."""
    observation = _observation(
        record, form, recorded, concept(OBSERVATION_KINDS, INSULIN_TOTAL, "Insulin of a day, as a device adds it up")
    )
    parts = [(name, value) for name in TOTALS if (value := getattr(record, name)) is not None]
    if parts:
        observation["component"] = [
            _component(concept(OBSERVATION_KINDS, f"{INSULIN_TOTAL}-{name}"), value, name) for name, value in parts
        ]
    else:
        observation["dataAbsentReason"] = UNKNOWN
    return observation


def device_event(record: DeviceEvent, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """What a device did or said: our word as the value, the device's own beside it as text."""
    code = concept(OBSERVATION_KINDS, DEVICE_EVENT, "Device event")
    observation = _observation(record, form, recorded, code, until=record.until)
    event = concept(DEVICE_EVENTS, record.event, None, record.original.code)
    observation["valueCodeableConcept"] = event
    if record.value is not None:
        observation["component"] = [_component(concept(DEVICE_EVENTS, record.event), record.value, "value")]
    return observation


def annotation(record: Annotation, form: Form, recorded: datetime | None = None) -> dict[str, Any]:
    """What a person noted, as text."""
    code = {"coding": [coding(LOINC, *COMMENT), coding(ANNOTATION_KINDS, record.kind)]}
    observation = _observation(record, form, recorded, code, seconds=record.duration_seconds)
    if record.text.strip():
        observation["valueString"] = record.text
    return observation


def _observation(
    record: AnyRecord,
    form: Form,
    recorded: datetime | None,
    code: dict[str, Any],
    *,
    profile: str | None = None,
    seconds: int | None = None,
    until: Any = None,
) -> dict[str, Any]:
    observation, device = frame("Observation", record, form, profile, recorded)
    observation["status"] = STATUS[record.status]
    observation["code"] = code
    kind, value = effective(record.effective, seconds, until)
    observation[f"effective{kind}"] = value
    if device is not None:
        observation["device"] = device
    return observation


def _with_value(observation: dict[str, Any], record: AnyRecord, value: Quantity, path: str) -> dict[str, Any]:
    if is_withdrawn_alone(record, value):
        observation["dataAbsentReason"] = UNKNOWN
    else:
        observation["valueQuantity"] = quantity(value, path)
    return observation


def _loinc(written: Written) -> dict[str, Any]:
    return concept(LOINC, *written)


def _component(code: dict[str, Any], value: Quantity, path: str) -> dict[str, Any]:
    return {"code": code, "valueQuantity": quantity(value, path)}
