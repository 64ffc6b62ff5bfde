"""The road between outcomes and the database: readings that stand, day elements, issued outcomes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from clinical.issued import IssuedOutcome, decode_one, encode_one
from clinical.outcomes.subjects import Measured, Subject
from clinical.records import Detection, Device, Instant, Quantity, Status
from ledger.outcome_rules import Plan, Work
from ledger.outcome_tables import outcome, outcome_day
from ledger.store import Transaction
from ledger.tables import reading, reading_source

EPOCH = date(1970, 1, 1)


class _Told(msgspec.Struct, frozen=True):
    """What a record says beside its row."""

    device: Device | None = None
    diastolic: Quantity | None = None
    event: str | None = None
    until: Instant | None = None


_told = msgspec.json.Decoder(_Told).decode


async def standing_readings(
    tx: Transaction, tenant: str, patient: str, subject: Subject, start: int, end: int
) -> list[Measured]:
    """The patient's readings of a subject that stand, from `start` to before `end` (milliseconds), in order."""
    statement = (
        select(
            reading.c.effective,
            reading.c.steps,
            reading.c.unit,
            reading.c.detection,
            reading_source.c.system,
            reading_source.c.record,
        )
        .join_from(
            reading,
            reading_source,
            (reading.c.truth_message_id == reading_source.c.message_id)
            & (reading.c.truth_position == reading_source.c.position),
        )
        .where(
            reading.c.tenant == tenant,
            reading.c.patient == patient,
            reading.c.analyte.in_(subject.reads),
            reading.c.effective >= start,
            reading.c.effective < end,
            reading.c.status != Status.ENTERED_IN_ERROR.value,
        )
        .order_by(reading.c.effective, reading.c.id)
    )
    return [_measured(row) for row in await tx.execute(statement)]


def _measured(row: Any) -> Measured:
    told = _told(row[5])
    return Measured(
        millis=row[0],
        value=Quantity(steps=row[1], unit=row[2]),
        source=row[4],
        detection=Detection(row[3]) if row[3] else None,
        device=told.device,
        second=told.diastolic,
        event=told.event,
        until_millis=told.until.millis if told.until is not None else None,
    )


async def elements(tx: Transaction, plan: Plan, work: Work, first: date, last: date) -> dict[date, bytes]:
    """The stored elements of the days from `first` to `last`."""
    statement = select(outcome_day.c.day, outcome_day.c.element).where(
        *_days_of(plan, work), outcome_day.c.day >= _ordinal(first), outcome_day.c.day <= _ordinal(last)
    )
    return {EPOCH + timedelta(days=row[0]): row[1] for row in await tx.execute(statement)}


async def put_elements(tx: Transaction, plan: Plan, work: Work, made: Mapping[date, bytes]) -> None:
    """Store these, in place of what was there."""
    if not made:
        return
    days = [{"at_day": _ordinal(day)} for day in made]
    await tx.execute(delete(outcome_day).where(*_days_of(plan, work), outcome_day.c.day == bindparam("at_day")), days)
    named = {"tenant": work.tenant, "patient": work.key, "subject": plan.subject.name, "method": plan.method}
    await tx.execute(
        insert(outcome_day), [{**named, "day": _ordinal(day), "element": element} for day, element in made.items()]
    )


def _days_of(plan: Plan, work: Work) -> tuple[Any, ...]:
    return (
        outcome_day.c.tenant == work.tenant,
        outcome_day.c.patient == work.key,
        outcome_day.c.subject == plan.subject.name,
        outcome_day.c.method == plan.method,
    )


async def standing_outcomes(tx: Transaction, plan: Plan, work: Work, since: date) -> list[IssuedOutcome]:
    """The patient's outcomes by this method that stand: those whose window ends on `since` or later, and those that
    were not complete when they were issued."""
    statement = (
        select(outcome.c.body)
        .where(
            outcome.c.tenant == work.tenant,
            outcome.c.patient == work.key,
            outcome.c.subject == plan.subject.name,
            outcome.c.label == plan.subject.label,
            (outcome.c.last_day >= _ordinal(since)) | outcome.c.complete.is_(False),
            outcome.c.replaced_by.is_(None),
        )
        .order_by(outcome.c.last_day, outcome.c.first_day)
    )
    found = [decode_one(row[0]) for row in await tx.execute(statement)]
    return [each for each in found if each.period.zone == plan.zone.key]


_REPLACED = update(outcome).where(outcome.c.id == bindparam("old")).values(replaced_by=bindparam("new"))


async def put_outcomes(tx: Transaction, plan: Plan, work: Work, issued: Sequence[IssuedOutcome]) -> None:
    """Enter new versions; the ones they replace stay, and say by what."""
    if not issued:
        return
    replaced = [{"old": each.replaces, "new": each.id} for each in issued if each.replaces]
    if replaced:
        await tx.execute(_REPLACED, replaced)
    await tx.execute(insert(outcome), list(_rows(plan, work, issued)))


def _rows(plan: Plan, work: Work, issued: Iterable[IssuedOutcome]) -> Iterable[Mapping[str, Any]]:
    for each in issued:
        yield {
            "id": each.id,
            "series": each.series,
            "version": each.version,
            "tenant": work.tenant,
            "patient": work.key,
            "subject": each.subject,
            "label": plan.subject.label,
            "name": each.period.name,
            "first_day": _ordinal(date.fromisoformat(each.period.first_day)),
            "last_day": _ordinal(date.fromisoformat(each.period.last_day)),
            "start": each.period.start_millis,
            "end": each.period.end_millis,
            "status": each.status.value,
            "complete": each.complete,
            "evidence": each.evidence,
            "replaces": each.replaces,
            "replaced_by": None,
            "message_id": each.message_id,
            "origin_id": each.origin_id,
            "body": encode_one(each),
            "at": each.at_millis * 1000,
        }


def _ordinal(day: date) -> int:
    return (day - EPOCH).days
