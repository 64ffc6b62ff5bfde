"""Which windows are due, and what is issued of them: decisions, without I/O."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from clinical.issued import Cause, IssuedOutcome, Method, OutcomeStatus, Period
from clinical.outcomes.named import Found
from clinical.outcomes.reasons import Span
from clinical.outcomes.subjects import Subject
from clinical.outcomes.windows import Window, WindowState, days_ending, fixed_period
from clinical.outcomes.zone import day_of
from clinical.records import Device, PatientRef

CATCH_UP_DAYS = 31
"""For so many days without any reading the windows that ended meanwhile are issued late; a rebuild makes more."""
PATIENCE_MILLIS = 900_000
"""So long after a window has ended it is left to the schedule to say so; then the next reading does."""

LIVE_MILLIS = 1_800_000
"""A reading that is not older is looked for among the newest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a site wants: lengths of windows in days (1 is the calendar day), which of them are also issued before they
    end, whose midnight counts, and how long after its end a window still waits for data. `fixed`: lengths whose windows
    lie side by side (`fixed_period`) instead of moving by a day."""

    subject: Subject
    zone: ZoneInfo
    lengths: tuple[int, ...]
    partial: frozenset[int]
    grace_millis: int
    fixed: frozenset[int] = frozenset()
    zones: str = ""
    """The zone of those who have none of their own, where `zone` is a patient's."""

    def for_patient(self, zone: ZoneInfo | None) -> "Plan":
        """The same for a patient with a zone of their own."""
        return self if zone is None else replace(self, zone=zone, zones=self.zones or self.zone.key)

    @property
    def method(self) -> str:
        """What elements can be shared by: the method and the zone."""
        return _method(self.subject.digest, self.zone.key)


@lru_cache(maxsize=1024)
def _method(digest: str, zone: str) -> str:
    return hashlib.sha256(f"{digest}|{zone}".encode()).hexdigest()[:32]


class Change(NamedTuple):
    """A reading or device event that came, changed or went. `span`: the time that a device event excludes."""

    millis: int
    cause: Cause
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One patient's changes in one or several messages, of which the last gives its id. `now_millis`: when it came.
    `rebuild`: the days whose windows are
    all computed anew, for the batch lane. `close`: issue what has ended. `check`: a rebuild for those with outcomes."""

    tenant: str
    patient: PatientRef
    key: str
    changes: Sequence[Change] = field(repr=False)
    now_millis: int
    message_id: str
    origin_id: str
    new_id: Callable[[], str]
    rebuild: tuple[date, date] | None = None
    close: bool = False
    check: bool = False

    @property
    def live(self) -> bool:
        """Are these only readings that have just been taken?"""
        earliest = self.now_millis - LIVE_MILLIS
        return bool(self.changes) and all(
            change.cause is Cause.NEW and change.span is None and change.millis >= earliest for change in self.changes
        )


class Upkeep(NamedTuple):
    """What is known of a patient's outcomes by one method (`ledger.outcome_tables.outcome_upkeep`)."""

    zone: str
    closed: date | None
    due_millis: int | None


class Before(NamedTuple):
    """The version of an outcome that stands."""

    id: str
    series: str
    version: int
    status: OutcomeStatus
    complete: bool
    evidence: str
    method: str | None
    first: date
    last: date

    @property
    def due(self) -> "Due":
        return Due(self.last, (self.last - self.first).days + 1)


class Case(NamedTuple):
    """One patient's work with what the ledger knows of it. `stale`: days that the ledger wants made anew, and why;
    `since`: the first day with which a window of several days ended that was issued, where late data needs it."""

    plan: Plan
    work: Work
    upkeep: Upkeep | None
    stale: Mapping[date, Cause]
    standing: Mapping[str, Before]
    since: date | None = None

    @property
    def rezoned(self) -> bool:
        return self.upkeep is not None and self.upkeep.zone != self.plan.zone.key

    @property
    def idle(self) -> bool:
        """Is nothing to be done for a patient without outcomes, or of whom nothing is left in any window?"""
        asked = self.work.close or self.work.check
        return asked and (self.upkeep is None or (self.upkeep.due_millis is None and not self.stale))

    @property
    def closing(self) -> bool:
        """Is it time to look at the windows that have ended since?"""
        if self.idle or self.work.rebuild is not None:
            return False
        if self.upkeep is None or self.upkeep.due_millis is None or self.rezoned:
            return True
        patience = 0 if self.work.close else PATIENCE_MILLIS
        return self.work.now_millis >= self.upkeep.due_millis + patience


