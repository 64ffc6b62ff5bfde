"""`adt_to_identities`: what admissions, updates and merges say about who is who."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from clinical.hl7v2 import FALLBACK, Hl7Error, known_charset, parse
from clinical.hl7v2.adt import Identities, identities_of
from engine import sdk
from ledger import identities, merges, patients


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
    "adt_to_identities", settings=AdtToIdentitiesSettings, accepts={sdk.Shape.HL7V2}, emits=sdk.Shape.HL7V2
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
    tally: Counter[str] = Counter()
    left = False
    for each in found:
        left |= await _keep(each, message, settings, tx, tally)
    told = " ".join(f"{what}={count}" for what, count in sorted(tally.items()))
    outputs: list[sdk.StepOutput] = [message.but(meta={"tally": told} if told else None)]
    if left and settings.merged_readings == "review":
        text = (
            "the merged patient has readings; replay the messages that brought them, and they move to the survivor; "
            "or write merged_readings: move, with the step move_merged_readings"
        )
        outputs.append(
            sdk.Aside(sdk.NeedsReview(text, code="merged-readings", path="MRG"), message.body, message.shape)
        )
    return outputs


async def _keep(
    each: Identities, message: sdk.Message, settings: AdtToIdentitiesSettings, tx: sdk.Transaction, tally: Counter[str]
) -> bool:
    """Link and merge. True if readings stay under a patient who was merged."""
    tenant, at = message.tenant, sdk.to_micros(message.received_at)
    links = await patients.find(tx, tenant, (*each.names, *each.prior))
    survivors = {links[name] for name in each.names if name in links}
    if len(survivors) > 1:
        text = "its identifiers are linked to different patients; merge them (A40) or correct the links"
        raise sdk.NeedsReview(text, code="identities-disagree", path="PID[1]-3")
    priors = {links[name] for name in each.prior if name in links}
    known = survivors or (priors if len(priors) == 1 else set())
    unlinked = [name for name in dict.fromkeys((*each.names, *each.prior)) if name not in links]
    if known:
        survivor = known.pop()
    elif settings.if_unknown == "ignore" and not priors:
        tally["ignored"] += len(unlinked)
        return False
    else:
        first, *unlinked = unlinked
        survivor = (await patients.register(tx, tenant, [first], sdk.new_id, at))[first]
        tally["registered"] += 1
    await identities.attach(tx, tenant, unlinked, survivor, at)
    tally["linked"] += len(unlinked)
    left = False
    for prior in sorted(priors - {survivor}):
        left |= await identities.has_readings(tx, tenant, prior)
        await merges.merge(tx, tenant, prior, survivor, at)
        tally["merged"] += 1
    return left
