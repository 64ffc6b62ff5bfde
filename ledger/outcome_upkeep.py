"""The road between the upkeep of outcomes and the database: what is due for whom, and in which zone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Text,
    bindparam,
    cast,
    delete,
    insert,
    literal_column,
    null,
    select,
    union_all,
    update,
)

from clinical.issued import Cause
from clinical.records import PatientRef
from ledger.outcome_rules import Case, Plan, Upkeep
from ledger.outcome_tables import outcome_day, outcome_upkeep, patient_zone
from ledger.store import Transaction

EPOCH = date(1970, 1, 1)
_ADD = insert(outcome_upkeep)
_u = outcome_upkeep.c
_z = patient_zone.c
_d = outcome_day.c
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)

_NO_TEXT, _NO_NUMBER = cast(null(), Text), cast(null(), BigInteger)
_KNOWN = union_all(
    select(literal_column("'zone'"), _z.patient, _z.zone, _NO_TEXT, _NO_NUMBER, _NO_NUMBER).where(
        _z.tenant == bindparam("tenant"), _z.patient.in_(_KEYS)
    ),
    select(literal_column("'upkeep'"), _u.patient, _u.zone, _NO_TEXT, _u.closed_day, _u.due_at).where(
        _u.tenant == bindparam("tenant"),
        _u.subject == bindparam("subject"),
        _u.label == bindparam("label"),
        _u.patient.in_(_KEYS),
    ),
    select(literal_column("'stale'"), _d.patient, _d.method, _d.stale, _d.day, _NO_NUMBER).where(
        _d.tenant == bindparam("tenant"),
        _d.subject == bindparam("subject"),
        _d.stale.is_not(None),
        _d.patient.in_(_KEYS),
    ),
)
_FORGET = delete(outcome_upkeep).where(
    _u.tenant == bindparam("at_tenant"),
    _u.patient == bindparam("at_patient"),
    _u.subject == bindparam("at_subject"),
    _u.label == bindparam("at_label"),
)


class Known(NamedTuple):
    """`zones`: of those who have one of their own; `upkeep`: by patient, as far as anything was ever issued; `stale`:
    by patient and method the days that must be made anew, each with the reason."""

    zones: dict[str, ZoneInfo]
    upkeep: dict[str, Upkeep]
    stale: dict[tuple[str, str], dict[date, Cause]]


async def known_of(tx: Transaction, tenant: str, plan: Plan, keys: Sequence[str]) -> Known:
    """What is known of these patients, asked for in one go."""
    known = Known({}, {}, {})
    named = {"tenant": tenant, "subject": plan.subject.name, "label": plan.subject.label}
    for kind, patient, text, reason, number, due in await tx.execute(_KNOWN, [{**named, "keys": list(keys)}]):
        if kind == "zone":
            known.zones[patient] = ZoneInfo(text)
        elif kind == "upkeep":
            known.upkeep[patient] = Upkeep(text, None if number is None else day_from(number), due)
        else:
            known.stale.setdefault((patient, text), {})[day_from(number)] = Cause(reason)
    return known


async def set_zone(tx: Transaction, tenant: str, patient: str, zone: str | None, at: int) -> None:
    """Say whose midnight counts for a patient (None: the site's), and make all their outcomes due. `at` in
    microseconds."""
    await tx.execute(delete(patient_zone).where(_z.tenant == tenant, _z.patient == patient))
    if zone is not None:
        row = {"tenant": tenant, "patient": patient, "zone": zone, "changed_at": at}
        await tx.execute(insert(patient_zone), [row])
    await tx.execute(update(outcome_upkeep).where(_u.tenant == tenant, _u.patient == patient).values(due_at=0))


async def forget_days(tx: Transaction, cases: Iterable[Case]) -> None:
    """Drop the days that were cut by another zone than the patient's is now."""
    for case in cases:
        if case.rezoned and case.upkeep is not None:
            old = case.plan.for_patient(ZoneInfo(case.upkeep.zone)).method
            named = (_d.tenant == case.work.tenant, _d.patient == case.work.key, _d.method == old)
            await tx.execute(delete(outcome_day).where(*named, _d.subject == case.plan.subject.name))


async def put_upkeep(tx: Transaction, changed: Iterable[tuple[Case, Upkeep]]) -> None:
    """Remember these in place of what was known."""
    rows = [_row(case, upkeep) for case, upkeep in changed]
    if not rows:
        return
    names = ("tenant", "patient", "subject", "label")
    await tx.execute(_FORGET, [{f"at_{name}": row[name] for name in names} for row in rows])
    await tx.execute(_ADD, rows)


def _row(case: Case, upkeep: Upkeep) -> Mapping[str, object]:
    return {
        "tenant": case.work.tenant,
        "patient": case.work.key,
        "subject": case.plan.subject.name,
        "label": case.plan.subject.label,
        "who": msgspec.json.encode(case.work.patient),
        "zone": upkeep.zone,
        "method": case.plan.method,
        "closed_day": None if upkeep.closed is None else ordinal(upkeep.closed),
        "due_at": upkeep.due_millis,
    }


async def due_patients(tx: Transaction, tenant: str, now_millis: int, at_most: int) -> list[PatientRef]:
    """Those of whom something has ended or must be made anew, the longest due first."""
    statement = (
        select(_u.patient, _u.who)
        .where(_u.tenant == tenant, _u.due_at <= now_millis)
        .order_by(_u.due_at, _u.patient)
        .limit(at_most)
    )
    stale = (
        select(_u.patient, _u.who)
        .join_from(
            outcome_day,
            outcome_upkeep,
            (_d.tenant == _u.tenant)
            & (_d.patient == _u.patient)
            & (_d.subject == _u.subject)
            & (_d.method == _u.method),
        )
        .where(_d.tenant == tenant, _d.stale.is_not(None))
        .distinct()
        .limit(at_most)
    )
    found = {row[0]: row[1] for row in [*await tx.execute(statement), *await tx.execute(stale)]}
    return [msgspec.json.decode(who, type=PatientRef) for who in list(found.values())[:at_most]]


async def known_patients(tx: Transaction, tenant: str, after: str, at_most: int) -> list[tuple[str, PatientRef]]:
    """Everybody with an outcome of any kind, by key, from after one on."""
    statement = (
        select(_u.patient, _u.who)
        .where(_u.tenant == tenant, _u.patient > after)
        .order_by(_u.patient, _u.subject)
        .limit(at_most)
    )
    found = {row[0]: msgspec.json.decode(row[1], type=PatientRef) for row in await tx.execute(statement)}
    return list(found.items())


def ordinal(day: date) -> int:
    """Days since 1970-01-01, as the tables have them."""
    return (day - EPOCH).days


def day_from(number: int) -> date:
    return EPOCH + timedelta(days=number)
