"""Glucose results of an ORU^R01 as records, each OBX on its own: one that cannot be read does not keep the others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from clinical.codes import analyte_of, is_control_solution
from clinical.hl7v2.delimiters import NULL, Delimiters
from clinical.hl7v2.dtm import offset_of
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.identity import sender_of, source_id, version_of
from clinical.hl7v2.message import Message
from clinical.hl7v2.oru import Observation, Order, PatientResult, patient_results
from clinical.hl7v2.patient import patient_of
from clinical.hl7v2.remember import remember_short
from clinical.hl7v2.segment import Segment, leaf_of
from clinical.hl7v2.status import REPLACES, no_result, status_of
from clinical.hl7v2.times import Clock, Series, Time, Twice, time_of
from clinical.hl7v2.values import Unit, Value, has_value, read_unit, read_value
from clinical.records import Analyte, Deed, Detection, Device, Glucose, Original, PatientRef, Quantity, Status
from clinical.units import MG_DL, MMOL_L, to_steps

RULE, RULE_VERSION = "oru-glucose", "1"
IMPLAUSIBLE = "implausible"
IN_THE_FUTURE = "in-the-future"
_CLOCKS_DIFFER_MILLIS = 24 * 3_600_000
"""By so much may a sender's time be ahead of ours: wrong clocks and zones, but no result of next week."""

_PLAUSIBLE = {MG_DL: (20, 600), MMOL_L: (11, 333)}  # steps of the unit: 20 to 600 mg/dL, 1.1 to 33.3 mmol/L
_WHOLE_BELOW_MG_DL = 40
"""Nobody measures so little to a tenth of a mg/dL: 33.1 mg/dL is a value in mmol/L under the wrong unit."""
# HI and LO name no limit. These hold for every usual device: no sensor stops above 40 or below 400 mg/dL, no meter
# stops above 20 or below 500.
_SENSOR_RANGE = {MG_DL: (40, 400), MMOL_L: (22, 222)}
_METER_RANGE = {MG_DL: (20, 500), MMOL_L: (11, 277)}


@dataclass(frozen=True, slots=True)
class Rules:
    """How one sender's messages are read.

    `codes`: local code → analyte, asked before LOINC and MDC. `not_verified`: what OBX-11 `R` means. `ignore_others`:
    pass over codes that are no glucose instead of reporting them.
    """

    zone: ZoneInfo
    codes: Mapping[str, Analyte] = field(default_factory=dict)
    patient_identifier: str = "MR"
    assigner: str | None = None
    not_verified: Status = Status.PRELIMINARY
    ignore_others: bool = False
    if_twice: Twice = "earlier"


@dataclass(frozen=True, slots=True)
class Problem:
    """One part that cannot become a record. `body` is the smallest message that holds just this part."""

    path: str
    code: str
    text: str
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Results:
    """Records by patient, in the order of the message; problems; and why other OBX were passed over, counted."""

    records: dict[PatientRef, list[Glucose]] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


class _Code(NamedTuple):
    code: str
    system: str
    analyte: Analyte


class _Draft(NamedTuple):
    """An OBX that could be read; whose it is and when exactly is still to be said."""

    order: Order
    observation: Observation
    code: _Code
    status: Status
    value: Value | None
    unit: Unit | None
    time: Time


def read_glucose(message: Message, rules: Rules, received_at: datetime) -> Results:
    """Read every OBX of a message.

    `received_at` (aware) sorts versions where MSH-7 says nothing. Raises Hl7Error only if the message as a whole
    cannot be taken apart.
    """
    return _Reading(message, rules, received_at).run()


