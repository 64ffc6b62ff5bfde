"""What outcomes can be about: each subject makes day elements of its readings, and figures of a window's elements.

The windows, the storing and the issuing around it are the same for all; only what stands here knows whether it is
glucose, blood pressure or weight. Elements are stored as bytes, so that a store need not know them either.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple, Protocol

import msgspec

from clinical.devices import model_of
from clinical.outcomes.cleaning import ASIDE_MILLIS, slots
from clinical.outcomes.columns import Columns, Row, columns, side_by_side
from clinical.outcomes.columns import decode as columns_from
from clinical.outcomes.elements import Element, merged_tails
from clinical.outcomes.history import CONTEXT_MILLIS, decode_each, encode
from clinical.outcomes.levels import UNITS
from clinical.outcomes.named import Found, named
from clinical.outcomes.profile import VERSION, Profile
from clinical.outcomes.reasons import Reason, Span, WarmUp, disjoint, warm_up
from clinical.outcomes.reasons import side_by_side as spans_side_by_side
from clinical.outcomes.results import outcome, outcomes
from clinical.outcomes.stretches import Stretch, day_elements, elements_of
from clinical.outcomes.windows import Window
from clinical.records import Detection, Device, Quantity

GLUCOSE: Final = "glucose"

LONGEST_SPAN_MILLIS: Final = 31 * 86_400_000
"""What a device event says of later time is not believed: by then the sensor has been changed."""


class Measured(msgspec.Struct, frozen=True, gc=False):
    """One reading that stands: when, how much, by what. `second` is the diastolic of a blood pressure. `event` and
    `until_millis` are those of a device event, which has no value that counts. `key` recognises the reading."""

    millis: int
    value: Quantity
    source: str
    detection: Detection | None = None
    device: Device | None = None
    second: Quantity | None = None
    event: str | None = None
    until_millis: int | None = None
    key: int = 0


Day = bytes | Element
"""What a day contributes: as it is stored, or as a subject has just made it."""


class Growth(NamedTuple):
    """Days to add to: what was kept of the first of them, or of the day before it; what is new; and how many readings
    there must be (`expected`) from `since` on (milliseconds)."""

    kept: bytes
    new: Sequence[Measured]
    days: Sequence[Window]
    since: int
    expected: int


class Grown(NamedTuple):
    """A day with one more reading: its element, and its readings as they are kept beside it."""

    element: Day
    kept: bytes


class Asked(NamedTuple):
    """A window whose figures are wanted: the elements of its days in order, and up to when its time counts."""

    days: Sequence[Day]
    window: Window
    as_of_millis: int


class Subject(Protocol):
    """What outcomes are about. `reads`: the subjects of the ledger whose readings it takes, device events among them
    where they matter; `label` names the method for people, `digest` exactly."""

    @property
    def name(self) -> str: ...
    @property
    def reads(self) -> tuple[str, ...]: ...
    @property
    def label(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def rules(self) -> tuple[str, ...]:
        """What is left out, and how, in words for people."""
        ...

    def spans(self, given: Sequence[Measured]) -> list[Span]:
        """The time that these device events exclude."""
        ...

    def days(self, given: Sequence[Measured], window: Window) -> Sequence[Day]:
        """The elements of a window's local days; `given` may hold more than the window."""
        ...

    def stored(self, day: Day) -> bytes:
        """An element as bytes, the same for the same element."""
        ...

    @property
    def growing(self) -> "Growing | None":
        """Itself, if it can add readings to a day."""
        ...

    def found(self, asked: Sequence[Asked]) -> list[Found]:
        """The figures of each of these windows, of whichever patients: together they cost less. Raises `OutcomeError`
        (`window`) if one has not begun."""
        ...


class Growing(Protocol):
    """What a subject can do whose day is cheaper to add to than to make anew."""

    def kept(self, given: Sequence[Measured], day: Window) -> bytes:
        """These readings in short, of the day and what lies around it, to which later ones can be added."""
        ...

    def grown(self, asked: Sequence[Growth]) -> list[list[Grown] | None]:
        """The days of each, the same as `days` of all the readings; None where some are missing."""
        ...


_SPANNED: Final[Mapping[str, Reason]] = {
    "calibration": Reason.CALIBRATION,
    "calibration-error": Reason.CALIBRATION,
    "sensor-error": Reason.SENSOR_ERROR,
    "sensor-failed": Reason.SENSOR_ERROR,
    "signal-loss": Reason.SENSOR_ERROR,
}
EXCLUDING: Final = frozenset({"sensor-start", "warm-up", *_SPANNED})
"""Device events that can exclude time."""


