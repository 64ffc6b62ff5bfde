"""Observations as records, by their code."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from clinical.codes import analyte_of
from clinical.fhir.errors import FhirError
from clinical.fhir.observations import DEVICE_EVENT, INSULIN_TOTAL, TOTALS
from clinical.fhir.read_common import ReadForm, codings_of, deed, effective_of, observation_status
from clinical.fhir.read_values import (
    WITHDRAWN_VALUE,
    Read,
    detection_of,
    glucose_quantity,
    original_of,
    own_quantity,
    quantity_of,
)
from clinical.fhir.terms import ANNOTATION_KINDS, DEVICE_EVENTS, LOINC, OBSERVATION_KINDS
from clinical.measures import BLOOD_PRESSURE, COMMENT, UNIT, Measure, measure_of
from clinical.records import Status, VitalKind

_VITALS = frozenset(kind.value for kind in VitalKind)
_PANELS = frozenset({BLOOD_PRESSURE.code, "55284-4", "35094-2"})


class _Seen(NamedTuple):
    """An Observation, its status, and the code by which it was recognised."""

    resource: Mapping[str, Any]
    status: Status
    code: str
    system: str | None

    @property
    def withdrawn(self) -> bool:
        """Entered in error, and without the value."""
        return self.status is Status.ENTERED_IN_ERROR and "valueQuantity" not in self.resource

    def told(
        self, record: str, held: Any, parts: Mapping[str, Any], *, day: bool = False, lasts: bool = False
    ) -> dict[str, Any]:
        """The record so far: its kind, time, original and `parts`; `lasts` keeps how long it took."""
        when = effective_of(self.resource, day=day)
        found = {
            "record": record,
            "status": self.status.value,
            "effective": when["effective"],
            "original": original_of(held, self.code, self.system, when["time"]),
            **parts,
        }
        return {**found, "duration_seconds": when["seconds"]} if lasts and "seconds" in when else found


def observation(resource: Mapping[str, Any], form: ReadForm, details: Mapping[str, Any]) -> dict[str, Any]:
    """A record's own parts as plain values. Raises FhirError as `read.read_resource`."""
    status = observation_status(resource)
    for code, system, _ in codings_of(resource.get("code")):
        seen = _Seen(resource, status, code, system)
        analyte = analyte_of(code, system, body_fluid_is_cgm=form.body_fluid_is_cgm)
        if analyte is not None:
            return _glucose(seen, analyte.value)
        reader = _reader(code, system)
        if reader is not None:
            return reader(seen, details)
    raise FhirError("is none of the codes that records are made of", "code", "unknown-code")


_Reader = Callable[[_Seen, Mapping[str, Any]], dict[str, Any]]


def _reader(code: str, system: str | None) -> _Reader | None:
    if system == OBSERVATION_KINDS:
        return {DEVICE_EVENT: _device_event, INSULIN_TOTAL: _insulin_total}.get(code)
    if system in (LOINC, None) and code in _PANELS:
        return _blood_pressure
    if (system == LOINC and code == COMMENT.code) or system == ANNOTATION_KINDS:
        return _annotation
    measure = measure_of(code, system)
    if measure is Measure.CARBOHYDRATE:
        return _carbohydrate
    return _vital_sign if measure is not None and measure.value in _VITALS else None


def _glucose(seen: _Seen, analyte: str) -> dict[str, Any]:
    if (
        seen.withdrawn and "effectivePeriod" in seen.resource
    ):  # whose values stand under the series' name and their times
        text = "takes back what may be a series, and does not say which values it had; withdraw them one by one"
        raise FhirError(text, "valueSampledData", "series-unclear")
    held = seen.resource.get("valueQuantity")
    value, deeds = (
        (WITHDRAWN_VALUE, [deed("withdrawn without a value")])
        if seen.withdrawn
        else glucose_quantity(held, "valueQuantity")
    )
    told = seen.told("glucose", held, {"analyte": analyte, "value": value, "done": deeds})
    if (detection := detection_of(held, "valueQuantity")) is not None:
        told["detection"] = detection.value
    return told


