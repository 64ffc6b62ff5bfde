"""Issued outcomes as Observations: glucose after the HL7 CGM guide 1.0.0 (summary profiles), others by our own codes.

One Observation for each figure or panel of figures, with the window as effectivePeriod. Identifiers name the window
and the figure and not the version, so that an amended outcome updates what is there; the version stands in the
extension `urn:islet:outcome` and in the Provenance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from clinical.fhir.device import CONTAINED_ID, device_resource
from clinical.fhir.form import Form, subject_of
from clinical.fhir.provenance import outcome_provenance
from clinical.fhir.terms import LOINC, OBSERVATION_KINDS, UCUM, category, concept
from clinical.fhir.times import date_time
from clinical.issued import IssuedOutcome, OutcomeStatus
from clinical.outcome_codes import HYPO, MEANS, OWN_UNITS, PANEL, RANGES, RANGES_PANEL, SINGLES, TIGHT, WEAR, Figure
from clinical.records import Instant

OUTCOME_SYSTEM: Final = "urn:islet:outcome"
SECONDS_SYSTEM: Final = "urn:islet:outcome-seconds"
METHOD_SYSTEM: Final = "urn:islet:outcome-method"
GUIDE: Final = "http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-summary"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
STATUS: Final = {
    OutcomeStatus.PARTIAL: "preliminary",
    OutcomeStatus.FINAL: "final",
    OutcomeStatus.AMENDED: "amended",
    OutcomeStatus.ENTERED_IN_ERROR: "entered-in-error",
}
_BANDS: Final = {band: (LOINC, code) for band, (code, _) in RANGES.items()} | {"tight": (OBSERVATION_KINDS, TIGHT)}
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class OutcomeForm:
    """How one site wants outcomes. `unit`: of the mean; `both` writes one Observation for each."""

    form: Form = field(default_factory=lambda: Form(identifier_system=OUTCOME_SYSTEM, provenance="contained"))
    unit: Literal["mg/dL", "mmol/L", "both"] = "mg/dL"


def outcome_to_observations(outcome: IssuedOutcome, how: OutcomeForm) -> list[dict[str, Any]]:
    """The Observations of one version of an outcome, the panel last, so that its members are there before it.

    A figure that cannot be told any more, though an earlier version may have told it, is entered in error. Raises
    FhirError if the patient cannot be named as the form wants.
    """
    if outcome.subject != "glucose":
        return [_own_panel(outcome, how)]
    return _Glucose(outcome, how).all()


class _Glucose:
    def __init__(self, outcome: IssuedOutcome, how: OutcomeForm) -> None:
        self._outcome = outcome
        self._how = how
        self._members: list[dict[str, Any]] = []
        self._told: set[str] = set()

    def all(self) -> list[dict[str, Any]]:
        """Mean, GMI, CV, shares, wear, activity, events, and the panel over the first six."""
        figures = self._outcome.figures
        for unit, (name, single) in MEANS.items():
            if self._how.unit in (unit, "both"):
                self._single(single, figures.get(name))
        for name, single in SINGLES.items():
            self._single(single, figures.get(name) if self._outcome.readings else None)
        self._single(WEAR, self._outcome.counts.get("days_of_wear", 0) if self._outcome.readings else None)
        self._ranges()
        return [*self._members, self._events(), self._panel()]

    def _single(self, single: Figure, value: float | None) -> None:
        if value is None and self._outcome.version == 1:
            return
        made = _frame(self._outcome, self._how, single.name, concept(LOINC, single.code, single.display))
        if value is None:
            _withdraw(made)
        else:
            made["valueQuantity"] = _quantity(value, single.text, single.unit)
            self._told.add(single.name)
            _claim(made, self._how, f"{GUIDE}-{single.name}")
        self._members.append(made)

    def _ranges(self) -> None:
        figures = self._outcome.figures
        name = "times-in-ranges"
        code = concept(LOINC, *RANGES_PANEL)
        made = _frame(self._outcome, self._how, name, code)
        if "in_range" in figures:
            made["component"] = [
                {
                    **self._numerator(band),
                    "code": concept(*code),
                    "valueQuantity": _quantity(figures[band], "%", "%"),
                }
                for band, code in _BANDS.items()
            ]
            self._told.add(name)
            _claim(made, self._how, f"{GUIDE}-{name}")
        elif self._outcome.version == 1:
            return
        else:
            _withdraw(made)
        self._members.append(made)

    def _numerator(self, band: str) -> dict[str, Any]:
        """The measured time that a share counts; its denominator is `measured` in the extension of the whole."""
        seconds = self._outcome.counts.get(f"{band}_seconds")
        return {} if seconds is None else {"extension": [{"url": SECONDS_SYSTEM, "valueDecimal": seconds}]}

    def _events(self) -> dict[str, Any]:
        """How many hypoglycaemic events began, and for how many minutes they lasted."""
        name = "hypoglycaemia-events"
        made = _frame(self._outcome, self._how, name, concept(OBSERVATION_KINDS, name, "Hypoglycaemic events"))
        parts = []
        for kind in HYPO:
            word = kind.replace("_", "-")
            counts = self._outcome.counts
            parts.append((word, counts.get(kind, 0), "events", "{events}"))
            parts.append((f"{word}-minutes", counts.get(f"{kind}_minutes", 0), "min", "min"))
        made["component"] = [
            {"code": concept(OBSERVATION_KINDS, word), "valueQuantity": _quantity(value, text, unit)}
            for word, value, text, unit in parts
        ]
        return made

    def _panel(self) -> dict[str, Any]:
        code = concept(LOINC, *PANEL)
        made = _frame(self._outcome, self._how, "summary", code)
        told = [each for each in self._members if "dataAbsentReason" not in each]
        if told:
            made["hasMember"] = [{"type": "Observation", "identifier": each["identifier"][0]} for each in told]
        else:
            made["dataAbsentReason"] = concept(_ABSENT, "unknown", "Unknown")
        if {"times-in-ranges", "gmi", "coefficient-of-variation", "days-of-wear"} <= self._told:
            _claim(made, self._how, GUIDE)
        return made


def _own_panel(outcome: IssuedOutcome, how: OutcomeForm) -> dict[str, Any]:
    """All figures of another subject as components of one Observation."""
    code = concept(OBSERVATION_KINDS, f"{outcome.subject}-summary")
    made = _frame(outcome, how, "summary", code)
    made["category"] = category("vital-signs")
    parts = [(name, outcome.figures[name], unit) for name, unit in OWN_UNITS.items() if name in outcome.figures]
    if not parts:
        made["dataAbsentReason"] = concept(_ABSENT, "unknown", "Unknown")
        return made
    made["component"] = [
        {
            "code": concept(OBSERVATION_KINDS, f"{outcome.subject}-{name.replace('_', '-')}"),
            "valueQuantity": _quantity(value, unit, unit),
        }
        for name, value, unit in parts
    ]
    return made


def _frame(outcome: IssuedOutcome, how: OutcomeForm, figure: str, code: dict[str, Any]) -> dict[str, Any]:
    """What each of the Observations has."""
    form = how.form
    made: dict[str, Any] = {"resourceType": "Observation"}
    contained, device = [], None
    if outcome.device is not None and form.device is not None:
        resource = device_resource(outcome.device, form.release)
        if resource is not None:
            contained.append(resource)
            device = {"reference": f"#{CONTAINED_ID}"}
    if form.provenance is not None:
        contained.append(outcome_provenance(outcome))
    if contained:
        made["contained"] = contained
    made["extension"] = [lineage_of(outcome)]
    made["identifier"] = [{"system": form.identifier_system, "value": f"{outcome.series}-{figure}"}]
    made["status"] = STATUS[outcome.status]
    made["category"] = category("laboratory")
    made["code"] = code
    made["subject"] = subject_of(outcome.patient, form)
    made["effectivePeriod"] = period_of(outcome)
    made["method"] = _method(outcome)
    if device is not None:
        made["device"] = device
    return made


def period_of(outcome: IssuedOutcome) -> dict[str, Any]:
    """The window, in the patient's zone; its last second, since the end of a Period belongs to it."""
    zone = ZoneInfo(outcome.period.zone)
    return {
        "start": _moment(outcome.period.start_millis, zone),
        "end": _moment(outcome.period.end_millis - 1000, zone),
    }


