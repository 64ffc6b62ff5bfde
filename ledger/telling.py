"""What those downstream are told of a reading: the record that it is read from, with what has changed."""

import msgspec

from clinical.records import AnyRecord, Deed, Glucose, Status
from ledger.book import Passed, Place
from ledger.claims import Claim, quantity
from ledger.rules import RULE, RULE_VERSION, Fate


def source_of(passed: Passed) -> Place:
    """Which record to tell: the one that it is read from, or for a withdrawn reading the one they were told."""
    told = passed.before if passed.withdrawn else passed.now
    assert told is not None
    return told.place


def told(passed: Passed, record: AnyRecord) -> AnyRecord:
    """The record for those downstream, with our id of the reading.

    A withdrawn reading keeps its value and becomes entered-in-error; a changed one says which value it replaces, and
    is at least amended, unless the old value was preliminary. One that stands again after it was withdrawn has the
    status that its source says now. What is not told for the first time has a deed of this rule in `done`
    (`is_told_again`).
    """
    if passed.withdrawn:
        return _with(record, passed, Status.ENTERED_IN_ERROR, None)
    before, now = passed.before, passed.now
    assert now is not None
    if passed.comes_back:
        return _with(record, passed, record.status, None)
    if before is None or before.withdrawn:
        return msgspec.structs.replace(record, reading_id=passed.reading.id)
    status = record.status
    if status is Status.FINAL and before.status is not Status.PRELIMINARY:
        status = Status.AMENDED
    return _with(record, passed, status, before)


def is_told_again(record: AnyRecord) -> bool:
    """Those downstream have heard of this reading before: it changes what they have."""
    return any(deed.rule == RULE for deed in record.done)


def _with(record: AnyRecord, passed: Passed, status: Status, before: Claim | None) -> AnyRecord:
    if passed.withdrawn:
        what = "withdrawn"
    elif passed.now is not None and passed.before is not None and passed.now.identity == passed.before.identity:
        what = Fate.CORRECTS.value if status is not Status.FINAL else Fate.UPDATES.value
    else:
        what = Fate.SUPERSEDES.value
    done = (*record.done, Deed(rule=RULE, version=RULE_VERSION, what=what))
    changed: AnyRecord = msgspec.structs.replace(record, reading_id=passed.reading.id, status=status, done=done)
    if not isinstance(changed, Glucose):
        return changed
    replaced = quantity(before) if before is not None else None
    return msgspec.structs.replace(changed, replaces_value=replaced if replaced != changed.value else None)
