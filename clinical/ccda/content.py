"""What a document's results and vital signs say: records and outcomes as groups of rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from clinical.ccda.templates import RESULTS, VITAL_SIGNS, Section
from clinical.codes import loinc_for
from clinical.fhir.identifiers import reading_value
from clinical.issued import IssuedOutcome, OutcomeStatus
from clinical.measures import BLOOD_PRESSURE, WRITTEN, Measure
from clinical.records import AnyRecord, BloodPressure, Detection, Glucose, Quantity, Status, VitalSign
from clinical.summary_figures import figures_of
from clinical.time import moment
from clinical.units import text_of


class Row(NamedTuple):
    """One observation: LOINC code, display, number as text with its UCUM unit, and whether it is a limit."""

    code: str
    display: str
    value: str
    unit: str
    detection: Detection | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """An organizer. `key` names it for ever; `start` and `end` are aware; `completed`: no more is to come."""

    section: Section
    key: str
    code: str
    display: str
    start: datetime
    end: datetime
    rows: tuple[Row, ...] = field(repr=False)
    completed: bool = True


def groups_of_records(records: Iterable[AnyRecord]) -> list[Group]:
    """One for each record that a section holds, in the order of their time. Records of other kinds and those entered
    in error have no place in a document."""
    standing = [record for record in records if record.status is not Status.ENTERED_IN_ERROR and any(_rows(record))]
    return [_of_record(record) for record in sorted(standing, key=lambda r: (r.effective.millis, reading_value(r)))]


def groups_of_outcomes(outcomes: Iterable[IssuedOutcome], units: Sequence[str]) -> list[Group]:
    """One for each window of glucose: the figures that have a LOINC code, the mean in these units. What was withdrawn
    has no place."""
    standing = [
        outcome
        for outcome in outcomes
        if outcome.subject == "glucose" and outcome.status is not OutcomeStatus.ENTERED_IN_ERROR
    ]
    return [group for outcome in standing if (group := _of_outcome(outcome, units)).rows]


def _of_record(record: AnyRecord) -> Group:
    rows = tuple(_rows(record))
    when = moment(record.effective.millis)
    section = RESULTS if isinstance(record, Glucose) else VITAL_SIGNS
    code, display = BLOOD_PRESSURE if isinstance(record, BloodPressure) else rows[0][:2]
    final = record.status is not Status.PRELIMINARY
    return Group(section, reading_value(record), code, display, when, when, rows, completed=final)


def _of_outcome(outcome: IssuedOutcome, units: Sequence[str]) -> Group:
    zone = ZoneInfo(outcome.period.zone)
    return Group(
        RESULTS,
        outcome.series,
        "107931-8",
        "Continuous glucose monitoring summary panel - Reporting Period",
        moment(outcome.period.start_millis).astimezone(zone),
        moment(outcome.period.end_millis - 1000).astimezone(zone),
        tuple(Row(code, name, str(value), unit) for code, name, value, unit in figures_of(outcome, *units)),
        completed=outcome.status is not OutcomeStatus.PARTIAL,
    )


def _rows(record: AnyRecord) -> Iterator[Row]:
    if isinstance(record, Glucose):
        yield _measured(loinc_for(record.analyte, record.value.unit), record.value, record.detection)
    elif isinstance(record, VitalSign):
        yield _measured(WRITTEN[Measure(record.kind.value)], record.value)
    elif isinstance(record, BloodPressure):
        yield _measured(WRITTEN[Measure.SYSTOLIC], record.systolic)
        yield _measured(WRITTEN[Measure.DIASTOLIC], record.diastolic)
        if record.pulse is not None:
            yield _measured(WRITTEN[Measure.HEART_RATE], record.pulse)


def _measured(code: tuple[str, str], value: Quantity, detection: Detection | None = None) -> Row:
    return Row(*code, text_of(value.steps, value.unit), value.unit, detection)
