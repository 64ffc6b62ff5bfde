"""Elements: what a stretch of time (a local day, say) contributes to any window that holds it.

Elements of neighbouring stretches merge into that of both, and the result is the very same as if it had been made from
all the readings at once: everything in it is a whole number, and only `figures` and `outcome` divide. So late data
changes the elements of the days it falls on, and the windows are merged anew. What does not merge (MAGE, MODD, CONGA,
see `variability`) is computed from slots.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np

from clinical.outcomes.cleaning import KEPT
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import I64
from clinical.outcomes.profile import Profile
from clinical.outcomes.reasons import NO_SPANS, Spans, joined
from clinical.outcomes.runs import RUN_COLUMNS, Edge, Runs, bridged

BIN_MINUTES: Final = 5
"""The finest time of day that an element keeps."""

_LEVEL_BITS: Final = 11
_BIN_BITS: Final = 9
_EIGHT_BYTES: Final = np.dtype("<i8")
_LARGEST_SHORT: Final = int(np.iinfo(np.uint32).max)


class Item(NamedTuple):
    """The last slot of an element, kept or not: its cover is cut when the next element shows what follows."""

    millis: int
    cover_millis: int
    account: int
    """`KEPT`, or the `Reason` that its time belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """Whole numbers about the readings from `start_millis` to before `end_millis`.

    `cells`: a sorted number for each reading that counts, its interval, time of day and level (`cell_parts`); of four
    bytes each where days were merged and that is enough.
    `covered_millis`: real time that they cover, the last one in full. `lost_millis`: real time lost, by `Reason`, that
    of exclusions included; `spans`: where these lie. `dropped`: readings without effect, by `Reason`. `days`: local
    days with a reading, since 1970-01-01. `first`, `last`: the outermost readings that count. `method`: the profile's
    digest.
    """

    start_millis: int
    end_millis: int
    zone: str
    method: str
    cells: I64
    censored_seconds: int
    covered_millis: int
    lost_millis: I64
    spans: Spans
    dropped: I64
    days: I64
    runs: Runs
    first: Edge | None
    last: Edge | None
    first_item_millis: int | None
    last_item: Item | None

    @property
    def digest(self) -> str:
        """SHA-256 of all that matters: equal digests, equal figures."""
        ends = [None if edge is None else list(edge[:3]) for edge in (self.first, self.last)]
        scalars = [self.start_millis, self.end_millis, self.zone, self.method, self.censored_seconds]
        known = hashlib.sha256(
            repr([*scalars, self.covered_millis, *ends, self.first_item_millis, self.last_item]).encode()
        )
        for column in (self.cells, self.lost_millis, self.dropped, self.days, *self.runs.table):
            known.update(column.size.to_bytes(8, "big"))
            known.update(np.ascontiguousarray(column, _EIGHT_BYTES).data)
        if self.spans.start.size:
            known.update(repr([part.tolist() for part in self.spans.columns()]).encode())
        return known.hexdigest()

    def columns(self) -> list[bytes]:
        """Its arrays, those of its runs column by column, as whole numbers of eight bytes."""
        arrays = self.cells, self.lost_millis, self.dropped, self.days
        runs, width = self.runs.table.astype(_EIGHT_BYTES, copy=False).tobytes(), len(self.runs) * 8
        found = [array.astype(_EIGHT_BYTES, copy=False).tobytes() for array in arrays]
        return found + [runs[place * width : (place + 1) * width] for place in range(RUN_COLUMNS)]


def cells_of(interval_seconds: I64, bins: I64, level: I64) -> I64:
    """What `cell_parts` takes apart."""
    found: I64 = interval_seconds << (_LEVEL_BITS + _BIN_BITS) | bins << _LEVEL_BITS | level
    return found


def cell_parts(cells: I64) -> tuple[I64, I64, I64]:
    """Interval in seconds, five-minute bin of the local day (0 to 287) and level."""
    return intervals_of(cells), (cells >> _LEVEL_BITS) & ((1 << _BIN_BITS) - 1), levels_in(cells)


def intervals_of(cells: I64) -> I64:
    """In seconds. Cells are in order of these first."""
    return cells >> (_LEVEL_BITS + _BIN_BITS)


def levels_in(cells: I64) -> I64:
    return cells & ((1 << _LEVEL_BITS) - 1)


def merged(elements: Sequence[Element], profile: Profile) -> Element:
    """The element of neighbouring stretches, given in order of time. Raises `OutcomeError` (`elements`) if there is
    none, one is missing between two, or they were made by another method or in another zone."""
    (whole,) = merged_tails(elements, [len(elements)], profile)
    return whole


