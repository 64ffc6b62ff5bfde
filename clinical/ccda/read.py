"""The Results and Vital Signs sections of a document, anybody's, as records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, ParseError, fromstring
from zoneinfo import ZoneInfo

from clinical.ccda.templates import CDA, LOINC, RESULTS, VITAL_SIGNS, XSI
from clinical.codes import analyte_of
from clinical.hl7v2.dtm import read_dtm
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.times import Clock, Time
from clinical.measures import UNIT, Measure, factor_to, is_plausible_glucose, is_possible, measure_of
from clinical.records import (
    Analyte,
    AnyRecord,
    BloodPressure,
    Detection,
    Glucose,
    Instant,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    VitalKind,
    VitalSign,
)
from clinical.units import to_steps, ucum

_NS = {"c": CDA}
_NO_SYSTEMS: Mapping[str, str] = {}
_SECTIONS = frozenset({RESULTS.code, VITAL_SIGNS.code})
NO_RESULT = "no-result"
_STATUS = {None: Status.FINAL, "completed": Status.FINAL, "active": Status.PRELIMINARY}
_PRESSURES = (Measure.SYSTOLIC, Measure.DIASTOLIC)


class CcdaError(ValueError):
    """`text`, `path` and `code` hold nothing of the document's content."""

    def __init__(self, text: str, path: str, code: str) -> None:
        self.text, self.path, self.code = text, path, code
        super().__init__(f"{path}: {text}")


@dataclass(slots=True)
class Read:
    """Records in the order of the document; problems; and how many observations were of other kinds."""

    records: list[AnyRecord] = field(default_factory=list, repr=False)
    problems: list[CcdaError] = field(default_factory=list)
    others: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    meaning: Analyte | Measure
    quantity: Quantity
    detection: Detection | None
    entry: dict[str, object] = field(repr=False)


