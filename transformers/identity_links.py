"""What messages about identities do to the links of patients, whatever format they came in."""

from collections import Counter

from clinical.identities import Identities
from engine import sdk
from ledger import identities, merges, patients


class Links:
    """The links that one message keeps, and a tally of what was done: registered, linked, merged, ignored."""

    def __init__(self, message: sdk.Message, tx: sdk.Transaction, *, register: bool) -> None:
        self._tenant, self._at = message.tenant, sdk.to_micros(message.received_at)
        self._tx = tx
        self._register = register
        self._tally: Counter[str] = Counter()

    @property
    def meta(self) -> dict[str, str] | None:
        """The tally, as an output's meta tells it."""
        told = " ".join(f"{what}={count}" for what, count in sorted(self._tally.items()))
        return {"tally": told} if told else None

    async def keep(self, each: Identities, path: str) -> bool:
        """Link and merge. True if readings stay under a patient who was merged: see `readings_left`.

        All names name one patient: those without a link get that of the others, or a new patient's. Raises NeedsReview
        with the path, before anything is changed, for names that are linked to different patients without a merge.
        """
        links = await patients.find(self._tx, self._tenant, (*each.names, *each.prior))
        survivors = {links[name] for name in each.names if name in links}
        if len(survivors) > 1:
            text = "its identifiers are linked to different patients; merge them or correct the links"
            raise sdk.NeedsReview(text, code="identities-disagree", path=path)
        priors = {links[name] for name in each.prior if name in links}
        known = survivors or (priors if len(priors) == 1 else set())
        unlinked = [name for name in dict.fromkeys((*each.names, *each.prior)) if name not in links]
        if known:
            survivor = known.pop()
        elif not self._register and not priors:
            self._tally["ignored"] += len(unlinked)
            return False
        else:
            first, *unlinked = unlinked
            survivor = (await patients.register(self._tx, self._tenant, [first], sdk.new_id, self._at))[first]
            self._tally["registered"] += 1
        await identities.attach(self._tx, self._tenant, unlinked, survivor, self._at)
        self._tally["linked"] += len(unlinked)
        return await self._merge(priors - {survivor}, survivor)

    async def _merge(self, priors: set[str], survivor: str) -> bool:
        left = False
        for prior in sorted(priors):
            left |= await identities.has_readings(self._tx, self._tenant, prior)
            await merges.merge(self._tx, self._tenant, prior, survivor, self._at)
            self._tally["merged"] += 1
        return left


def readings_left(path: str) -> sdk.NeedsReview:
    """What a merge of a patient who has readings leaves for a person to do."""
    text = (
        "the merged patient has readings; replay the messages that brought them, and they move to the survivor; "
        "an ADT channel moves them by itself with merged_readings: move and the step move_merged_readings"
    )
    return sdk.NeedsReview(text, code="merged-readings", path=path)