class Issued(NamedTuple):
    """What was issued, and the same as it is stored and sent (`clinical.issued.encode_one`)."""

    outcome: IssuedOutcome
    body: bytes


class Due(NamedTuple):
    """A window to look at: its last day and its length in days."""

    last: date
    days: int

    @property
    def first(self) -> date:
        return self.last - timedelta(days=self.days - 1)


def name_of(days: int) -> str:
    return "day" if days == 1 else f"{days}d"


def window_of(due: Due, plan: Plan) -> Window:
    return days_ending(due.last, due.days, plan.zone)


def due_windows(case: Case, affected: Iterable[date]) -> list[Due]:
    """Which windows to look at, oldest first: those that were issued and hold an affected day, those whose end has come
    since, and those that begin to be told of. None that has not begun."""
    plan, work, touched = case.plan, case.work, set(affected)
    found = {
        each.due
        for each in case.standing.values()
        if case.rezoned
        or (case.closing and not each.complete)
        or any(each.first <= day <= each.last for day in touched)
    }
    for days in plan.lengths:
        found |= {Due(last, days) for last in _ends(case, days, touched)}
    return sorted(due for due in found if due.days in plan.lengths and _begun(due, plan, work))


def _ends(case: Case, days: int, touched: set[date]) -> set[date]:
    """The last days of the windows of one length that are due."""
    plan, work = case.plan, case.work
    if work.rebuild is None and days == 1:
        return touched
    ends = _ended(case) | _passed_over(case, days, touched)
    if days in plan.fixed:
        ends = {last for last in ends if _last_of_period(last, days, plan) == last}
    if days not in plan.partial or not work.changes:
        return ends
    today = day_of(work.now_millis, plan.zone)
    return ends | {_last_of_period(today, days, plan) if days in plan.fixed else today}


def _passed_over(case: Case, days: int, touched: set[date]) -> set[date]:
    """The last days of windows with a touched day that have been looked at when they ended, and held nothing then."""
    if case.work.rebuild is not None or case.since is None or case.upkeep is None or case.upkeep.closed is None:
        return set()
    ends = {day + timedelta(days=n) for day in touched for n in range(days)}
    return {last for last in ends if case.since <= last <= case.upkeep.closed}


def _ended(case: Case) -> set[date]:
    """The days that have ended, or that are asked for."""
    if case.work.rebuild is not None:
        since, closed = case.work.rebuild
    elif not case.closing:
        return set()
    else:
        since = closed = last_closed(case.plan, case.work)
        if case.upkeep is not None and case.upkeep.closed is not None:
            since = max(case.upkeep.closed + timedelta(days=1), closed - timedelta(days=CATCH_UP_DAYS))
    return {since + timedelta(days=n) for n in range((closed - since).days + 1)}


def _last_of_period(day: date, days: int, plan: Plan) -> date:
    return day_of(fixed_period(day, days, plan.zone).end_millis - 1, plan.zone)


def last_closed(plan: Plan, work: Work) -> date:
    """The last day whose windows are final."""
    day = day_of(work.now_millis, plan.zone)
    while _state(Due(day, 1), plan, work) is not WindowState.FINAL:
        day -= timedelta(days=1)
    return day


def upkeep_after(case: Case, issued_or_standing: bool) -> Upkeep | None:
    """What to remember once the windows that ended have been looked at; None if it need not change. A patient of whom
    nothing is left in any window is due no more."""
    if not case.closing:
        return None
    closed = last_closed(case.plan, case.work)
    following = window_of(Due(closed + timedelta(days=1), 1), case.plan).end_millis + case.plan.grace_millis
    return Upkeep(case.plan.zone.key, closed, following if issued_or_standing else None)


