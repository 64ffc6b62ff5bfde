"""`move_merged_readings`: after a merge, what was kept under the patient who is no more becomes the survivor's."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from clinical.hl7v2 import FALLBACK, Hl7Error, known_charset, parse
from clinical.hl7v2.adt import identities_of
from clinical.identities import Identities
from clinical.records import encode
from engine import sdk
from ledger import merges, patients
from transformers.record_bodies import order_of

_TOGETHER = 2000  # records in a message


class MoveMergedReadingsSettings(sdk.Settings):
    """As `adt_to_identities`, which must have been there before."""

    identifier_types: tuple[str, ...] = Field(default=("MR",), min_length=1)
    default_charset: Annotated[str, AfterValidator(known_charset)] = FALLBACK


@sdk.stateful_step(
    "move_merged_readings",
    settings=MoveMergedReadingsSettings,
    accepts={sdk.Shape.HL7V2},
    emits=sdk.Shape.RECORDS,
)
async def move_merged_readings(
    message: sdk.Message, settings: MoveMergedReadingsSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Say again, of the survivor of a merge (ADT^A40), every record that is kept under the merged patient.

    `reconcile` takes it from there by its own rules: the reading of the merged patient is withdrawn and keeps its
    history, and the survivor has it once, whichever of the two it came under and however often. Output: `records`
    messages; a Drop where nothing was left behind. Said twice, nothing is moved twice.
    """
    try:
        found = identities_of(parse(message.body, settings.default_charset), settings.identifier_types)
    except Hl7Error as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None
    outputs: list[sdk.StepOutput] = []
    for each in found:
        if each.prior:
            outputs += await _moved(each, message, tx)
    return outputs or [sdk.Drop("no readings to move")]


async def _moved(each: Identities, message: sdk.Message, tx: sdk.Transaction) -> Sequence[sdk.Message]:
    names = (*each.names, *each.prior)
    known = set((await patients.find(tx, message.tenant, names)).values())
    if len(known) != 1:
        return []  # nobody, or not merged yet
    survivor = known.pop()
    records = [
        merges.of_patient(record, survivor) for record in await merges.left_behind(tx, message.tenant, survivor, names)
    ]
    portions = [records[start : start + _TOGETHER] for start in range(0, len(records), _TOGETHER)]
    return [
        message.but(body=encode(some), shape=sdk.Shape.RECORDS, order_key=survivor, meta=order_of(some))
        for some in portions
    ]
