"""Outcomes kept up to date: from what changed to what is issued, in one transaction.

The same way for both lanes. Near real time, a message's readings say what changed; in a rebuild every day of a stretch
did. Either takes the readings from the ledger, so that both come to the same.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from clinical.issued import IssuedOutcome
from clinical.outcomes.history import CONTEXT_MILLIS, affected_days
from clinical.outcomes.subjects import Measured
from clinical.outcomes.windows import Window, days_ending
from clinical.outcomes.zone import day_of
from clinical.records import Device
from ledger import outcome_store as store
from ledger.outcome_rules import CATCH_UP_DAYS, Due, Plan, Work, by_series, due_windows, issue, series_of, window_of
from ledger.store import Transaction

_LONGEST_SPAN_MILLIS = 26 * 3600 * 1000
"""How long before a day a device event may begin that excludes time of it: a warm-up of a day, and some."""


async def bring_up_to_date(tx: Transaction, plan: Plan, work: Work) -> Sequence[IssuedOutcome]:
    """Make the days anew that changed, issue what is new of the windows that hold them, and write both down."""
    affected = _affected(plan, work)
    if not affected:
        return []
    since = min([*affected, day_of(work.now_millis, plan.zone) - timedelta(days=CATCH_UP_DAYS + 2)])
    standing = await store.standing_outcomes(tx, plan, work, since)
    due = due_windows(plan, work, affected, standing)
    days = _Days(tx, plan, work)
    await days.gather(affected, due)
    before = by_series(standing)
    issued: list[IssuedOutcome] = []
    for each in due:
        window = window_of(each, plan)
        as_of = max(min(window.end_millis, work.now_millis), window.start_millis + 1)
        found = plan.subject.found(days.of(window), window, as_of)
        made = issue(plan, work, each, found, before.get(series_of(work, plan, each)), days.device)
        if made is not None:
            issued.append(made)
    await store.put_outcomes(tx, plan, work, issued)
    return issued


def _affected(plan: Plan, work: Work) -> list[date]:
    if work.rebuild is not None:
        first, last = work.rebuild
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]
    spans = [change.span for change in work.changes if change.span is not None]
    return affected_days([change.millis for change in work.changes], plan.zone, spans=spans)


class _Days:
    """The elements of the days that a piece of work needs."""

    def __init__(self, tx: Transaction, plan: Plan, work: Work) -> None:
        self.device: Device | None = None
        """What measured last, of the readings that were read."""
        self._tx = tx
        self._plan = plan
        self._work = work
        self._known: dict[date, bytes] = {}

    def of(self, window: Window) -> list[bytes]:
        return [self._known[day] for day in window.days()]

    async def gather(self, affected: Iterable[date], due: Iterable[Due]) -> None:
        """Take what is stored, and make from the ledger's readings what changed and what is not there."""
        anew = set(affected)
        wanted = anew | {day for each in due for day in window_of(each, self._plan).days()}
        stored = await store.elements(self._tx, self._plan, self._work, min(wanted), max(wanted))
        self._known = {day: element for day, element in stored.items() if day not in anew}
        made: dict[date, bytes] = {}
        for first, last in _stretches(sorted(wanted - self._known.keys())):
            made |= await self._make(first, last)
        await store.put_elements(self._tx, self._plan, self._work, made)
        self._known |= made

    async def _make(self, first: date, last: date) -> dict[date, bytes]:
        window = days_ending(last, (last - first).days + 1, self._plan.zone)
        given = await store.standing_readings(
            self._tx,
            self._work.tenant,
            self._work.key,
            self._plan.subject,
            window.start_millis - CONTEXT_MILLIS - _LONGEST_SPAN_MILLIS,
            window.end_millis + CONTEXT_MILLIS,
        )
        self._remember_device(given)
        made = self._plan.subject.days(given, window)
        return dict(zip(window.days(), made, strict=True))

    def _remember_device(self, given: Sequence[Measured]) -> None:
        found = next((each.device for each in reversed(given) if each.device is not None and each.event is None), None)
        self.device = found or self.device


def _stretches(days: Sequence[date]) -> Iterable[tuple[date, date]]:
    """Neighbouring days together."""
    start: date | None = None
    for day, following in zip(days, [*days[1:], None], strict=True):
        start = start or day
        if following is None or following > day + timedelta(days=1):
            yield start, day
            start = None