class _Reading:
    """One pass over one message."""

    def __init__(self, message: Message, rules: Rules, received_at: datetime) -> None:
        self.message = message
        self.rules = rules
        self.msh = message.segments[0]
        self.sender = sender_of(self.msh)
        sent = self.msh.leaf(7)
        self.clock = Clock(rules.zone, offset_of(sent), rules.if_twice)
        received = received_at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        self.sent = self.clock.utc_text(sent) or received
        self.latest_millis = int(received_at.timestamp() * 1000) + _CLOCKS_DIFFER_MILLIS
        self.results = Results()
        self.seen: dict[tuple[str, str, Status], tuple[Quantity, Detection | None]] = {}

    def run(self) -> Results:
        patients = patient_results(self.message)
        if self.msh.leaf(16).strip() in ("1", "2"):
            # Analysers of one maker say there what a message holds: 0 patients', 1 calibration, 2 control results.
            count = sum(1 for patient in patients for _ in patient.observations())
            self.results.passed_over["quality-control"] += count
            return self.results
        for patient in patients:
            self._patient(patient)
        return self.results

    def _patient(self, result: PatientResult) -> None:
        drafts = [draft for draft in (self._draft(result, *found) for found in result.observations()) if draft]
        if not drafts:
            return
        try:
            patient = patient_of(
                result.pid,
                result.number,
                kind=self.rules.patient_identifier,
                assigner=self.rules.assigner,
                fallback_system=self.msh.leaf(4).strip(),
            )
        except Hl7Error as error:
            self._problem(error, self._segments(result, *((draft.order, draft.observation) for draft in drafts)))
            return
        series = Series([draft.time.written.wall for draft in drafts], self.rules.zone)
        for place, draft in enumerate(drafts):
            try:
                record = self._record(patient, draft, series, place)
            except Hl7Error as error:
                self._problem(error, self._segments(result, (draft.order, draft.observation)), draft.observation.number)
            else:
                self.results.records.setdefault(patient, []).append(record)

    def _draft(self, result: PatientResult, order: Order, observation: Observation) -> _Draft | None:
        """What an OBX says, or None if it is passed over or a problem (both are noted)."""
        obx = observation.obx
        try:
            reason = self._passed_over(order, obx)
            if reason is not None:
                self.results.passed_over[reason] += 1
                return None
            return self._read(order, observation)
        except Hl7Error as error:
            self._problem(error, self._segments(result, (order, observation)), observation.number)
            return None

    def _passed_over(self, order: Order, obx: Segment) -> str | None:
        if order.control or _codings(obx).control:
            return "quality-control"
        return "no-result" if no_result(obx) else None

    def _read(self, order: Order, observation: Observation) -> _Draft | None:
        obx = observation.obx
        code = self._code(obx)
        if code is None:
            if not self.rules.ignore_others:
                raise Hl7Error(
                    "the code is not known as glucose; add it to the table in `codes`, or set other_codes: ignore",
                    "3",
                    "unknown-code",
                )
            self.results.passed_over["other-code"] += 1
            return None
        status = status_of(obx, self.rules.not_verified)
        withdrawn = status is Status.ENTERED_IN_ERROR and not has_value(obx)
        value = None if withdrawn else read_value(obx)
        unit = None if withdrawn and not obx.raw(6) else read_unit(obx)
        return _Draft(order, observation, code, status, value, unit, time_of(order, observation))

    def _code(self, obx: Segment) -> _Code | None:
        codings = _codings(obx)
        if self.rules.codes:
            for code, system in codings.pairs:
                if (analyte := self.rules.codes.get(code)) is not None:
                    return _Code(code, system, analyte)
        return codings.standard

    def _record(self, patient: PatientRef, draft: _Draft, series: Series, place: int) -> Glucose:
        obx = draft.observation.obx
        effective = self.clock.effective(draft.time, series, place)
        if effective.instant.millis > self.latest_millis:
            text = "lies more than a day after the message came; is the sender's clock right?"
            raise Hl7Error(text, draft.time.path, IN_THE_FUTURE)
        quantity, remark = _quantity(draft)
        detection = draft.value.detection if draft.value is not None else None
        version = version_of(
            self.clock.utc_text(obx.leaf(19)) if obx.raw(19) else None,
            self._reported(draft.order),
            self.sent,
            replaces=draft.status in REPLACES,
        )
        source = source_id(self.sender, patient, draft.order, obx, draft.code.code, effective.instant, version)
        self._tell_apart((source.system, source.value, draft.status), (quantity, detection))
        return Glucose(
            patient=patient,
            analyte=draft.code.analyte,
            value=quantity,
            detection=detection,
            effective=effective.instant,
            status=draft.status,
            source=source,
            original=Original(
                value=obx.raw(5) or None,
                unit=draft.unit.text if draft.unit is not None else None,
                code=draft.code.code,
                system=draft.code.system or None,
                time=draft.time.text,
            ),
            device=_device(obx),
            notes=_notes(draft.observation) if draft.observation.notes else (),
            done=_deeds(remark, effective.remark) if remark or effective.remark else (),
        )

    def _reported(self, order: Order) -> str | None:
        return self.clock.utc_text(order.obr.leaf(22)) if order.obr is not None and order.obr.raw(22) else None

    def _tell_apart(self, key: tuple[str, str, Status], value: tuple[Quantity, Detection | None]) -> None:
        """Two values under one identity would be two versions of one reading, and one of them lost."""
        if self.seen.setdefault(key, value) != value:
            raise Hl7Error(
                "has the same code, time and sub-id as another OBX of this message, but another value; "
                "number them in OBX-4",
                "4",
                "same-identity",
            )

    def _segments(self, result: PatientResult, *parts: tuple[Order, Observation]) -> list[Segment | None]:
        segments = [self.msh, result.pid, result.pv1]
        last: Order | None = None
        for order, observation in parts:
            if order is not last:
                last = order
                segments += [order.orc, order.obr]
            segments += [observation.obx, *observation.notes]
        return segments

    def _problem(self, error: Hl7Error, segments: list[Segment | None], number: int | None = None) -> None:
        path = error.path or ""
        if path.isdigit():
            path = f"OBX[{number}]-{path}"
        self.results.problems.append(Problem(path, error.code, error.text, self.message.part(segments)))