@dataclass(frozen=True, slots=True)
class Glucose:
    """Time in range and its family from a sensor's readings, by one profile."""

    profile: Profile
    name: str = GLUCOSE
    reads: tuple[str, ...] = ("interstitial-glucose", *(f"device-event/{event}" for event in sorted(EXCLUDING)))
    version: str = VERSION

    @property
    def label(self) -> str:
        return f"{self.profile.name}/{self.profile.targets.name}"

    @property
    def digest(self) -> str:
        return self.profile.digest

    @property
    def rules(self) -> tuple[str, ...]:
        gap = self.profile.short_gap_seconds // 60
        return (
            "excluded: warm-up, calibration, sensor error and artefacts that the device marked",
            "excluded: values that cannot be, near-duplicates, overlapping sensors",
            f"gaps of up to {gap} minutes are bridged for events only; time without readings counts for nothing",
        )

    @property
    def growing(self) -> Growing:
        return self

    def spans(self, given: Sequence[Measured]) -> list[Span]:
        return [span for each in given if (span := _span(each)) is not None]

    def days(self, given: Sequence[Measured], window: Window) -> list[Element]:
        columns = self._columns(given)
        excluded = disjoint(columns.spans)
        chosen = slots(columns.readings(), excluded)
        return day_elements(chosen, window, self.profile, excluded)

    def stored(self, day: Day) -> bytes:
        return day if isinstance(day, bytes) else encode(day)

    def kept(self, given: Sequence[Measured], day: Window) -> bytes:
        near = [each for each in given if each.event or each.millis < day.end_millis + CONTEXT_MILLIS]
        return self._columns(near).since(day.start_millis - CONTEXT_MILLIS).encode()

    def grown(self, asked: Sequence[Growth]) -> list[list[Grown] | None]:
        whole = [columns_from(each.kept).with_rows([_row(new) for new in each.new]) for each in asked]
        complete = [given.count(each.since) == each.expected for given, each in zip(whole, asked, strict=True)]
        wanted = [
            (given.since(day.start_millis - CONTEXT_MILLIS), day)
            for given, each, ok in zip(whole, asked, complete, strict=True)
            if ok
            for day in each.days
        ]
        made = (Grown(each, part.encode()) for each, (part, _) in zip(self._each(wanted), wanted, strict=True))
        return [list(islice(made, len(each.days))) if ok else None for each, ok in zip(asked, complete, strict=True)]

    def newer_slots(self, given: Sequence[Measured], since: int) -> list[tuple[int, int, int]]:
        """The slots that count after a moment (milliseconds), as (time, level, nominal interval in seconds)."""
        columns = self._columns(given)
        kept = slots(columns.readings(), disjoint(columns.spans)).kept()
        rows = zip(kept.millis.tolist(), kept.level.tolist(), kept.interval_seconds.tolist(), strict=True)
        return [row for row in rows if row[0] > since]

    def _columns(self, given: Sequence[Measured]) -> Columns:
        return columns([_row(each) for each in given if each.event is None], self.spans(given))

    def _each(self, given: Sequence[tuple[Columns, Window]]) -> list[Element]:
        """The element of each day from the readings given with it, all in one pass."""
        if not given:
            return []
        line, shift = side_by_side([part for part, _ in given])
        spans = spans_side_by_side([disjoint(part.spans) for part, _ in given], ASIDE_MILLIS)
        stretches = [Stretch(day, place * ASIDE_MILLIS) for place, (_, day) in enumerate(given)]
        return elements_of(slots(line, spans, shift), stretches, self.profile, spans)

    def found(self, asked: Sequence[Asked]) -> list[Found]:
        bodies = list({day for each in asked for day in each.days if isinstance(day, bytes)})
        decoded = dict(zip(bodies, decode_each(bodies), strict=True)) if bodies else {}
        wholes: dict[int, Element] = {}
        for places in _ending_together([each.days for each in asked]):
            days = [decoded[day] if isinstance(day, bytes) else day for day in asked[places[0]].days]
            counts = [len(asked[place].days) for place in places]
            wholes |= zip(places, merged_tails(days, counts, self.profile), strict=True)
        windows = [(wholes[place], each.window) for place, each in enumerate(asked)]
        return [named(of) for of in outcomes(windows, self.profile, [each.as_of_millis for each in asked])]

    def found_of(self, whole: Element, window: Window, as_of_millis: int) -> Found:
        """The same from the window's own element."""
        return named(outcome(whole, window, self.profile, as_of_millis=as_of_millis))


def _ending_together(many: Sequence[Sequence[Day]]) -> Iterable[list[int]]:
    """Places of days that are the last ones of the first in their list."""
    by_last: dict[Day, list[list[int]]] = {}
    for place in sorted(range(len(many)), key=lambda place: -len(many[place])):
        days = many[place]
        lists = by_last.setdefault(days[-1], [])
        fitting = next((some for some in lists if many[some[0]][-len(days) :] == days), None)
        if fitting is None:
            lists.append([place])
        else:
            fitting.append(place)
    return (some for lists in by_last.values() for some in lists)


def _span(event: Measured) -> Span | None:
    if event.event in ("sensor-start", "warm-up"):
        span = _warm_up(event.device).after(event.millis)
        if event.event == "warm-up" and event.until_millis is not None:
            return Span(event.millis, max(_until(event), event.millis), Reason.WARM_UP)
        return span
    reason = _SPANNED.get(event.event or "")
    if reason is None or event.until_millis is None or event.until_millis <= event.millis:
        return None
    return Span(event.millis, _until(event), reason)


def _until(event: Measured) -> int:
    assert event.until_millis is not None
    return min(event.until_millis, event.millis + LONGEST_SPAN_MILLIS)


def _warm_up(device: Device | None) -> WarmUp:
    """By the table of warm-ups, else by the catalogue of sensors, else assumed."""
    found = warm_up((device.generation or device.model) if device is not None else None)
    model = model_of(device)
    return WarmUp(model.warm_up_minutes.value) if found.assumed and model.known else found


_DETECTION: Final = {None: 0, Detection.BELOW: -1, Detection.ABOVE: 1}


def _row(each: Measured) -> Row:
    """Sensors go by name, so that the choice between two that overlap does not depend on what else is there."""
    unit = each.value.unit
    return Row(
        each.key,
        each.millis,
        each.value.steps,
        UNITS.index(unit) if unit in UNITS else -1,
        model_of(each.device).interval_seconds.value,
        _DETECTION[each.detection],
        _sensor(each),
    )


def _sensor(each: Measured) -> str:
    device = each.device
    serial = (device.serial or device.model or "") if device is not None else ""
    return f"{each.source}|{serial}"