def _state(due: Due, plan: Plan, work: Work) -> WindowState:
    return window_of(due, plan).state(work.now_millis, plan.grace_millis)


def _begun(due: Due, plan: Plan, work: Work) -> bool:
    if window_of(due, plan).start_millis >= work.now_millis:
        return False
    return due.days in plan.partial or _state(due, plan, work) is WindowState.FINAL


def series_of(work: Work, plan: Plan, due: Due) -> str:
    """The name of a window for ever: whose, about what, by which method's name, from when to when."""
    zones = plan.zones or plan.zone.key  # a patient who moves keeps their series
    said = (work.tenant, work.key, plan.subject.name, plan.subject.label, due.last.isoformat(), due.days, zones)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def issue(case: Case, due: Due, found: Found, device: Device | None) -> IssuedOutcome | None:
    """The next version of an outcome, or None if there is nothing new to tell: the same evidence as before in the same
    state, or no reading ever."""
    plan, work = case.plan, case.work
    series = series_of(work, plan, due)
    before = case.standing.get(series)
    window = window_of(due, plan)
    complete = window.state(work.now_millis, plan.grace_millis) is WindowState.FINAL
    if before is None and not found.readings:
        return None
    if before is not None and before.evidence == found.digest and (before.complete or not complete):
        return None
    return IssuedOutcome(
        id=work.new_id(),
        series=series,
        version=1 if before is None else before.version + 1,
        status=_status(found, before, complete=complete),
        cause=_cause(case, due, found, before),
        patient=work.patient,
        subject=plan.subject.name,
        period=_period(due, window),
        method=Method(
            name=plan.subject.label,
            version=plan.subject.version,
            digest=plan.subject.digest,
            rules=plan.subject.rules,
        ),
        evidence=found.digest,
        readings=found.readings,
        at_millis=work.now_millis,
        message_id=work.message_id,
        origin_id=work.origin_id,
        complete=complete or (before is not None and before.complete),
        replaces=before.id if before is not None else None,
        device=device,
        figures=found.figures,
        counts=found.counts,
        accounting=found.accounting,
        dropped=found.dropped,
        flags=found.flags,
    )


def _period(due: Due, window: Window) -> Period:
    return Period(
        name=name_of(due.days),
        first_day=due.first.isoformat(),
        last_day=due.last.isoformat(),
        start_millis=window.start_millis,
        end_millis=window.end_millis,
        zone=window.zone.key,
    )


def _status(found: Found, before: Before | None, *, complete: bool) -> OutcomeStatus:
    if before is not None and not found.readings:
        return OutcomeStatus.ENTERED_IN_ERROR
    if before is not None and before.complete:
        return OutcomeStatus.AMENDED
    return OutcomeStatus.FINAL if complete else OutcomeStatus.PARTIAL


def _cause(case: Case, due: Due, found: Found, before: Before | None) -> Cause:
    plan, work, window = case.plan, case.work, window_of(due, case.plan)
    inside = {change.cause for change in work.changes if _reaches(change, window)}
    inside |= {cause for day, cause in case.stale.items() if due.first <= day <= due.last}
    if before is not None and before.method not in (None, plan.subject.digest):
        inside.add(Cause.METHOD)
    if before is not None and case.rezoned:
        inside.add(Cause.ZONE)
    if Cause.NEW in inside and before is not None and before.complete:
        inside.add(Cause.LATE)
    if before is not None and before.evidence == found.digest:
        return Cause.ENDED
    if not inside:
        return Cause.REBUILD if work.rebuild else Cause.ENDED
    return next(cause for cause in Cause if cause in inside)


def _reaches(change: Change, window: Window) -> bool:
    if change.span is not None:
        return change.span.start_millis < window.end_millis and change.span.end_millis > window.start_millis
    return window.start_millis <= change.millis < window.end_millis