class _Codings(NamedTuple):
    """OBX-3: code and system of both its triplets, what LOINC and MDC make of them, and if a control was measured."""

    pairs: tuple[tuple[str, str], ...]
    standard: _Code | None
    control: bool


def _codings(obx: Segment) -> _Codings:
    return _coded(obx.raw(3), obx.delimiters, obx.codec)


@remember_short(maxsize=4096)
def _coded(field_text: str, delimiters: Delimiters, codec: str) -> _Codings:
    parts = [leaf_of(field_text, delimiters, codec, component).strip() for component in (1, 3, 4, 6)]
    pairs = tuple(pair for pair in ((parts[0], parts[1]), (parts[2], parts[3])) if pair[0])
    known = (_Code(*pair, analyte) for pair in pairs if (analyte := analyte_of(*pair)) is not None)
    return _Codings(pairs, next(known, None), any(is_control_solution(*pair) for pair in pairs))


def _quantity(draft: _Draft) -> tuple[Quantity, str | None]:
    """The value in steps of its unit, and what was done to it. Raises Hl7Error if nobody can have that value."""
    unit = draft.unit.ucum if draft.unit is not None else MG_DL
    if draft.value is None:
        return Quantity(steps=0, unit=unit), "withdrawn without a value"
    if draft.value.number is None:
        ranges = _SENSOR_RANGE if draft.code.analyte is Analyte.INTERSTITIAL_GLUCOSE else _METER_RANGE
        low, high = ranges[unit]
        steps = low if draft.value.detection is Detection.BELOW else high
        return Quantity(steps=steps, unit=unit), "outside a range that was not given: the limit of usual devices"
    steps, exact = to_steps(draft.value.number, unit)
    low, high = _PLAUSIBLE[unit]
    if not low <= steps <= high or (unit == MG_DL and not exact and steps <= _WHOLE_BELOW_MG_DL):
        raise Hl7Error("the value is implausible for its unit; is it the other unit?", "5", IMPLAUSIBLE)
    return Quantity(steps=steps, unit=unit), None if exact else "rounded to the step of its unit"


def _device(obx: Segment) -> Device | None:
    """OBX-18, an EI: entity, namespace, universal id. The lowest level stands first when it repeats."""
    return _equipment(field_text, obx.delimiters, obx.codec) if (field_text := obx.raw(18)) else None


@remember_short(maxsize=1024)
def _equipment(field_text: str, delimiters: Delimiters, codec: str) -> Device | None:
    first = field_text.split(delimiters.signs[0], 1)[0]
    entity, namespace, universal = (leaf_of(first, delimiters, codec, component).strip() for component in (1, 2, 3))
    serial = entity or universal
    return Device(vendor=namespace or None, serial=serial) if serial else None


def _notes(observation: Observation) -> tuple[str, ...]:
    return tuple(
        text
        for segment in observation.notes
        for repetition in segment.repetitions(3)
        if (text := segment.delimiters.unescaped(repetition, segment.codec).strip()) and text != NULL
    )


def _deeds(*remarks: str | None) -> tuple[Deed, ...]:
    return tuple(Deed(rule=RULE, version=RULE_VERSION, what=remark) for remark in remarks if remark)
