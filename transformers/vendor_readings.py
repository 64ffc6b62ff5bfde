"""What the steps that read vendors' formats have in common: whose data it is, and parsed parts as outputs."""

from collections.abc import Sequence
from datetime import UTC
from typing import NoReturn

from clinical.events import unmapped
from clinical.records import PatientRef, encode, order_key
from clinical.vendors.parsing import Parsed, Unreadable
from engine import sdk
from transformers.correct_clocks import pairs_meta

PATIENT_SYSTEM, PATIENT_VALUE, FETCHED_AT = "patient_system", "patient_value", "fetched_at"


def patient_of(message: sdk.Message) -> PatientRef | None:
    """The patient that the source named in `patient_system` and `patient_value`, if it did."""
    system, value = message.meta.get(PATIENT_SYSTEM), message.meta.get(PATIENT_VALUE)
    return PatientRef(system=system, value=value) if system and value else None


def version_of(message: sdk.Message) -> str:
    """When this was asked of the vendor (`fetched_at`), else when it came in: a later answer is a newer version.

    ISO 8601 in UTC with microseconds, so that versions sort as text. A replay keeps `fetched_at`.
    """
    moment = message.received_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return message.meta.get(FETCHED_AT) or f"{moment}Z"


def refuse(unreadable: Unreadable) -> NoReturn:
    """The whole body is held."""
    raise sdk.InvalidMessage(unreadable.text, code=unreadable.code, path=unreadable.path) from None


def outputs(message: sdk.Message, parsed: Parsed, patient: PatientRef) -> Sequence[sdk.StepOutput] | sdk.Drop:
    """One `records` message, and one aside in the message's own shape for each part that could not be read.

    Events that no table knows are counted in the tally as `unmapped`. Pairs of times go along for `correct_clocks`.
    """
    if not parsed.records and not parsed.problems:
        return sdk.Drop("no readings")
    given: list[sdk.StepOutput] = []
    if parsed.records:
        body, strange = encode(parsed.records), unmapped(parsed.records)
        meta = {**({"tally": f"unmapped={strange}"} if strange else {}), **pairs_meta(parsed.clock)}
        given.append(message.but(body=body, shape=sdk.Shape.RECORDS, order_key=order_key(patient), meta=meta))
    for problem in parsed.problems:
        error = sdk.InvalidMessage(problem.text, code=problem.code, path=problem.path)
        given.append(sdk.Aside(error, problem.body, message.shape))
    return given
