"""Which windows are due, and what is issued of them: decisions, without I/O."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from clinical.issued import Cause, IssuedOutcome, Method, OutcomeStatus, Period
from clinical.outcomes.reasons import Span
from clinical.outcomes.subjects import Found, Subject
from clinical.outcomes.windows import Window, WindowState, days_ending
from clinical.outcomes.zone import day_of
from clinical.records import Device, PatientRef

CATCH_UP_DAYS = 31
"""For so many days without any reading the windows that ended meanwhile are issued late; a rebuild makes more."""
_FIXED_OR_BETTER = frozenset({OutcomeStatus.FINAL, OutcomeStatus.AMENDED, OutcomeStatus.ENTERED_IN_ERROR})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a site wants: lengths of windows in days (1 is the calendar day), which of them are also issued before they
    end, whose midnight counts, and how long after its end a window still waits for data."""

    subject: Subject
    zone: ZoneInfo
    lengths: tuple[int, ...]
    partial: frozenset[int]
    grace_millis: int

    @property
    def method(self) -> str:
        """What elements can be shared by: the method and the zone."""
        return hashlib.sha256(f"{self.subject.digest}|{self.zone.key}".encode()).hexdigest()[:32]


class Change(NamedTuple):
    """A reading or device event that came, changed or went. `span`: the time that a device event excludes."""

    millis: int
    cause: Cause
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One patient's changes in one message. `now_millis`: when it came. `rebuild`: the days whose windows are all
    computed anew, for the batch lane."""

    tenant: str
    patient: PatientRef
    key: str
    changes: Sequence[Change] = field(repr=False)
    now_millis: int
    message_id: str
    origin_id: str
    new_id: Callable[[], str]
    rebuild: tuple[date, date] | None = None


class Due(NamedTuple):
    """A window to look at: its last day and its length in days."""

    last: date
    days: int


def name_of(days: int) -> str:
    return "day" if days == 1 else f"{days}d"


def window_of(due: Due, plan: Plan) -> Window:
    return days_ending(due.last, due.days, plan.zone)


def due_windows(plan: Plan, work: Work, affected: Iterable[date], standing: Sequence[IssuedOutcome]) -> list[Due]:
    """Which windows to look at, oldest first: those that were issued and hold an affected day, those whose end has come
    since, and those that begin to be told of. None that has not begun."""
    touched = set(affected)
    found = {_due(each) for each in standing if _holds(each, touched) or not each.complete}
    for days in plan.lengths:
        found |= {Due(last, days) for last in _ends(plan, work, days, touched, standing)}
    return sorted(due for due in found if due.days in plan.lengths and _begun(due, plan, work))


def _due(each: IssuedOutcome) -> Due:
    first, last = date.fromisoformat(each.period.first_day), date.fromisoformat(each.period.last_day)
    return Due(last, (last - first).days + 1)


def _holds(each: IssuedOutcome, days: set[date]) -> bool:
    return any(each.period.first_day <= day.isoformat() <= each.period.last_day for day in days)


def _ends(plan: Plan, work: Work, days: int, touched: set[date], standing: Sequence[IssuedOutcome]) -> set[date]:
    if work.rebuild is not None:
        first, last = work.rebuild
        return {first + timedelta(days=n) for n in range((last - first).days + 1)}
    if days == 1:
        return touched
    today = day_of(work.now_millis, plan.zone)
    closed = _last_closed(today, plan, work)
    told = [each.period.last_day for each in standing if each.period.name == name_of(days) and each.complete]
    since = date.fromisoformat(max(told)) + timedelta(days=1) if told else closed
    since = max(since, closed - timedelta(days=CATCH_UP_DAYS))
    ends = {since + timedelta(days=n) for n in range((closed - since).days + 1)}
    return ends | {today} if days in plan.partial else ends


def _last_closed(today: date, plan: Plan, work: Work) -> date:
    day = today
    while _state(Due(day, 1), plan, work) is not WindowState.FINAL:
        day -= timedelta(days=1)
    return day


def _state(due: Due, plan: Plan, work: Work) -> WindowState:
    return window_of(due, plan).state(work.now_millis, plan.grace_millis)


def _begun(due: Due, plan: Plan, work: Work) -> bool:
    if window_of(due, plan).start_millis >= work.now_millis:
        return False
    return due.days in plan.partial or _state(due, plan, work) is WindowState.FINAL


def series_of(work: Work, plan: Plan, due: Due) -> str:
    """The name of a window for ever: whose, about what, by which method's name, from when to when."""
    said = (work.tenant, work.key, plan.subject.name, plan.subject.label, due.last.isoformat(), due.days, plan.zone.key)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def issue(
    plan: Plan, work: Work, due: Due, found: Found, before: IssuedOutcome | None, device: Device | None
) -> IssuedOutcome | None:
    """The next version of an outcome, or None if there is nothing new to tell: the same evidence as before in the same
    state, or no reading ever."""
    window = window_of(due, plan)
    complete = window.state(work.now_millis, plan.grace_millis) is WindowState.FINAL
    if before is None and not found.readings:
        return None
    if before is not None and before.evidence == found.digest and (before.complete or not complete):
        return None
    return IssuedOutcome(
        id=work.new_id(),
        series=series_of(work, plan, due),
        version=1 if before is None else before.version + 1,
        status=_status(found, before, complete=complete),
        cause=_cause(plan, work, window, found, before),
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
        first_day=(due.last - timedelta(days=due.days - 1)).isoformat(),
        last_day=due.last.isoformat(),
        start_millis=window.start_millis,
        end_millis=window.end_millis,
        zone=window.zone.key,
    )


def _status(found: Found, before: IssuedOutcome | None, *, complete: bool) -> OutcomeStatus:
    if before is not None and not found.readings:
        return OutcomeStatus.ENTERED_IN_ERROR
    if before is not None and before.status in _FIXED_OR_BETTER:
        return OutcomeStatus.AMENDED
    return OutcomeStatus.FINAL if complete else OutcomeStatus.PARTIAL


def _cause(plan: Plan, work: Work, window: Window, found: Found, before: IssuedOutcome | None) -> Cause:
    inside = {change.cause for change in work.changes if _reaches(change, window)}
    if before is not None and before.method.digest != plan.subject.digest:
        inside.add(Cause.METHOD)
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


def by_series(standing: Iterable[IssuedOutcome]) -> Mapping[str, IssuedOutcome]:
    return {each.series: each for each in standing}
