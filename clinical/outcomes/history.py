"""What late data touches, and elements as bytes: what a store needs to keep figures up to date.

A store keeps one element for each patient, local day and method. When readings come, change or go, `affected_days`
names the days to make anew from readings of the day and `CONTEXT_MILLIS` around it; windows are then merged from
elements. An outcome whose `element_digest` has not changed need not be issued again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from clinical.outcomes.cleaning import LONGEST_INTERVAL_SECONDS
from clinical.outcomes.elements import Element, Item, merged, merged_tails
from clinical.outcomes.errors import OutcomeError
from clinical.outcomes.levels import I64
from clinical.outcomes.profile import Profile
from clinical.outcomes.reasons import NO_SPANS, Span, Spans
from clinical.outcomes.runs import RUN_COLUMNS, Edge, Runs
from clinical.outcomes.windows import Window
from clinical.outcomes.zone import day_of

CONTEXT_MILLIS: Final = 3 * LONGEST_INTERVAL_SECONDS * 1000
"""How much before and after a day its readings must be known to choose its slots: near-duplicates and overlapping
sensors reach over midnight. Exact as long as there is, in that time, a pause of half an interval in each stream."""


def affected_days(
    changed_millis: Iterable[int],
    zone: ZoneInfo,
    *,
    interval_seconds: int = 900,
    spans: Iterable[Span] = (),
) -> list[date]:
    """The local days whose elements may differ after readings at these times came, changed or went, or after these
    exclusions did (a sensor's start excludes its warm-up, which may cross midnight). `interval_seconds`: the longest
    interval among the sensors. A change of zone or of a clock's drift is a removal at the old and an arrival at the new
    times; for a new zone every day is made anew."""
    reach = 2 * interval_seconds * 1000
    touched = {day_of(millis + by, zone) for millis in changed_millis for by in (-reach, 0, reach)}
    for span in spans:
        day, last = day_of(span.start_millis - reach, zone), day_of(span.end_millis + reach, zone)
        while day <= last:
            touched.add(day)
            day += timedelta(days=1)
    return sorted(touched)


def window_element(days: Mapping[date, Element], window: Window, profile: Profile) -> Element:
    """The element of a window of whole local days from those of its days. Raises `OutcomeError` (`elements`) if one is
    missing: a day without readings has an element too."""
    wanted = list(window.days())
    missing = [day for day in wanted if day not in days]
    if missing:
        raise OutcomeError(f"{len(missing)} days of the window have no element; make them first", "elements")
    found = merged([days[day] for day in wanted], profile)
    if (found.start_millis, found.end_millis) != (window.start_millis, window.end_millis):
        raise OutcomeError("the window is not one of whole local days; make its element from slots", "elements")
    return found


def rolling_elements(
    days: Mapping[date, Element], last: date, counts: Iterable[int], profile: Profile
) -> dict[int, Element]:
    """The elements of the windows of so many days that all end with `last`, at the cost of the longest one."""
    wanted = sorted(set(counts))
    if not wanted:
        return {}
    dates = [last - timedelta(days=back) for back in range(wanted[-1] - 1, -1, -1)]
    missing = [day for day in dates if day not in days]
    if missing:
        raise OutcomeError(f"{len(missing)} days of the window have no element; make them first", "elements")
    return dict(zip(wanted, merged_tails([days[day] for day in dates], wanted, profile), strict=True))


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    version: int
    scalars: tuple[int, int, str, str, int, int]
    arrays: tuple[bytes, ...]
    edges: tuple[Edge | None, Edge | None]
    first_item_millis: int | None
    last_item: Item | None


_FORMAT: Final = 2
_WITHOUT_SPANS: Final = 1
"""The format before: exclusions that lie behind now are not told apart from those before it."""

_ARRAYS: Final = (4 + RUN_COLUMNS, 4 + RUN_COLUMNS + 3)
"""How many an element has, without and with its exclusions."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode(element: Element) -> bytes:
    """An element as bytes, the same for the same element."""
    scalars = (
        element.start_millis,
        element.end_millis,
        element.zone,
        element.method,
        element.censored_seconds,
        element.covered_millis,
    )
    spans = (part.astype("<i8", copy=False).tobytes() for part in element.spans.columns())
    arrays = (*element.columns(), *spans)
    edges = element.first, element.last
    return _encoder.encode(_Stored(_FORMAT, scalars, arrays, edges, element.first_item_millis, element.last_item))


def decode(body: bytes) -> Element:
    """The element of such bytes. Raises `OutcomeError` (`stored`) for anything else."""
    return decode_each([body])[0]


def decode_each(bodies: Sequence[bytes]) -> list[Element]:
    """As `decode`, for many: their numbers are taken up at once."""
    try:
        stored = [_decoder.decode(body) for body in bodies]
        if all(each.version in (_FORMAT, _WITHOUT_SPANS) for each in stored):
            whole = _numbers(stored)
            starts = accumulate((sum(map(len, each.arrays)) >> 3 for each in stored), initial=0)
            return [_restored(each, whole[start:]) for each, start in zip(stored, starts, strict=False)]
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise OutcomeError("this is no stored element; make it anew from the readings", "stored") from error
    raise OutcomeError("the element was stored by another version; make it anew from the readings", "stored")


def _numbers(stored: Sequence[_Stored]) -> I64:
    """Those of all arrays, one after the other. Raises ValueError if one is no array, or some are missing."""
    parts = [part for each in stored for part in each.arrays]
    if any(len(part) & 7 for part in parts) or any(len(each.arrays) not in _ARRAYS for each in stored):
        raise ValueError("no whole numbers of eight bytes")
    return np.frombuffer(b"".join(parts), dtype="<i8").astype(np.int64)


def _restored(stored: _Stored, numbers: I64) -> Element:
    """`numbers` begin with those of its arrays."""
    ends = list(accumulate([len(part) >> 3 for part in stored.arrays]))
    cells, lost, dropped, days = ends[:4]
    runs, spans = ends[3 + RUN_COLUMNS], ends[3 + RUN_COLUMNS :]
    start, end, zone, method, censored, covered = stored.scalars
    return Element(
        start_millis=start,
        end_millis=end,
        zone=zone,
        method=method,
        cells=numbers[:cells],
        censored_seconds=censored,
        covered_millis=covered,
        lost_millis=numbers[cells:lost],
        spans=Spans(*(numbers[a:b] for a, b in pairwise(spans))) if spans[-1] > spans[0] else NO_SPANS,
        dropped=numbers[lost:dropped],
        days=numbers[dropped:days],
        runs=Runs(numbers[days:runs].reshape(RUN_COLUMNS, -1)),
        first=stored.edges[0],
        last=stored.edges[1],
        first_item_millis=stored.first_item_millis,
        last_item=stored.last_item,
    )