def _measured(seen: _Seen, measure: Measure) -> Read:
    if seen.withdrawn:
        return {"steps": 0, "unit": UNIT[measure]}, [deed("withdrawn without a value")]
    held = seen.resource.get("valueQuantity")
    if detection_of(held, "valueQuantity") is not None:
        raise FhirError("is a limit, not a value", "valueQuantity.comparator", "comparator")
    return quantity_of(held, measure, "valueQuantity")


def _carbohydrate(seen: _Seen, _: Mapping[str, Any]) -> dict[str, Any]:
    amount, deeds = _measured(seen, Measure.CARBOHYDRATE)
    return seen.told("carbohydrate", seen.resource.get("valueQuantity"), {"amount": amount, "done": deeds})


def _vital_sign(seen: _Seen, _: Mapping[str, Any]) -> dict[str, Any]:
    measure = measure_of(seen.code, seen.system)
    assert measure is not None
    value, deeds = _measured(seen, measure)
    held = seen.resource.get("valueQuantity")
    return seen.told("vital-sign", held, {"kind": measure.value, "value": value, "done": deeds}, lasts=True)


def _blood_pressure(seen: _Seen, _: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[Measure, Read] = {}
    for place, component in enumerate(_components(seen.resource)):
        for code, system, _display in codings_of(component.get("code")):
            measure = measure_of(code, system)
            if measure in (Measure.SYSTOLIC, Measure.DIASTOLIC, Measure.HEART_RATE) and measure not in found:
                path = f"component[{place}].valueQuantity"
                found[measure] = quantity_of(component.get("valueQuantity"), measure, path)
    if seen.status is Status.ENTERED_IN_ERROR and "component" not in seen.resource:
        nothing: Read = ({"steps": 0, "unit": UNIT[Measure.SYSTOLIC]}, [deed("withdrawn without a value")])
        found = {Measure.SYSTOLIC: nothing, Measure.DIASTOLIC: (nothing[0], [])}
    if not {Measure.SYSTOLIC, Measure.DIASTOLIC} <= found.keys():
        raise FhirError("lacks the systolic or the diastolic pressure", "component", "value-missing")
    names = {Measure.SYSTOLIC: "systolic", Measure.DIASTOLIC: "diastolic", Measure.HEART_RATE: "pulse"}
    parts = {names[measure]: value for measure, (value, _) in found.items()}
    deeds = [each for _, some in found.values() for each in some]
    return seen.told("blood-pressure", None, {**parts, "done": deeds})


def _insulin_total(seen: _Seen, _: Mapping[str, Any]) -> dict[str, Any]:
    parts = {}
    for place, component in enumerate(_components(seen.resource)):
        for code, system, _display in codings_of(component.get("code")):
            name = code.removeprefix(f"{INSULIN_TOTAL}-")
            if system == OBSERVATION_KINDS and name in TOTALS:
                parts[name] = own_quantity(component.get("valueQuantity"), f"component[{place}].valueQuantity")
    return seen.told("insulin-total", None, parts, day=True)


def _device_event(seen: _Seen, _: Mapping[str, Any]) -> dict[str, Any]:
    concept = seen.resource.get("valueCodeableConcept")
    event = next((code for code, system, _ in codings_of(concept) if system == DEVICE_EVENTS), None)
    if event is None:
        raise FhirError("names no event of ours", "valueCodeableConcept", "event")
    told = seen.told("device-event", None, {"event": event})
    if isinstance(concept, dict) and isinstance(text := concept.get("text"), str):
        told["original"] |= {"code": text}
    when = effective_of(seen.resource)
    if "until" in when:
        told["until"] = when["until"]
    for component in _components(seen.resource):
        told["value"] = own_quantity(component.get("valueQuantity"), "component[0].valueQuantity")
    return told


def _annotation(seen: _Seen, details: Mapping[str, Any]) -> dict[str, Any]:
    text = seen.resource.get("valueString")
    if not isinstance(text, str) and not details and seen.status is not Status.ENTERED_IN_ERROR:
        raise FhirError("has no text", "valueString", "value-missing")
    kinds = [code for code, system, _ in codings_of(seen.resource.get("code")) if system == ANNOTATION_KINDS]
    parts = {"kind": kinds[0]} if kinds else {}
    return seen.told("annotation", text, {"text": text if isinstance(text, str) else "", **parts}, lasts=True)


def _components(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    held = resource.get("component")
    return [each for each in held if isinstance(each, dict)] if isinstance(held, list) else []
