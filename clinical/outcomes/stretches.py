"""Elements of many stretches of time in one pass: the days of a window, or of many patients at once.

Patients stand side by side on one line of time: each one's times are moved by a multiple of `ASIDE_MILLIS`, so far
apart that nothing reaches from one to the next. What is done on the line need not know whose time it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from clinical.outcomes.cleaning import KEPT, Slots
from clinical.outcomes.elements import BIN_MINUTES, Element, Item, cells_of
from clinical.outcomes.levels import I64
from clinical.outcomes.profile import Profile
from clinical.outcomes.reasons import NO_SPANS, Reason, Spans
from clinical.outcomes.runs import Edge, Runs, runs_of_groups
from clinical.outcomes.windows import Window
from clinical.outcomes.zone import minute_of_day, ordinals

_NEVER: Final = np.iinfo(np.int64).max
_CELL_BITS: Final = 34
_ORDINAL_BITS: Final = 20
_REASONS: Final = len(Reason)


class Stretch(NamedTuple):
    """A window, and by how much its patient's times are moved along the line."""

    window: Window
    shift: int = 0


def element(slots: Slots, window: Window, profile: Profile, spans: Spans = NO_SPANS) -> Element:
    """The element of a window. `slots` may hold more than the window; `spans` are those the slots were made with."""
    return elements_of(slots, [Stretch(window)], profile, spans)[0]


def day_elements(slots: Slots, window: Window, profile: Profile, spans: Spans = NO_SPANS) -> list[Element]:
    """The elements of a window's local days, in order; the outer ones cut at the window's edges."""
    return elements_of(slots, [Stretch(day) for day in window.by_day()], profile, spans)


