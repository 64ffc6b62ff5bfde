"""`check_readings`: what a person or an alert must hear of before readings are believed."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from clinical.ranges import impossible, marked
from clinical.records import AnyRecord, Deed, Glucose, Status, encode, order_key
from engine import sdk
from ledger import streams
from ledger.streams import Stream
from transformers.reconcile import VERDICT
from transformers.record_bodies import read_records

RULE, RULE_VERSION = "check-readings", "1"
ACCEPTED = "accept"


class CheckReadingsSettings(sdk.Settings):
    """`impossible`: what becomes of glucose under 20 or over 600 mg/dL. `late_after`: how long after its measurement a
    record may come without being marked as late."""

    impossible: Literal["review", "hold"] = "review"
    late_after: sdk.Duration = 900.0


@sdk.stateful_step(
    "check_readings", settings=CheckReadingsSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.RECORDS
)
async def check_readings(
    message: sdk.Message, settings: CheckReadingsSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Set impossible glucose aside, mark what lies beyond a sensor's range, what comes late, and changes of unit.

    Every reading keeps its own unit, so a stream that changes it is read rightly; the mark and the tally's
    `unit-switch` say that somebody should look. The tally counts `beyond-range`, `late` and `unit-switch`: meters
    `tally-...` to alert on. A part released from review with meta `review: accept` is believed.
    """
    records = read_records(message.body)
    accepted = message.meta.get(VERDICT) == ACCEPTED
    wrong = [] if accepted else [position for position, record in enumerate(records) if _is_impossible(record)]
    asides = [_aside(records[position], position, settings) for position in wrong]
    fine = [record for position, record in enumerate(records) if position not in wrong]
    tally: Counter[str] = Counter()
    received = sdk.to_micros(message.received_at) // 1000
    checked = [_checked(record, received, settings, tally) for record in fine]
    for position, before in (await _switches(checked, message.tenant, tx)).items():
        checked[position] = _switched(checked[position], before)
        tally["unit-switch"] += 1
    return [*_passed_on(message, checked, records, tally), *asides]


def _passed_on(
    message: sdk.Message, checked: Sequence[AnyRecord], before: Sequence[AnyRecord], tally: Counter[str]
) -> Sequence[sdk.Message | sdk.Drop]:
    if not checked:
        return [] if before else [sdk.Drop("no readings")]
    same = len(checked) == len(before) and all(new is old for new, old in zip(checked, before, strict=True))
    if same:
        return [message]
    words = (f"{word}={count}" for word, count in tally.items())
    counted = " ".join([*message.meta.get("tally", "").split(), *words])
    return [message.but(body=encode(checked), meta={"tally": counted} if counted else None)]


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


async def _switches(records: Sequence[AnyRecord], tenant: str, tx: sdk.Transaction) -> dict[int, str]:
    """Places of readings whose unit is not that of the reading before them in their stream, with that unit."""
    found: dict[int, str] = {}
    units: dict[Stream, str | None] = {}
    readings = [(place, record) for place, record in enumerate(records) if isinstance(record, Glucose)]
    for place, record in sorted(readings, key=lambda one: one[1].effective.millis):
        stream = Stream(order_key(record.patient), record.analyte.value, record.source.system)
        if stream not in units:
            units[stream] = await streams.last_unit(tx, tenant, stream, record.effective.millis)
        before = units[stream]
        if before is not None and before != record.value.unit:
            found[place] = before
        units[stream] = record.value.unit
    return found


def _switched(record: AnyRecord, before: str) -> AnyRecord:
    assert isinstance(record, Glucose)
    return _noted(record, f"the stream's unit changed from {before} to {record.value.unit}")