def read_document(body: bytes, zone: ZoneInfo, patient_systems: Mapping[str, str] = _NO_SYSTEMS) -> Read:
    """`zone`: for times without an offset. `patient_systems`: root of identifiers → assigner as our links know it; an
    identifier of these goes before the others. Raises CcdaError if it is no document of one patient.

    A document type declaration is refused: it has no place in CDA and could make the reader expand entities.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise CcdaError("has a document type declaration", "/", "doctype")
    try:
        root = fromstring(body)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except (ParseError, ValueError):
        raise CcdaError("is not XML", "/", "not-xml") from None
    if root.tag != f"{{{CDA}}}ClinicalDocument":
        raise CcdaError("is no ClinicalDocument", "/", "not-cda")
    patient = _patient(root, patient_systems)
    result = Read()
    clock = Clock(zone)
    for section in root.iterfind(".//c:section", _NS):
        code = section.find("c:code", _NS)
        if code is not None and code.get("code") in _SECTIONS:
            for number, organizer in enumerate(section.iterfind("c:entry/c:organizer", _NS), 1):
                _organizer(organizer, f"section[{code.get('code')}]/entry[{number}]", patient, clock, result)
    return result


def _patient(root: Element, systems: Mapping[str, str]) -> PatientRef:
    """Raises CcdaError for none, and for several recordTargets."""
    path = "recordTarget/patientRole/id"
    if len(root.findall("c:recordTarget", _NS)) > 1:
        raise CcdaError("is of several patients", "recordTarget", "patient-unclear")
    ids = root.findall("c:recordTarget/c:patientRole/c:id", _NS)
    named = [pair for id_ in ids if all(pair := (id_.get("root", ""), id_.get("extension", "")))]
    listed = {(systems[root], value) for root, value in named if root in systems}
    if len(listed) > 1:
        raise CcdaError("names the patient by several different identifiers that count", path, "patient-unclear")
    if not named:
        raise CcdaError("names no patient", path, "patient-missing")
    system, value = listed.pop() if listed else named[0]
    return PatientRef(system=system, value=value)


def _organizer(organizer: Element, path: str, patient: PatientRef, clock: Clock, result: Read) -> None:
    seen: list[_Seen] = []
    for number, observation in enumerate(organizer.iterfind("c:component/c:observation", _NS), 1):
        try:
            found = _observation(observation, organizer, f"{path}/component[{number}]", patient, clock)
        except CcdaError as error:
            if error.code == NO_RESULT:
                result.others += 1
            else:
                result.problems.append(error)
            continue
        if found is None:
            result.others += 1
        else:
            seen.append(found)
    result.records += _records(seen, path, result)


def _records(seen: Sequence[_Seen], path: str, result: Read) -> Iterator[AnyRecord]:
    """The pressures of an organizer are one record, with its heart rate; everything else stands alone."""
    panel = {one.meaning: one for one in seen if isinstance(one.meaning, Measure)}
    together = all(pressure in panel for pressure in _PRESSURES)
    if together:
        pulse = panel.get(Measure.HEART_RATE)
        yield BloodPressure(
            systolic=panel[Measure.SYSTOLIC].quantity,
            diastolic=panel[Measure.DIASTOLIC].quantity,
            pulse=pulse.quantity if pulse is not None else None,
            **panel[Measure.SYSTOLIC].entry,  # type: ignore[arg-type]
        )
    for one in seen:
        if isinstance(one.meaning, Analyte):
            yield Glucose(analyte=one.meaning, value=one.quantity, detection=one.detection, **one.entry)  # type: ignore[arg-type]
        elif one.meaning in _PRESSURES:
            if not together:
                result.problems.append(CcdaError("the other blood pressure is not beside it", path, "pressure-alone"))
        elif not (together and one.meaning is Measure.HEART_RATE):
            yield VitalSign(kind=VitalKind(one.meaning.value), value=one.quantity, **one.entry)  # type: ignore[arg-type]


def _observation(
    observation: Element, organizer: Element, path: str, patient: PatientRef, clock: Clock
) -> _Seen | None:
    code = observation.find("c:code", _NS)
    meaning = _meaning(code) if code is not None else None
    if code is None or meaning is None or observation.get("negationInd") == "true":
        return None
    number, unit, detection = _value(observation, path)
    quantity = _quantity(meaning, number, unit, path)
    if detection is not None and not isinstance(meaning, Analyte):
        raise CcdaError("is a limit, not a value", f"{path}/value", "not-a-number")
    instant, text = _time(observation, organizer, path, clock)
    entry: dict[str, object] = {
        "patient": patient,
        "effective": instant,
        "status": _status(observation, path),
        "source": _source(observation, path),
        "original": Original(value=str(number), unit=unit, code=code.get("code"), system="LOINC", time=text),
    }
    return _Seen(meaning, quantity, detection, entry)


def _status(observation: Element, path: str) -> Status:
    """Of value set Result Status; without one it is as good as completed. Raises CcdaError for what is no result."""
    held = observation.find("c:statusCode", _NS)
    code = held.get("code") if held is not None else None
    if code not in _STATUS:
        raise CcdaError("says that there is no result that counts", f"{path}/statusCode", NO_RESULT)
    return _STATUS[code]


def _meaning(code: Element) -> Analyte | Measure | None:
    for each in (code, *code.iterfind("c:translation", _NS)):
        named, system = each.get("code") or "", each.get("codeSystem")
        if system == LOINC and (found := analyte_of(named, system) or measure_of(named, system)) is not None:
            vital = isinstance(found, Analyte) or found in (
                *_PRESSURES,
                Measure.WEIGHT,
                Measure.HEART_RATE,
                Measure.STEPS,
            )
            return found if vital else None
    return None


def _value(observation: Element, path: str) -> tuple[Decimal, str, Detection | None]:
    value = observation.find("c:value", _NS)
    kind = value.get(f"{{{XSI}}}type", "").rpartition(":")[2] if value is not None else ""
    held, detection = value, None
    if value is not None and kind == "IVL_PQ":
        low, high = value.find("c:low", _NS), value.find("c:high", _NS)
        if (low is None) == (high is None):
            raise CcdaError("is a range, not one value", f"{path}/value", "not-a-number")
        held, detection = (low, Detection.ABOVE) if high is None else (high, Detection.BELOW)
    elif kind != "PQ":
        raise CcdaError("is no physical quantity (PQ)", f"{path}/value", "value-type")
    assert held is not None
    try:
        number = Decimal(held.get("value", ""))
    except InvalidOperation:
        raise CcdaError("has no number", f"{path}/value", "value-missing") from None
    if not number.is_finite() or abs(number) > 1_000_000:
        raise CcdaError("is no number of a measurement", f"{path}/value", "not-a-number")
    return number, held.get("unit", ""), detection


def _quantity(meaning: Analyte | Measure, number: Decimal, unit: str, path: str) -> Quantity:
    if isinstance(meaning, Analyte):
        known = ucum(unit)
        if known is None:
            raise CcdaError("is no unit of glucose; mg/dL and mmol/L are", f"{path}/value", "unit-unknown")
        steps, exact = to_steps(number, known)
        if not is_plausible_glucose(steps, known, exact=exact):
            raise CcdaError("is implausible for its unit", f"{path}/value", "implausible")
        return Quantity(steps=steps, unit=known)
    wanted = UNIT[meaning]
    factor = factor_to(wanted, unit)
    if factor is None:
        raise CcdaError(f"is no unit for this; {wanted} is", f"{path}/value", "unit-unknown")
    if not is_possible(meaning, number * factor):
        raise CcdaError("is a value that nobody can have", f"{path}/value", "implausible")
    return Quantity(steps=to_steps(number * factor, wanted)[0], unit=wanted)


def _time(observation: Element, organizer: Element, path: str, clock: Clock) -> tuple[Instant, str]:
    """The observation's own time, else the organizer's."""
    for place in (observation, organizer):
        if text := _moment_in(place.find("c:effectiveTime", _NS), f"{path}/effectiveTime"):
            try:
                return clock.effective(Time(text, read_dtm(text), f"{path}/effectiveTime")).instant, text
            except Hl7Error as error:
                raise CcdaError(error.text, f"{path}/effectiveTime", error.code) from None
    raise CcdaError("nothing says when this was measured", f"{path}/effectiveTime", "time-missing")


def _moment_in(held: Element | None, path: str) -> str | None:
    """The one moment that an effectiveTime names; none for none. Raises CcdaError for a span of time."""
    if held is None:
        return None
    ends = [end.get("value") for name in ("low", "high") if (end := held.find(f"c:{name}", _NS)) is not None]
    named = {text for text in (held.get("value"), *ends) if text}
    if len(named) > 1:
        raise CcdaError("is a span of time, not when this was measured", path, "period")
    return named.pop() if named else None


def _source(observation: Element, path: str) -> SourceId:
    held = observation.find("c:id", _NS)
    root = held.get("root") if held is not None else None
    if held is None or not root:
        raise CcdaError("has no id by which a repeat could be recognised", f"{path}/id", "no-identifier")
    return SourceId(road=Road.FHIR, system="ccda", value="^".join(filter(None, (root, held.get("extension")))))
