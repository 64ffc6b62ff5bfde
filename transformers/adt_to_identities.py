"""`adt_to_identities`: what admissions, updates and merges say about who is who."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from clinical.hl7v2 import FALLBACK, Hl7Error, known_charset, parse
from clinical.hl7v2.adt import identities_of
from engine import sdk
from transformers.identity_links import Links, readings_left


class AdtToIdentitiesSettings(sdk.Settings):
    """Which identifiers count, and what becomes of a patient whom nobody knows."""

    identifier_types: tuple[str, ...] = Field(default=("MR",), min_length=1)
    """Types of PID-3 and MRG-1 (component 5, table 0203) that name a patient."""
    if_unknown: Literal["register", "ignore"] = "register"
    """`register` makes a patient; `ignore` leaves that to the first result."""
    merged_readings: Literal["review", "move"] = "review"
    """What becomes of readings of a patient who was merged: a person hears of them, or `move_merged_readings` comes
    next, or in a channel behind this one."""
    default_charset: Annotated[str, AfterValidator(known_charset)] = FALLBACK


@sdk.stateful_step(
    "adt_to_identities",
    settings=AdtToIdentitiesSettings,
    accepts={sdk.Shape.HL7V2},
    emits=sdk.Shape.HL7V2,
    may_end=True,
)
async def adt_to_identities(
    message: sdk.Message, settings: AdtToIdentitiesSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Keep the links of patients as an ADT message says; the message itself goes on as it is.

    All identifiers of one PID name one patient: those without a link get that of the others, or of a new patient. A
    merge (A40) links everything of the prior patient to the surviving one. Events that say nothing of identities are
    dropped. Identifiers that are linked to different patients without a merge raise NeedsReview; a merged patient who
    has readings in the ledger leaves an aside for review, unless these are moved. Raises InvalidMessage with the path
    for a message that names nobody.
    """
    try:
        found = identities_of(parse(message.body, settings.default_charset), settings.identifier_types)
    except Hl7Error as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None
    if not found:
        return [sdk.Drop("an event that says nothing of identities")]
    links = Links(message, tx, register=settings.if_unknown == "register")
    left = False
    for number, each in enumerate(found, 1):
        left |= await links.keep(each, f"PID[{number}]-3")
    outputs: list[sdk.StepOutput] = [message.but(meta=links.meta)]
    if left and settings.merged_readings == "review":
        outputs.append(sdk.Aside(readings_left("MRG"), message.body, message.shape))
    return outputs
