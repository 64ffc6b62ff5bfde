"""The road between outcomes and the database: readings that stand, day elements, issued outcomes."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from clinical.issued import OutcomeStatus
from clinical.outcomes.columns import key_of
from clinical.outcomes.history import CONTEXT_MILLIS
from clinical.outcomes.subjects import LONGEST_SPAN_MILLIS, Day, Measured, Subject
from clinical.outcomes.windows import Window
from clinical.records import Detection, Device, Instant, Quantity, Status
from ledger.outcome_rules import Before, Case, Issued, Plan, Work
from ledger.outcome_tables import outcome, outcome_day
from ledger.outcome_upkeep import day_from, ordinal
from ledger.store import Transaction
from ledger.tables import reading, reading_source

_FOREVER = 1 << 30
"""A day that never comes."""


class _Told(msgspec.Struct, frozen=True):
    """What a record says beside its row."""

    device: Device | None = None
    diastolic: Quantity | None = None
    event: str | None = None
    until: Instant | None = None


_told = msgspec.json.Decoder(_Told).decode


_EVENT = "device-event/"
_MEASURED = (
    select(
        reading.c.id,
        reading.c.effective,
        reading.c.steps,
        reading.c.unit,
        reading.c.detection,
        reading_source.c.system,
        reading_source.c.record,
        reading.c.patient,
    )
    .join_from(
        reading,
        reading_source,
        (reading.c.truth_message_id == reading_source.c.message_id)
        & (reading.c.truth_position == reading_source.c.position),
    )
    .where(
        reading.c.tenant == bindparam("tenant"),
        reading.c.analyte.in_(bindparam("reads", expanding=True)),
        reading.c.effective >= bindparam("start"),
        reading.c.status != Status.ENTERED_IN_ERROR.value,
    )
    .order_by(reading.c.effective, reading.c.id)
)
_READINGS = _MEASURED.where(reading.c.patient == bindparam("patient"), reading.c.effective < bindparam("end"))
_NEWEST = _MEASURED.where(reading.c.patient.in_(bindparam("keys", expanding=True)))


async def standing_readings(
    tx: Transaction, tenant: str, patient: str, subject: Subject, window: Window, around: int = CONTEXT_MILLIS
) -> list[Measured]:
    """The patient's readings of a subject that stand and matter to a window, in order: those from `around`
    (milliseconds) before to as much after it, and the device events that may exclude any of that time."""
    found: list[Measured] = []
    start, end = window.start_millis - around, window.end_millis + around
    for events in (True, False):
        reads = [name for name in subject.reads if name.startswith(_EVENT) is events]
        if reads:
            since = start - LONGEST_SPAN_MILLIS if events else start
            parameters = {"tenant": tenant, "patient": patient, "reads": reads, "start": since, "end": end}
            found += [_measured(row) for row in await tx.execute(_READINGS, [parameters])]
    return found


def _measured(row: Any) -> Measured:
    told = _told(row[6])
    return Measured(
        millis=row[1],
        value=Quantity(steps=row[2], unit=row[3]),
        source=row[5],
        detection=Detection(row[4]) if row[4] else None,
        device=told.device,
        second=told.diastolic,
        event=told.event,
        until_millis=told.until.millis if told.until is not None else None,
        key=key_of(row[0]),
    )


_COUNTS = (
    select(reading.c.patient, func.count())
    .where(
        reading.c.tenant == bindparam("tenant"),
        reading.c.patient.in_(bindparam("keys", expanding=True)),
        reading.c.analyte.in_(bindparam("reads", expanding=True)),
        reading.c.effective >= bindparam("start"),
    )
    .group_by(reading.c.patient)
)


async def newest_readings(
    tx: Transaction, tenant: str, subject: Subject, keys: Sequence[str], since: int
) -> dict[str, list[Measured]]:
    """By patient: the readings that stand from `since` on (milliseconds), without device events."""
    parameters = {"tenant": tenant, "keys": list(keys), "reads": _values(subject), "start": since}
    found: dict[str, list[Measured]] = {}
    for row in await tx.execute(_NEWEST, [parameters]):
        found.setdefault(row[7], []).append(_measured(row))
    return found


async def reading_counts(
    tx: Transaction, tenant: str, subject: Subject, keys: Sequence[str], since: int
) -> dict[str, int]:
    """By patient: how many readings there are from `since` on (milliseconds), withdrawn ones too. The index tells."""
    parameters = {"tenant": tenant, "keys": list(keys), "reads": _values(subject), "start": since}
    return {row[0]: row[1] for row in await tx.execute(_COUNTS, [parameters])}


def _values(subject: Subject) -> list[str]:
    return [name for name in subject.reads if not name.startswith(_EVENT)]


# --- days


class StoredDay(NamedTuple):
    """`kept`: the readings it was made from, while it still grows."""

    element: Day
    kept: bytes | None


_DAYS = (
    outcome_day.c.tenant == bindparam("at_tenant"),
    outcome_day.c.subject == bindparam("at_subject"),
    outcome_day.c.day >= bindparam("first"),
    outcome_day.c.day <= bindparam("last"),
    outcome_day.c.stale.is_(None),
)
_ELEMENTS = select(outcome_day.c.day, outcome_day.c.element).where(
    *_DAYS, outcome_day.c.patient == bindparam("at_patient"), outcome_day.c.method == bindparam("at_method")
)
_RECENT = select(
    outcome_day.c.patient, outcome_day.c.method, outcome_day.c.day, outcome_day.c.element, outcome_day.c.readings
).where(*_DAYS, outcome_day.c.patient.in_(bindparam("keys", expanding=True)))
_THIS_DAY = (
    outcome_day.c.tenant == bindparam("at_tenant"),
    outcome_day.c.patient == bindparam("at_patient"),
    outcome_day.c.subject == bindparam("at_subject"),
    outcome_day.c.method == bindparam("at_method"),
    outcome_day.c.day == bindparam("at_day"),
)
_REMOVE = delete(outcome_day).where(*_THIS_DAY)
_RENEW = update(outcome_day).where(*_THIS_DAY).values(element=bindparam("made"), readings=bindparam("kept"), stale=None)


async def elements(tx: Transaction, plan: Plan, work: Work, first: date, last: date) -> dict[date, bytes]:
    """The stored elements of the days from `first` to `last` that need not be made anew."""
    parameters = {**_named(plan, work), "first": ordinal(first), "last": ordinal(last)}
    return {day_from(row[0]): row[1] for row in await tx.execute(_ELEMENTS, [parameters])}


async def recent_days(
    tx: Transaction, tenant: str, plan: Plan, keys: Sequence[str], since: date
) -> dict[tuple[str, str], dict[date, StoredDay]]:
    """By patient and method: the days from `since` on that need not be made anew."""
    named = {"at_tenant": tenant, "at_subject": plan.subject.name, "first": ordinal(since), "last": _FOREVER}
    found: dict[tuple[str, str], dict[date, StoredDay]] = {}
    for patient, method, day, element, kept in await tx.execute(_RECENT, [{**named, "keys": list(keys)}]):
        found.setdefault((patient, method), {})[day_from(day)] = StoredDay(element, kept)
    return found


async def put_days(tx: Transaction, made: Iterable[tuple[Case, Mapping[date, StoredDay], Container[date]]]) -> None:
    """Store these, in place of what was there; of some days (the last of each three) that is known to be something."""
    there: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for case, days, known in made:
        named, subject = _named(case.plan, case.work), case.plan.subject
        for day, (element, kept) in days.items():
            row = {**named, "at_day": ordinal(day), "made": subject.stored(element), "kept": kept}
            (there if day in known else rows).append(row)
    if there:
        await tx.execute(_RENEW, there)
    if rows:
        names = ("at_tenant", "at_patient", "at_subject", "at_method", "at_day")
        await tx.execute(_REMOVE, [{name: row[name] for name in names} for row in rows])
        await tx.execute(_ADD, rows)


_ADD = insert(outcome_day).values(
    tenant=bindparam("at_tenant"),
    patient=bindparam("at_patient"),
    subject=bindparam("at_subject"),
    method=bindparam("at_method"),
    day=bindparam("at_day"),
    element=bindparam("made"),
    readings=bindparam("kept"),
)


def _named(plan: Plan, work: Work) -> dict[str, Any]:
    return {
        "at_tenant": work.tenant,
        "at_patient": work.key,
        "at_subject": plan.subject.name,
        "at_method": plan.method,
    }


# --- outcomes

_STANDING = (
    select(
        outcome.c.patient,
        outcome.c.id,
        outcome.c.series,
        outcome.c.version,
        outcome.c.status,
        outcome.c.complete,
        outcome.c.evidence,
        outcome.c.method,
        outcome.c.first_day,
        outcome.c.last_day,
    )
    .where(
        outcome.c.tenant == bindparam("tenant"),
        outcome.c.patient.in_(bindparam("keys", expanding=True)),
        outcome.c.subject == bindparam("subject"),
        outcome.c.label == bindparam("label"),
        or_(outcome.c.last_day >= bindparam("since"), outcome.c.complete.is_(False)),
        outcome.c.replaced_by.is_(None),
    )
    .order_by(outcome.c.last_day, outcome.c.first_day)
)


async def standing_outcomes(
    tx: Transaction, tenant: str, plan: Plan, keys: Sequence[str], since: date
) -> dict[str, dict[str, Before]]:
    """By patient and series: the outcomes that stand whose window ends on `since` or later, and those that were not
    complete when they were issued."""
    named = {"tenant": tenant, "subject": plan.subject.name, "label": plan.subject.label, "since": ordinal(since)}
    found: dict[str, dict[str, Before]] = {}
    for row in await tx.execute(_STANDING, [{**named, "keys": list(keys)}]):
        patient, id_, series, version, status, complete, evidence, method, first, last = row
        state = OutcomeStatus(status)
        before = Before(id_, series, version, state, complete, evidence, method, day_from(first), day_from(last))
        found.setdefault(patient, {})[series] = before
    return found


_FIRST_ENDS = (
    select(outcome.c.patient, func.min(outcome.c.last_day))
    .where(
        outcome.c.tenant == bindparam("tenant"),
        outcome.c.patient.in_(bindparam("keys", expanding=True)),
        outcome.c.subject == bindparam("subject"),
        outcome.c.label == bindparam("label"),
        outcome.c.first_day < outcome.c.last_day,
        outcome.c.complete,
        outcome.c.replaced_by.is_(None),
    )
    .group_by(outcome.c.patient)
)


async def first_ends(tx: Transaction, tenant: str, plan: Plan, keys: Sequence[str]) -> dict[str, date]:
    """By patient: the first day with which a window of several days ended that was issued complete."""
    named = {"tenant": tenant, "subject": plan.subject.name, "label": plan.subject.label, "keys": list(keys)}
    return {row[0]: day_from(row[1]) for row in await tx.execute(_FIRST_ENDS, [named])}


_REPLACED = update(outcome).where(outcome.c.id == bindparam("old")).values(replaced_by=bindparam("new"))


_NEW_OUTCOMES = insert(outcome)


async def put_outcomes(tx: Transaction, issued: Iterable[tuple[Case, Sequence[Issued]]]) -> None:
    """Enter new versions; the ones they replace stay, and say by what."""
    rows = [_row(case, each) for case, made in issued for each in made]
    replaced = [{"old": row["replaces"], "new": row["id"]} for row in rows if row["replaces"]]
    if replaced:
        await tx.execute(_REPLACED, replaced)
    if rows:
        await tx.execute(_NEW_OUTCOMES, rows)


def _row(case: Case, issued: Issued) -> Mapping[str, Any]:
    each = issued.outcome
    return {
        "id": each.id,
        "series": each.series,
        "version": each.version,
        "tenant": case.work.tenant,
        "patient": case.work.key,
        "subject": each.subject,
        "label": case.plan.subject.label,
        "name": each.period.name,
        "first_day": ordinal(date.fromisoformat(each.period.first_day)),
        "last_day": ordinal(date.fromisoformat(each.period.last_day)),
        "start": each.period.start_millis,
        "end": each.period.end_millis,
        "status": each.status.value,
        "complete": each.complete,
        "evidence": each.evidence,
        "replaces": each.replaces,
        "replaced_by": None,
        "message_id": each.message_id,
        "origin_id": each.origin_id,
        "body": issued.body,
        "at": each.at_millis * 1000,
        "method": each.method.digest,
    }
