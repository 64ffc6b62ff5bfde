"""`correct_clocks`: instants by a device's wrong clock are put right, by the pairs of times that its source gave."""

from collections.abc import Mapping, Sequence

import msgspec
from pydantic import Field

from clinical.drift import ALARM_SECONDS, Drift, Pair, corrected, estimate
from clinical.records import AnyRecord, encode
from engine import sdk
from transformers.record_bodies import order_of, read_records

CLOCK_PAIRS = "clock_pairs"
"""Meta in which a source or a vendor's step leaves what the device's clock showed and the true time of that moment."""

_BY_THE_DEVICE = frozenset({"zone", "standard", "message-offset", "device-utc"})


class CorrectClocksSettings(sdk.Settings):
    """`alarm_after`: how wrong a clock may be before the tally's `clock-alarm` says so."""

    alarm_after: sdk.Duration = Field(float(ALARM_SECONDS), gt=0)


def pairs_meta(pairs: Sequence[Pair]) -> Mapping[str, str]:
    """The meta that carries pairs; none for none."""
    return {CLOCK_PAIRS: " ".join(f"{pair.device}:{pair.true}" for pair in pairs)} if pairs else {}


@sdk.transformer("correct_clocks", settings=CorrectClocksSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.RECORDS)
def correct_clocks(message: sdk.Message, settings: CorrectClocksSettings) -> sdk.Message:
    """Every instant that a device's clock gave, moved by what that clock lacks; the device's own time stays beside it.

    The drift comes from the message's `clock_pairs`; without them, and where the clock is right within a minute,
    nothing is done. Instants that came with their offset are another clock's, and stay. The tally counts
    `clock-corrected` and `clock-alarm`: meters to alert on. Raises InvalidMessage for pairs that cannot be read.
    """
    drift = estimate(_pairs(message.meta.get(CLOCK_PAIRS, "")))
    if drift is None:
        return message
    records = read_records(message.body)
    right = [_corrected(record, drift) for record in records]
    changed = sum(new is not old for new, old in zip(right, records, strict=True))
    tally = _tally(message, changed, alarms=drift.alarms(settings.alarm_after))
    if not changed:
        return message.but(meta=tally)
    return message.but(body=encode(right), meta={**tally, **order_of(right)})


def _pairs(text: str) -> list[Pair]:
    try:
        return [Pair(int(device), int(true)) for device, _, true in (pair.partition(":") for pair in text.split())]
    except ValueError:
        raise sdk.InvalidMessage(
            "is not a list of `device:true` in milliseconds", code="clock-pairs", path=f"meta.{CLOCK_PAIRS}"
        ) from None


def _corrected(record: AnyRecord, drift: Drift) -> AnyRecord:
    if record.effective.how not in _BY_THE_DEVICE:
        return record
    effective, deed = corrected(record.effective, drift)
    if deed is None:
        return record
    return msgspec.structs.replace(record, effective=effective, done=(*record.done, deed))


def _tally(message: sdk.Message, changed: int, *, alarms: bool) -> Mapping[str, str]:
    counts = [f"clock-corrected={changed}"] if changed else []
    counts += ["clock-alarm=1"] if alarms else []
    return {"tally": " ".join([*message.meta.get("tally", "").split(), *counts])} if counts else {}