def elements_of(slots: Slots, stretches: Sequence[Stretch], profile: Profile, spans: Spans = NO_SPANS) -> list[Element]:
    """The element of each stretch. These are in the order of the line and do not overlap; `slots` and `spans` are on
    the line as well and may hold more."""
    if not stretches:
        return []
    line = _Line.of(stretches)
    inside = _cut(slots, line)
    covers = _covers(inside, spans)
    kept = inside.kept(line.shift)
    cells, days = _by_the_wall_clock(kept, stretches)
    covered = inside.sums(covers * (inside.slots.fate == KEPT))
    censored = kept.sums(kept.slots.interval_seconds * kept.slots.censored)
    lost = inside.lost(covers)
    dropped = _dropped(slots, line)
    runs = _runs(kept, profile)
    first_items, last_items = _items(inside, covers, line)
    excluded = _excluded(spans, line)
    return [
        Element(
            start_millis=window.start_millis,
            end_millis=window.end_millis,
            zone=window.zone.key,
            method=profile.digest,
            cells=cells[start:end],
            censored_seconds=censored[place],
            covered_millis=covered[place],
            lost_millis=lost[place] + excluded[place].millis() if spans.start.size else lost[place],
            spans=excluded[place],
            dropped=dropped[place],
            days=days[place],
            runs=runs[place],
            first=_edge(kept.slots, start) if end > start else None,
            last=_edge(kept.slots, end - 1) if end > start else None,
            first_item_millis=first_items[place],
            last_item=last_items[place],
        )
        for place, ((window, _), (start, end)) in enumerate(zip(stretches, kept.cuts(), strict=True))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """Where stretches begin and end on the line, and by how much each is moved."""

    start: I64
    end: I64
    shift: I64

    @classmethod
    def of(cls, stretches: Sequence[Stretch]) -> "_Line":
        rows = [(window.start_millis + shift, window.end_millis + shift, shift) for window, shift in stretches]
        return cls(*np.array(rows, np.int64).T)


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Slots of one stretch after the other: stretch `g` has those from `edges[g]` to before `edges[g + 1]`; `owner`:
    whose each of them is."""

    slots: Slots
    edges: I64
    owner: I64

    def cuts(self) -> Iterable[tuple[int, int]]:
        return pairwise(self.edges.tolist())

    def sums(self, amounts: I64) -> list[int]:
        """By stretch."""
        ends = np.concatenate([[0], amounts.cumsum()])[self.edges]
        found: list[int] = np.diff(ends).tolist()
        return found

    def lost(self, covers: I64) -> I64:
        """By stretch and `Reason`: the time of slots that do not count."""
        bad = (self.slots.fate != KEPT).nonzero()[0]
        found = np.zeros((self.edges.size - 1, _REASONS), np.int64)
        np.add.at(found, (self.owner[bad], self.slots.fate[bad]), covers[bad])
        return found

    def kept(self, shift: I64) -> "_Cut":
        """Those that count, at their true times."""
        ok = self.slots.fate == KEPT
        slots, edges, owner = self.slots, self.edges, self.owner
        if not ok.all():
            edges = np.concatenate([[0], ok.cumsum()])[edges]
            slots, owner = slots.part(ok), owner[ok]
        return _Cut(slots.moved(-shift[owner]), edges, owner)


def _cut(slots: Slots, line: _Line) -> _Cut:
    first, last = slots.millis.searchsorted(line.start), slots.millis.searchsorted(line.end)
    counts = last - first
    edges = np.concatenate([[0], counts.cumsum()])
    owner = np.repeat(np.arange(counts.size), counts)
    if edges[-1] == slots.millis.size:
        return _Cut(slots, edges, owner)
    return _Cut(slots.part(np.arange(owner.size) + np.repeat(first - edges[:-1], counts)), edges, owner)


def _covers(inside: _Cut, spans: Spans) -> I64:
    """Real time that each slot covers: until its interval ends, the next slot of its stretch comes, or an exclusion
    begins."""
    millis = inside.slots.millis
    covers = inside.slots.interval_seconds * 1000
    if millis.size > 1:
        pause = np.where(inside.owner[1:] == inside.owner[:-1], np.diff(millis), _NEVER)
        np.minimum(covers[:-1], pause, out=covers[:-1])
    if spans.start.size:
        begins = np.append(spans.start, _NEVER)[spans.start.searchsorted(millis, side="right")]
        np.minimum(covers, begins - millis, out=covers)
    return covers


def _by_the_wall_clock(kept: _Cut, stretches: Sequence[Stretch]) -> tuple[I64, list[I64]]:
    """What depends on the zone: the cells of all slots, sorted within each stretch, and the local days of each."""
    slots, owner = kept.slots, kept.owner
    bins, days = np.empty_like(owner), np.empty_like(owner)
    zones = [window.zone for window, _ in stretches]
    for zone in dict.fromkeys(zones):
        mine = np.array([each is zone for each in zones])[owner] if len(set(zones)) > 1 else slice(None)
        bins[mine] = minute_of_day(slots.millis[mine], zone) // BIN_MINUTES
        days[mine] = ordinals(slots.millis[mine], zone)
    cells = cells_of(slots.interval_seconds, bins, slots.level) | owner << _CELL_BITS
    cells.sort()
    each_day = np.unique(owner << _ORDINAL_BITS | days)
    places = np.searchsorted(each_day >> _ORDINAL_BITS, np.arange(len(stretches) + 1)).tolist()
    each_day &= (1 << _ORDINAL_BITS) - 1
    return cells & ((1 << _CELL_BITS) - 1), [each_day[start:end] for start, end in pairwise(places)]


def _dropped(slots: Slots, line: _Line) -> I64:
    """Of each stretch how many readings have no effect, by `Reason`."""
    drops = slots.drops
    counts = np.zeros((line.start.size, _REASONS), np.int64)
    if drops.millis.size:
        owner = line.start.searchsorted(drops.millis, side="right") - 1
        mine = (owner >= 0) & (drops.millis < line.end[owner])
        np.add.at(counts, (owner[mine], drops.reason[mine]), 1)
    return counts


def _runs(kept: _Cut, profile: Profile) -> list[Runs]:
    slots = kept.slots
    table = runs_of_groups(slots.millis, slots.level, slots.interval_seconds, kept.edges, profile).table
    cuts = np.searchsorted(table[-1], np.arange(kept.edges.size)).tolist()
    table[-1] = 0
    return [Runs(table[:, start:end]) for start, end in pairwise(cuts)]


def _edge(slots: Slots, place: int) -> Edge:
    return Edge(
        int(slots.millis[place]),
        int(slots.level[place]),
        int(slots.interval_seconds[place]),
        int(slots.censored[place]),
    )


def _items(inside: _Cut, covers: I64, line: _Line) -> tuple[list[int | None], list[Item | None]]:
    """Of each stretch when its first slot was, and its last slot, whatever became of them."""
    firsts: list[int | None] = []
    lasts: list[Item | None] = []
    millis, fate = inside.slots.millis, inside.slots.fate
    for (start, end), shift in zip(inside.cuts(), line.shift.tolist(), strict=True):
        some = end > start
        firsts.append(int(millis[start]) - shift if some else None)
        lasts.append(Item(int(millis[end - 1]) - shift, int(covers[end - 1]), int(fate[end - 1])) if some else None)
    return firsts, lasts


def _excluded(spans: Spans, line: _Line) -> list[Spans]:
    if not spans.start.size:
        return [NO_SPANS] * line.start.size
    rows = zip(line.start.tolist(), line.end.tolist(), line.shift.tolist(), strict=True)
    return [spans.within(start, end).moved(-shift) for start, end, shift in rows]
