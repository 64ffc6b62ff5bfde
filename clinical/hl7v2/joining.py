"""Which OBX make one record together: the two blood pressures, and a record with what tells more of it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from clinical.hl7v2.draft import Draft
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.meaning import TELLS_MORE, TOTALS, Meaning, Part
from clinical.measures import INSULIN, Measure

_PRESSURES = {Measure.SYSTOLIC, Measure.DIASTOLIC}
_Key = tuple[int, str, str]


class Joined(NamedTuple):
    """A record's first OBX at `place` among the drafts, and the others by what they mean."""

    place: int
    main: Draft
    mates: dict[Meaning, Draft]


class Alone(NamedTuple):
    """An OBX that is only a part of a record, and nothing says of which."""

    draft: Draft
    error: Hl7Error


def join(drafts: Sequence[Draft]) -> Iterator[Joined | Alone]:
    """Every draft once, in the order of the message: as a record's first OBX, as a mate of one, or alone."""
    if not any(_may_join(draft) for draft in drafts):
        yield from (Joined(place, draft, {}) for place, draft in enumerate(drafts))
        return
    head_of = _heads(drafts)
    mates: dict[int, list[int]] = {}
    for place, head in enumerate(head_of):
        if head is not None and head != place:
            mates.setdefault(head, []).append(place)
    for place, draft in enumerate(drafts):
        held = {drafts[mate].code.meaning: drafts[mate] for mate in mates.get(place, ())}
        if head_of[place] is None:
            yield Alone(draft, _why(draft))
        elif draft.code.meaning is Measure.SYSTOLIC and Measure.DIASTOLIC not in held:
            yield Alone(draft, _why(draft))
            yield from (Joined(mate, drafts[mate], {}) for mate in mates.get(place, ()))
        elif head_of[place] == place:
            yield Joined(place, draft, held)


def _heads(drafts: Sequence[Draft]) -> list[int | None]:
    """For each draft the place of its record's first OBX: its own, or that of the record of which it is a part."""
    first_of: dict[_Key, int] = {}
    pressures: dict[_Key, list[int]] = {}
    told_more = {_group(draft) for draft in drafts if draft.code.meaning in TELLS_MORE}
    for place, draft in enumerate(drafts):
        if draft.code.meaning is Measure.SYSTOLIC:
            pressures.setdefault(_pair(draft), []).append(place)
        if draft.parent and draft.code.meaning not in TELLS_MORE and draft.code.meaning is not Measure.DIASTOLIC:
            first_of.setdefault(_group(draft), place)
    found: list[int | None] = []
    taken: set[tuple[int, Meaning]] = set()
    for place, draft in enumerate(drafts):
        meaning = draft.code.meaning
        head: int | None = None if meaning in TELLS_MORE or meaning is Measure.DIASTOLIC else place
        if meaning is Measure.DIASTOLIC:
            waiting = pressures.get(_pair(draft), [])
            head = waiting.pop(0) if waiting else None
        elif (first := first_of.get(_group(draft))) is not None and (first, meaning) not in taken:
            told = _group(draft) in told_more
            if meaning in TELLS_MORE or _belongs(meaning, drafts[first].code.meaning, told_more=told):
                head = first
                taken.add((first, meaning))
        found.append(head)
    return found


def _belongs(meaning: Meaning, first: Meaning, *, told_more: bool) -> bool:
    """Is it a part of the record that stands first in the same group?"""
    if meaning is Measure.HEART_RATE:
        return first is Measure.SYSTOLIC
    if meaning in TOTALS:
        return first in TOTALS
    return told_more and meaning in INSULIN and first in INSULIN


def _may_join(draft: Draft) -> bool:
    meaning = draft.code.meaning
    return meaning in _PRESSURES or isinstance(meaning, Part)


def _group(draft: Draft) -> _Key:
    return id(draft.order), draft.parent, ""


def _pair(draft: Draft) -> _Key:
    """Two pressures belong together in one order, at one time, under one sub-id or one group of them."""
    return id(draft.order), draft.parent or draft.sub_id, draft.time.text


def _why(draft: Draft) -> Hl7Error:
    if draft.code.meaning in _PRESSURES:
        return Hl7Error("the other blood pressure is not beside it; send both in one order", "4", "pressure-alone")
    return Hl7Error("tells more of a record that is not there", "4", "part-alone")
