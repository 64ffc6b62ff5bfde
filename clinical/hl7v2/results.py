"""Results of an ORU^R01 as records, each on its own: one that cannot be read does not keep the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from clinical.hl7v2.containment import Containment
from clinical.hl7v2.delimiters import NULL
from clinical.hl7v2.draft import IMPLAUSIBLE, Content, Draft, draft
from clinical.hl7v2.dtm import offset_of
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.identity import sender_of, source_id, version_of
from clinical.hl7v2.joining import Alone, Joined, join
from clinical.hl7v2.making import record_of
from clinical.hl7v2.meaning import KINDS, Code, code_of, codings, kind_of
from clinical.hl7v2.message import Message
from clinical.hl7v2.oru import Observation, Order, PatientResult, patient_results
from clinical.hl7v2.patient import patient_of
from clinical.hl7v2.segment import Segment
from clinical.hl7v2.status import REPLACES, no_result
from clinical.hl7v2.times import Clock, Series, Twice
from clinical.measures import Measure
from clinical.records import Analyte, AnyRecord, Deed, Original, PatientRef, Status

__all__ = ["IMPLAUSIBLE", "IN_THE_FUTURE", "Problem", "Results", "Rules", "read_results"]

RULE, RULE_VERSION = "oru", "2"
IN_THE_FUTURE = "in-the-future"
_CLOCKS_DIFFER_MILLIS = 24 * 3_600_000
"""By so much may a sender's time be ahead of ours: wrong clocks and zones, but no result of next week."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one sender's messages are read.

    `codes`: local code → what it means, asked before LOINC and MDC. `kinds`: the kinds of record that are wanted, of
    `meaning.KINDS`; codes of others count as not known. `not_verified`: what OBX-11 `R` means. `ignore_others`: pass
    over codes that are not known instead of reporting them.
    """

    zone: ZoneInfo
    codes: Mapping[str, Analyte | Measure] = field(default_factory=dict)
    patient_identifier: str = "MR"
    assigner: str | None = None
    not_verified: Status = Status.PRELIMINARY
    ignore_others: bool = False
    if_twice: Twice = "earlier"
    kinds: frozenset[str] = frozenset(KINDS)


@dataclass(frozen=True, slots=True)
class Problem:
    """One part that cannot become a record: `count` OBX. `body` is the smallest message that holds just this part, and
    the device rows that say something of it."""

    path: str
    code: str
    text: str
    body: bytes = field(repr=False)
    count: int = 1


@dataclass(slots=True)
class Results:
    """Records by patient, in the order of the message; problems; and why other OBX were passed over, counted.

    `joined` counts the OBX that are part of a record whose first OBX is another.
    """

    records: dict[PatientRef, list[AnyRecord]] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    joined: int = 0


def read_results(message: Message, rules: Rules, received_at: datetime) -> Results:
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
        self.seen: dict[tuple[str, str, Status], Content] = {}

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
        above = Containment(observation for _, observation in result.observations())
        drafts = [made for found in result.observations() if (made := self._draft(result, *found, above)) is not None]
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
            self._problem(error, self._segments(result, above, drafts), count=len(drafts))
            return
        series = Series([draft.time.written.wall for draft in drafts], self.rules.zone)
        for joined in join(drafts):
            if isinstance(joined, Alone):
                segments = self._segments(result, above, [joined.draft])
                self._problem(joined.error, segments, joined.draft.observation.number)
                continue
            try:
                record = self._record(patient, joined, series)
            except Hl7Error as error:
                parts = [joined.main, *joined.mates.values()]
                segments = self._segments(result, above, parts)
                self._problem(error, segments, joined.main.observation.number, len(parts))
            else:
                self.results.records.setdefault(patient, []).append(record)
                self.results.joined += len(joined.mates)

    def _draft(self, result: PatientResult, order: Order, observation: Observation, above: Containment) -> Draft | None:
        """What an OBX says, or None if it is passed over or a problem (both are noted)."""
        try:
            code = self._code(order, observation.obx)
            if isinstance(code, str):
                self.results.passed_over[code] += 1
                return None
            return draft(order, observation, code, above, self.rules.not_verified)
        except Hl7Error as error:
            segments = [
                *self._head(result),
                order.orc,
                order.obr,
                *order.participations,
                *above.rows(observation.obx),
                observation.obx,
            ]
            self._problem(error, [*segments, *observation.follows], observation.number)
            return None

    def _code(self, order: Order, obx: Segment) -> Code | str:
        """What it is, or why it is passed over. Raises Hl7Error for a code that is not known and not ignored."""
        found = codings(obx)
        if order.control or found.control:
            return "quality-control"
        if no_result(obx):
            return "no-result"
        code = code_of(found, self.rules.codes)
        if code is not None and kind_of(code.meaning) in self.rules.kinds:
            return code
        if found.device:
            return "device"
        if self.rules.ignore_others:
            return "other-code"
        raise Hl7Error(
            "the code is not known; add it to the table in `codes`, or set other_codes: ignore", "3", "unknown-code"
        )

    def _record(self, patient: PatientRef, joined: Joined, series: Series) -> AnyRecord:
        main = joined.main
        obx = main.observation.obx
        effective = self.clock.effective(main.time, series, joined.place)
        if effective.instant.millis > self.latest_millis:
            text = "lies more than a day after the message came; is the sender's clock right?"
            raise Hl7Error(text, main.time.path, IN_THE_FUTURE)
        version = version_of(
            self.clock.utc_text(obx.leaf(19)) if obx.raw(19) else None,
            self._reported(main.order),
            self.sent,
            replaces=main.status in REPLACES,
        )
        source = source_id(self.sender, patient, main.order, obx, main.code.code, effective.instant, version)
        self._tell_apart((source.system, source.value, main.status), main.content)
        remarks = main.content.remarks
        for mate in joined.mates.values():
            remarks += mate.content.remarks
        if effective.remark:
            remarks += (effective.remark,)
        entry = {
            "patient": patient,
            "effective": effective.instant,
            "status": main.status,
            "source": source,
            "original": Original(
                value=obx.raw(5) or None,
                unit=main.content.unit,
                code=main.code.code,
                system=main.code.system or None,
                time=main.time.text,
            ),
            "device": main.device,
            "notes": _notes(main.observation) if main.observation.follows else (),
            "done": tuple(Deed(rule=RULE, version=RULE_VERSION, what=remark) for remark in remarks) if remarks else (),
        }
        return record_of(joined, entry)

    def _reported(self, order: Order) -> str | None:
        return self.clock.utc_text(order.obr.leaf(22)) if order.obr is not None and order.obr.raw(22) else None

    def _tell_apart(self, key: tuple[str, str, Status], content: Content) -> None:
        """Two values under one identity would be two versions of one record, and one of them lost."""
        if self.seen.setdefault(key, content)[:3] != content[:3]:
            raise Hl7Error(
                "has the same code, time and sub-id as another OBX of this message, but another value; "
                "number them in OBX-4",
                "4",
                "same-identity",
            )

    def _head(self, result: PatientResult) -> list[Segment | None]:
        return [self.msh, result.pid, result.pv1]

    def _segments(self, result: PatientResult, above: Containment, drafts: Sequence[Draft]) -> list[Segment | None]:
        segments = self._head(result)
        last: Order | None = None
        for each in drafts:
            if each.order is not last:
                last = each.order
                segments += [last.orc, last.obr, *last.participations]
            segments += [row for row in above.rows(each.observation.obx) if row not in segments]
            segments += [each.observation.obx, *each.observation.follows]
        return segments

    def _problem(
        self, error: Hl7Error, segments: list[Segment | None], number: int | None = None, count: int = 1
    ) -> None:
        path = error.path or ""
        if path.isdigit():
            path = f"OBX[{number}]-{path}"
        self.results.problems.append(Problem(path, error.code, error.text, self.message.part(segments), count))


def _notes(observation: Observation) -> tuple[str, ...]:
    return tuple(
        text
        for segment in observation.notes
        for repetition in segment.repetitions(3)
        if (text := segment.delimiters.unescaped(repetition, segment.codec).strip()) and text != NULL
    )
