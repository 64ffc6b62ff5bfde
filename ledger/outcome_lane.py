"""Outcomes kept up to date: from what changed to what is issued, in one transaction.

The same way for both lanes. Near real time, messages' readings say what changed; in a rebuild every day of a stretch
did. Either takes the readings from the ledger, so that both come to the same. Several patients at once cost one query
of each kind; what is asked for one alone is what late data needs.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from clinical.issued import encode_one
from clinical.outcomes.named import Found
from clinical.outcomes.subjects import Asked
from clinical.outcomes.windows import days_ending
from clinical.outcomes.zone import day_of
from clinical.records import Device
from ledger import outcome_store as store
from ledger import outcome_upkeep as upkeep
from ledger.outcome_days import Days, affected
from ledger.outcome_rules import Case, Due, Issued, Plan, Upkeep, Work, due_windows, issue, upkeep_after, window_of
from ledger.store import Transaction

_RECENT_DAYS = 2
_EVER = date(1970, 1, 1)


async def bring_up_to_date(tx: Transaction, plan: Plan, works: Sequence[Work]) -> list[Sequence[Issued]]:
    """Make the days anew that changed, issue what is new of the windows that hold them, and write both down. `works`:
    of different patients of one tenant; the result is what was issued for each."""
    known = await _cases(tx, plan, works)
    anew = [affected(case) for case in known]
    cases = await _with_standing(tx, plan, known, anew)
    days = await _days(tx, plan, cases, anew)
    due = [due_windows(case, touched) for case, touched in zip(cases, anew, strict=True)]
    for of, windows in zip(days, due, strict=True):
        await of.gather(tx, windows)
    found = iter(plan.subject.found([_asked(*each) for each in _each_due(cases, due, days)]))
    issued: list[Sequence[Issued]] = []
    kept: list[tuple[Case, Upkeep]] = []
    for case, windows, of in zip(cases, due, days, strict=True):
        made, alive = _issued(case, [(each, next(found)) for each in windows], of.device)
        issued.append(made)
        after = upkeep_after(case, alive)
        if after is not None:
            kept.append((case, after))
    await store.put_days(tx, [(case, of.made, of.stored) for case, of in zip(cases, days, strict=True)])
    await store.put_outcomes(tx, zip(cases, issued, strict=True))
    await upkeep.forget_days(tx, (case for case, _ in kept))
    await upkeep.put_upkeep(tx, kept)
    return issued


async def _cases(tx: Transaction, plan: Plan, works: Sequence[Work]) -> list[Case]:
    """What the ledger knows of each patient's outcomes, but for those that stand."""
    zones, known, stale = await upkeep.known_of(tx, works[0].tenant, plan, [work.key for work in works])
    found = []
    for work in works:
        own = plan.for_patient(zones.get(work.key))
        found.append(Case(own, work, known.get(work.key), stale.get((work.key, own.method), {}), {}))
    return found


async def _with_standing(
    tx: Transaction, plan: Plan, cases: Sequence[Case], anew: Sequence[Sequence[date]]
) -> list[Case]:
    """Each case with the versions that stand and may be looked at. Who has late data is asked for alone. `anew`: the
    days of each that are made anew, in order."""
    tenant = cases[0].work.tenant
    today = [_today(case) for case in cases]
    since = [
        _EVER if case.rezoned else min([*touched[:1], day])
        for case, touched, day in zip(cases, anew, today, strict=True)
    ]
    recent = max(since) - timedelta(days=_RECENT_DAYS)
    together = [case.work.key for case, day in zip(cases, since, strict=True) if day >= recent]
    found = await store.standing_outcomes(tx, tenant, plan, together, recent) if together else {}
    for case, day in zip(cases, since, strict=True):
        if day < recent:
            found |= await store.standing_outcomes(tx, tenant, plan, [case.work.key], day)
    late = [case.work.key for case, day, now in zip(cases, since, today, strict=True) if case.upkeep and day < now]
    first = await store.first_ends(tx, tenant, plan, late) if late else {}
    return [case._replace(standing=found.get(case.work.key, {}), since=first.get(case.work.key)) for case in cases]


def _today(case: Case) -> date:
    return day_of(case.work.now_millis, case.plan.zone)


async def _days(tx: Transaction, plan: Plan, cases: Sequence[Case], anew: Sequence[Sequence[date]]) -> list[Days]:
    """The days of each case, those that only grew made already."""
    since = min(map(_today, cases)) - timedelta(days=_RECENT_DAYS - 1)
    tenant, keys = cases[0].work.tenant, [case.work.key for case in cases]
    recent = await store.recent_days(tx, tenant, plan, keys, since)
    found = [
        Days(case, touched, recent.get((case.work.key, case.plan.method), {}), since)
        for case, touched in zip(cases, anew, strict=True)
    ]
    by_start: dict[int, list[tuple[Case, Days]]] = {}
    for case, days in zip(cases, found, strict=True):
        if days.base is not None:
            start = days_ending(days.base[0], 1, case.plan.zone).start_millis
            by_start.setdefault(start, []).append((case, days))
    for start, some in by_start.items():
        await _grow(tx, plan, start, some)
    return found


async def _grow(tx: Transaction, plan: Plan, start: int, some: Sequence[tuple[Case, Days]]) -> None:
    tenant, keys = some[0][0].work.tenant, [case.work.key for case, _ in some]
    since = min(change.millis for case, _ in some for change in case.work.changes)
    newest = await store.newest_readings(tx, tenant, plan.subject, keys, since)
    counts = await store.reading_counts(tx, tenant, plan.subject, keys, start)
    new = [newest.get(case.work.key, []) for case, _ in some]
    growing = plan.subject.growing
    assert growing is not None
    asked = [days.growth(each, counts.get(case.work.key, 0)) for each, (case, days) in zip(new, some, strict=True)]
    for each, (_, days), grown in zip(new, some, growing.grown(asked), strict=True):
        days.take(grown, each)


def _each_due(
    cases: Sequence[Case], due: Sequence[Sequence[Due]], days: Sequence[Days]
) -> Iterable[tuple[Case, Due, Days]]:
    for case, windows, of in zip(cases, due, days, strict=True):
        for each in windows:
            yield case, each, of


def _asked(case: Case, due: Due, days: Days) -> Asked:
    window = window_of(due, case.plan)
    return Asked(days.of(window), window, max(min(window.end_millis, case.work.now_millis), window.start_millis + 1))


def _issued(case: Case, looked_at: Sequence[tuple[Due, Found]], device: Device | None) -> tuple[list[Issued], bool]:
    """What is new, and whether any window that was looked at has a reading (or there was none)."""
    made = [issue(case, due, found, device) for due, found in looked_at]
    alive = not looked_at or any(found.readings for _, found in looked_at)
    return [Issued(each, encode_one(each)) for each in made if each is not None], alive