def merged_tails(elements: Sequence[Element], counts: Sequence[int], profile: Profile) -> list[Element]:
    """For each count the element of that many of the stretches, the last ones: what `merged` gives for them, the gaps
    between stretches looked at once for all."""
    _check(elements, counts, profile)
    if max(counts) == 1:
        return [elements[-1] for _ in counts]
    parts = [(e.runs, e.first, e.last) for e in elements if e.first is not None and e.last is not None]
    before = list(accumulate([each.first is not None for each in elements], initial=0))
    starts_at = [before[len(elements) - count] for count in counts]
    whole = _Whole(elements)
    tails = zip(counts, bridged(parts, starts_at, profile), strict=True)
    return [whole.tail(len(elements) - count, runs, profile) for count, runs in tails]


class _Whole:
    """Neighbouring elements, laid out so that any of their tails costs little: amounts are added up from the end."""

    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements = elements
        cells = np.concatenate([each.cells for each in elements])
        fits = cells.size and cells.max() <= _LARGEST_SHORT
        self._cells = cells.astype(np.uint32) if fits else cells  # four bytes take half the time to sort
        self._cell_starts = [0, *accumulate([each.cells.size for each in elements])]
        self._days = np.concatenate([each.days for each in elements])
        self._day_starts = [0, *accumulate([each.days.size for each in elements])]
        self._censored = _from_the_end([each.censored_seconds for each in elements])
        self._covered = _from_the_end([each.covered_millis for each in elements])
        self._lost = _rows_from_the_end([each.lost_millis for each in elements])
        self._dropped = _rows_from_the_end([each.dropped for each in elements])
        self._cuts = list(_cuts(elements))
        self._spans = any(each.spans.start.size for each in elements)

    def tail(self, place: int, runs: Runs, profile: Profile) -> Element:
        """The element of those from a place on, whose runs these are."""
        elements = self._elements
        first, last = elements[place], elements[-1]
        covered, lost = self._settled(place)
        tail = elements[place:]
        return Element(
            start_millis=first.start_millis,
            end_millis=last.end_millis,
            zone=first.zone,
            method=profile.digest,
            cells=np.sort(self._cells[self._cell_starts[place] :]),
            censored_seconds=self._censored[place],
            covered_millis=covered,
            lost_millis=lost,
            spans=joined([each.spans for each in tail]) if self._spans else NO_SPANS,
            dropped=self._dropped[place].copy(),
            days=_without_repeats(self._days[self._day_starts[place] :]),
            runs=runs,
            first=next((each.first for each in tail if each.first is not None), None),
            last=next((each.last for each in reversed(tail) if each.last is not None), None),
            first_item_millis=next((each.first_item_millis for each in tail if each.last_item is not None), None),
            last_item=next((each.last_item for each in reversed(tail) if each.last_item is not None), None),
        )

    def _settled(self, place: int) -> tuple[int, I64]:
        """Covered and lost time from a place on."""
        covered, lost = self._covered[place], self._lost[place].copy()
        for owner, account, over in self._cuts:
            if owner < place:
                continue
            if account == KEPT:
                covered -= over
            else:
                lost[account] -= over
        return covered, lost


def _from_the_end(amounts: Sequence[int]) -> list[int]:
    """Of each place the sum from there on."""
    return list(accumulate(reversed(amounts)))[::-1]


def _rows_from_the_end(rows: Sequence[I64]) -> I64:
    found: I64 = np.concatenate(rows).reshape(len(rows), -1)[::-1].cumsum(axis=0)[::-1]
    return found


def _cuts(elements: Sequence[Element]) -> Iterable[tuple[int, int, int]]:
    """By how much the last slot of an element is cut where the next one's first begins: the element's place, the
    account that its time went to, and the time that is not its own."""
    owner: tuple[int, Item] | None = None
    for place, each in enumerate(elements):
        if owner is not None and each.first_item_millis is not None:
            item = owner[1]
            over = item.millis + item.cover_millis - each.first_item_millis
            if over > 0:
                yield owner[0], item.account, over
        if each.last_item is not None:
            owner = place, each.last_item


def _without_repeats(days: I64) -> I64:
    """Neighbouring stretches may share a local day."""
    return days if (days[1:] > days[:-1]).all() else np.unique(days)


def _check(elements: Sequence[Element], counts: Sequence[int], profile: Profile) -> None:
    if not elements or min(counts) < 1:
        raise OutcomeError("there is nothing to merge", "elements")
    method = profile.digest
    if any(each.method != method for each in elements):
        raise OutcomeError("an element was made by another method; make it anew", "elements")
    if len({each.zone for each in elements}) > 1:
        raise OutcomeError("elements are of different zones; make them anew in one", "elements")
    if any(a.end_millis != b.start_millis for a, b in pairwise(elements)):
        raise OutcomeError("elements must follow each other without a day missing", "elements")
