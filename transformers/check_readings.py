"""`check_readings`: what a person or an alert must hear of before readings are believed."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from clinical.ranges import impossible, marked
from clinical.records import AnyRecord, Deed, Glucose, Status, encode, order_key
from engine import sdk
from ledger.streams import Stream, last_units
from transformers.reconcile import VERDICT
from transformers.record_bodies import read_records

RULE, RULE_VERSION = "check-readings", "1"
ACCEPTED = "accept"


class CheckReadingsSettings(sdk.Settings):
    """`impossible`: what becomes of glucose under 20 or over 600 mg/dL. `late_after`: how long after its measurement a
    record may come without being marked as late."""

    impossible: Literal["review", "hold"] = "review"
    late_after: sdk.Duration = 900.0


class _Checked(NamedTuple):
    """What a message came to, but for changes of unit. `records`: all it held; `fine`: those that may be believed."""

    message: sdk.Message
    records: Sequence[AnyRecord]
    fine: list[AnyRecord]
    asides: Sequence[sdk.Aside]
    tally: Counter[str]


async def _together(
    messages: Sequence[sdk.Message], settings: CheckReadingsSettings, tx: sdk.Transaction
) -> Sequence[Sequence[sdk.StepOutput]]:
    """As `check_readings`, for several messages, each by itself: what the ledger knows is asked for once."""
    checked = [_check(message, settings) for message in messages]
    streams = [_streams(each) for each in checked]
    firsts = [(stream, places[0][0].effective.millis) for each in streams for stream, places in each.items()]
    units = iter(await last_units(tx, firsts))
    for each, by_stream in zip(checked, streams, strict=True):
        for places in by_stream.values():
            _mark_switches(each, places, next(units))
    return [[*_passed_on(each), *each.asides] for each in checked]


@sdk.stateful_step(
    "check_readings",
    settings=CheckReadingsSettings,
    accepts={sdk.Shape.RECORDS},
    emits=sdk.Shape.RECORDS,
    together=_together,
)
async def check_readings(
    message: sdk.Message, settings: CheckReadingsSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Set impossible glucose aside, mark what lies beyond a sensor's range, what comes late, and changes of unit.

    Every reading keeps its own unit, so a stream that changes it is read rightly; the mark and the tally's
    `unit-switch` say that somebody should look. The tally counts `beyond-range`, `late` and `unit-switch`: meters
    `tally-...` to alert on. A part released from review with meta `review: accept` is believed.
    """
    return (await _together([message], settings, tx))[0]


def _check(message: sdk.Message, settings: CheckReadingsSettings) -> _Checked:
    records = read_records(message.body)
    accepted = message.meta.get(VERDICT) == ACCEPTED
    wrong = [] if accepted else [position for position, record in enumerate(records) if _is_impossible(record)]
    asides = [_aside(records[position], position, settings) for position in wrong]
    fine = [record for position, record in enumerate(records) if position not in wrong]
    tally: Counter[str] = Counter()
    received = sdk.to_micros(message.received_at) // 1000
    return _Checked(message, records, [_checked(record, received, settings, tally) for record in fine], asides, tally)


def _passed_on(checked: _Checked) -> Sequence[sdk.Message | sdk.Drop]:
    message, before, fine, _, tally = checked
    if not fine:
        return [] if before else [sdk.Drop("no readings")]
    if len(fine) == len(before) and all(new is old for new, old in zip(fine, before, strict=True)):
        return [message]
    words = (f"{word}={count}" for word, count in tally.items())
    counted = " ".join([*message.meta.get("tally", "").split(), *words])
    return [message.but(body=encode(fine), meta={"tally": counted} if counted else None)]


def _is_impossible(record: AnyRecord) -> bool:
    """A withdrawal needs no value, and may come with any."""
    withdrawn = record.status is Status.ENTERED_IN_ERROR
    return isinstance(record, Glucose) and not withdrawn and impossible(record.value)


def _aside(record: AnyRecord, position: int, settings: CheckReadingsSettings) -> sdk.Aside:
    word = sdk.NeedsReview if settings.impossible == "review" else sdk.InvalidMessage
    error = word(
        "lies outside what is possible (20 to 600 mg/dL, 1.1 to 33.3 mmol/L): a code, or another unit",
        code="value-impossible",
        path=f"records[{position}].value",
    )
    return sdk.Aside(error, encode([record]), sdk.Shape.RECORDS)


def _checked(record: AnyRecord, received: int, settings: CheckReadingsSettings, tally: Counter[str]) -> AnyRecord:
    if isinstance(record, Glucose):
        ranged = marked(record)
        if ranged is not record:
            tally["beyond-range"] += 1
        record = ranged
    seconds = (received - record.effective.millis) / 1000
    if seconds <= settings.late_after or any(
        deed.rule == RULE and deed.what.startswith("late") for deed in record.done
    ):
        return record
    tally["late"] += 1
    return _noted(record, f"late: arrived {seconds / 60:.0f} min after its time")


def _noted(record: AnyRecord, what: str) -> AnyRecord:
    return msgspec.structs.replace(record, done=(*record.done, Deed(rule=RULE, version=RULE_VERSION, what=what)))


# --- a stream that changes its unit


def _streams(checked: _Checked) -> dict[Stream, list[tuple[Glucose, int]]]:
    """The glucose readings that go on, each with its place, in order of time."""
    found: dict[Stream, list[tuple[Glucose, int]]] = {}
    for place, record in enumerate(checked.fine):
        if isinstance(record, Glucose):
            patient, source = order_key(record.patient), record.source.system
            stream = Stream(checked.message.tenant, patient, record.analyte.value, source)
            found.setdefault(stream, []).append((record, place))
    for readings in found.values():
        readings.sort(key=lambda one: one[0].effective.millis)
    return found


def _mark_switches(checked: _Checked, readings: Sequence[tuple[Glucose, int]], before: str | None) -> None:
    """Mark those whose unit is not that of the reading before them in their stream."""
    for record, place in readings:
        unit = record.value.unit
        if before is not None and before != unit:
            checked.fine[place] = _noted(record, f"the stream's unit changed from {before} to {unit}")
            checked.tally["unit-switch"] += 1
        before = unit