def lineage_of(outcome: IssuedOutcome) -> dict[str, Any]:
    """By which the figure can be walked back to what it rests on: `islet lineage` takes the id."""
    said: Mapping[str, str | None] = {
        "id": outcome.id,
        "replaces": outcome.replaces,
        "cause": outcome.cause.value,
        "evidence": outcome.evidence,
        "origin": outcome.origin_id,
    }
    parts: list[dict[str, Any]] = [{"url": name, "valueString": value} for name, value in said.items() if value]
    numbers = {"version": outcome.version, "readings": outcome.readings}
    parts += [{"url": name, "valueInteger": number} for name, number in numbers.items()]
    parts += [{"url": name, "valueDecimal": seconds} for name, seconds in _time_of(outcome).items()]
    parts += [{"url": f"dropped-{reason}", "valueInteger": n} for reason, n in sorted(outcome.dropped.items())]
    return {"url": OUTCOME_SYSTEM, "extension": parts}


def _time_of(outcome: IssuedOutcome) -> dict[str, int]:
    """Seconds: of the window, of it covered by readings, of these readings' nominal time (what shares are of), and of
    each reason why the rest is not counted."""
    parts = dict(outcome.accounting)
    found: dict[str, int] = {name: parts.pop(name) // 1000 for name in ("window", "covered") if name in parts}
    if "measured_seconds" in outcome.counts:
        found["measured"] = outcome.counts["measured_seconds"]
    return found | {f"excluded-{reason}": millis // 1000 for reason, millis in sorted(parts.items())}


def _method(outcome: IssuedOutcome) -> dict[str, Any]:
    method = outcome.method
    coding = {"system": METHOD_SYSTEM, "version": method.version, "code": method.name}
    return {"coding": [coding], "text": "; ".join((f"{method.name} version {method.version}", *method.rules))}


def _claim(made: dict[str, Any], how: OutcomeForm, profile: str) -> None:
    if how.form.profiles:
        made["meta"] = {"profile": [profile]}


def _withdraw(made: dict[str, Any]) -> None:
    made["status"] = "entered-in-error"
    made["dataAbsentReason"] = concept(_ABSENT, "unknown", "Unknown")


def _quantity(value: float, text: str, unit: str) -> dict[str, Any]:
    """To the hundredth, as the guide asks for percentages."""
    number = Decimal(value) if isinstance(value, int) else Decimal(repr(value)).quantize(_HUNDREDTH, ROUND_HALF_UP)
    return {"value": number, "unit": text, "system": UCUM, "code": unit}


def _moment(millis: int, zone: ZoneInfo) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return date_time(Instant(millis=millis, how="zone", offset_minutes=offset // timedelta(minutes=1)))
