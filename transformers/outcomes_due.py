"""`outcomes_due`: who is asked about when a timer goes: windows that have ended, and nightly checks."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from clinical.records import PatientRef, order_key
from engine import sdk
from ledger.outcome_upkeep import due_patients, known_patients
from transformers.outcomes import CHECK, CLOSE, PATIENT, REBUILD

_AT_ONCE = 1000


class OutcomesDueSettings(sdk.Settings):
    """`ask_for`: `ended`: the windows that have ended since, and days that must be made anew; `check`: to compute again
    all windows that ended in the last `days` (UTC) from the readings. `at_most`: patients at one time of the timer; the
    rest comes the next time."""

    ask_for: Literal["ended", "check"] = "ended"
    days: Annotated[int, Field(ge=1, le=366)] = 7
    at_most: Annotated[int, Field(ge=1, le=100_000)] = 2000


@sdk.stateful_step("outcomes_due", settings=OutcomesDueSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.RECORDS)
async def outcomes_due(
    message: sdk.Message, settings: OutcomesDueSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """A request for each patient with something due, in order with the patient's readings; a Drop if nothing is.

    To ask twice does no harm: what has been issued is not issued again.
    """
    now = message.received_at.astimezone(UTC)
    if settings.ask_for == "ended":
        due = await due_patients(tx, message.tenant, sdk.to_micros(now) // 1000, settings.at_most)
        meta = {CLOSE: now.isoformat(timespec="seconds")}
    else:
        due = await _everybody(tx, message.tenant, settings.at_most)
        meta = {REBUILD: _days(now, settings.days), CHECK: "yes"}
    if not due:
        return [sdk.Drop("nothing is due")]
    return [_request(message, patient, meta) for patient in due]


def _days(now: datetime, days: int) -> str:
    last: date = now.date() - timedelta(days=1)
    return f"{last - timedelta(days=days - 1)}/{last}"


async def _everybody(tx: sdk.Transaction, tenant: str, at_most: int) -> list[PatientRef]:
    found: dict[str, PatientRef] = {}
    after = ""
    while len(found) < at_most:
        some = await known_patients(tx, tenant, after, _AT_ONCE)
        if not some:
            break
        found |= dict(some)
        after = some[-1][0]
    return list(found.values())[:at_most]


def _request(message: sdk.Message, patient: PatientRef, meta: dict[str, str]) -> sdk.Message:
    said = {**meta, PATIENT: msgspec.json.encode(patient).decode()}
    return message.but(body=b"", shape=sdk.Shape.RECORDS, order_key=order_key(patient), meta=said)
