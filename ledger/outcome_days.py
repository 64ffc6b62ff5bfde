"""The day elements that one patient's work needs: taken as they are, grown by new readings, or made anew."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from itertools import zip_longest

from clinical.outcomes.history import affected_days
from clinical.outcomes.subjects import Day, Grown, Growth, Measured
from clinical.outcomes.windows import Window, days_ending
from clinical.records import Device
from ledger import outcome_store as store
from ledger.outcome_rules import Case, Due, window_of
from ledger.outcome_store import StoredDay
from ledger.store import Transaction


def affected(case: Case) -> list[date]:
    """The local days to make anew."""
    work = case.work
    if case.idle:
        return []
    if work.rebuild is not None:
        first, last = work.rebuild
        days = {first + timedelta(days=n) for n in range((last - first).days + 1)}
        return sorted(days | case.stale.keys())
    spans = [change.span for change in work.changes if change.span is not None]
    changed = affected_days([change.millis for change in work.changes], case.plan.zone, spans=spans)
    return sorted({*changed, *case.stale})


class Days:
    """The elements of one patient's days. `made`: those to be stored; `device`: what measured last, of the readings
    that were looked at."""

    def __init__(self, case: Case, anew: Sequence[date], recent: Mapping[date, StoredDay], since: date) -> None:
        """`anew`: the days that changed; `recent`: what is stored of the days from `since` on."""
        self.made: dict[date, StoredDay] = {}
        self.device: Device | None = None
        self._case = case
        self._anew = anew
        self._recent = recent
        self._since = since
        self._growing = case.plan.subject.growing
        self._known: dict[date, Day] = {}

    @property
    def stored(self) -> Container[date]:
        """Days of which something is stored that need not be made anew but for what is new."""
        return self._recent

    def of(self, window: Window) -> list[Day]:
        return [self._known[day] for day in window.days()]

    @cached_property
    def base(self) -> tuple[date, bytes] | None:
        """The day whose readings are kept and begin with the first day to make anew, or with the one before it; None if
        the days must be made from the ledger."""
        anew = self._anew
        if self._growing is None or not self._case.work.live or self._case.stale:
            return None
        if len(anew) > 2 or anew[-1] < max(self._recent, default=date.max):
            return None
        for day in (anew[0], anew[0] - timedelta(days=1)):
            stored = self._recent.get(day)
            if stored is not None:
                return (day, stored.kept) if stored.kept is not None else None
        return None

    def growth(self, new: Sequence[Measured], count: int) -> Growth:
        """What is asked of a subject to add what is new to what was kept. `count`: how many readings the ledger has
        from the day of `base` on."""
        assert self.base is not None
        day, kept = self.base
        return Growth(kept, new, [self._window(each) for each in self._anew], self._window(day).start_millis, count)

    def take(self, grown: Sequence[Grown] | None, new: Sequence[Measured]) -> None:
        """The days that came of it; None if readings were missing."""
        if grown is not None:
            self.device = next((each.device for each in reversed(new) if each.device is not None), None)
            self.made |= {each: StoredDay(*made) for each, made in zip(self._anew, grown, strict=True)}

    async def gather(self, tx: Transaction, due: Iterable[Due]) -> None:
        """Take what is stored, and make what changed and what is not there."""
        case, anew = self._case, set(self._anew) - self.made.keys()
        wanted = {*self._anew, *(day for each in due for day in window_of(each, case.plan).days())}
        fresh = {**self._recent, **self.made}
        self._known = {day: stored.element for day, stored in fresh.items() if day not in anew}
        missing = wanted - self._known.keys() - anew
        if missing:
            stored = await store.elements(tx, case.plan, case.work, min(missing), max(missing))
            self._known |= {day: element for day, element in stored.items() if day in missing}
        for first, last in _stretches(sorted(wanted - self._known.keys())):
            await self._make(tx, first, last)

    def _window(self, day: date) -> Window:
        return days_ending(day, 1, self._case.plan.zone)

    async def _make(self, tx: Transaction, first: date, last: date) -> None:
        plan, work = self._case.plan, self._case.work
        window = days_ending(last, (last - first).days + 1, plan.zone)
        given = await store.standing_readings(tx, work.tenant, work.key, plan.subject, window)
        found = next((each.device for each in reversed(given) if each.device is not None and each.event is None), None)
        self.device = found or self.device
        for day, element in zip(window.days(), plan.subject.days(given, window), strict=True):
            growing = self._growing if day >= self._since else None
            kept = growing.kept(given, self._window(day)) if growing is not None else None
            self.made[day] = StoredDay(element, kept)
            self._known[day] = element


def _stretches(days: Sequence[date]) -> Iterable[tuple[date, date]]:
    """Neighbouring days together."""
    start: date | None = None
    for day, following in zip_longest(days, days[1:]):
        start = start or day
        if following is None or following > day + timedelta(days=1):
            yield start, day
            start = None
