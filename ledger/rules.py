"""The rules of reconciliation: which claim a reading is read from, and what a new claim comes to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from clinical.records import Road, Status
from ledger.claims import (
    Claim,
    Standing,
    agree,
    at_one_moment,
    difference,
    gap,
    is_repeat,
    newer,
    same_value,
    says_the_same,
    value_of,
    withdrawal_of,
)
from ledger.subjects import Tolerance, is_glucose, kind_in, tolerance_of

RULE, RULE_VERSION = "reconcile", "1"

TOLERANCE = Tolerance(millis=30_000, buckets=1)
"""Half the interval of a sensor that reads every minute; and what a round trip through mmol/L can move a value."""


class Fate(StrEnum):
    """What a record came to when it arrived. Each record has exactly one, for ever."""

    NEW = "new"
    """A reading that nobody had told of."""
    DUPLICATE = "duplicate"
    """Says what is known already."""
    SUPERSEDES = "supersedes"
    """Another source's word on a known reading, and the reading is read from it now."""
    SUPERSEDED = "superseded"
    """Another source's word on a known reading, differing, and the reading stays as it is."""
    UPDATES = "updates"
    """A newer version of what its source said, without being a correction (preliminary → final)."""
    CORRECTS = "corrects"
    """A newer version of what its source said that corrects or withdraws it."""
    OUTDATED = "outdated"
    """An older version than the one its source's word is known in."""
    TOMBSTONE = "tombstone"
    """Withdraws what we never had: remembered, so that a late original does not come to life."""
    CONFLICT = "conflict"
    """Disagrees about a known reading: a person decides."""


class Verdict(StrEnum):
    """What a person said of a claim that was in review."""

    ACCEPT = "accept"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site may choose. `prefer`: the roads, best first. `tolerance`: of glucose; `time_tolerances`: of other
    kinds of record, in milliseconds, where they differ from `ledger.subjects`. `agree_below`: steps and unit
    under which two sources that differ need no person, the preferred one is kept; None: every difference does.
    `review`: whether larger differences go to a person, or the preferred one is kept too."""

    prefer: tuple[Road, ...] = (Road.FHIR, Road.HL7V2, Road.CLOUD, Road.CSV)
    correction_wins: bool = True
    tolerance: Tolerance = TOLERANCE
    time_tolerances: Mapping[str, int] = field(default_factory=dict)
    agree_below: tuple[int, str] | None = None
    review: bool = True

    def tolerance_of(self, claim: Claim) -> Tolerance:
        """`tolerance` for glucose; else that of `ledger.subjects`, with the site's own time for this kind of record."""
        if is_glucose(claim.analyte):
            return self.tolerance
        usual = tolerance_of(claim.analyte)
        millis = self.time_tolerances.get(kind_in(claim.analyte))
        return usual if millis is None else usual._replace(millis=millis)

    def rank(self, road: Road) -> int:
        return self.prefer.index(road) if road in self.prefer else len(self.prefer)


@dataclass(slots=True, eq=False)
class Reading:
    """A reading as it is known: every claim that was ever made about it, repeats apart."""

    id: str
    patient: str = field(repr=False)
    analyte: str
    claims: list[Claim] = field(default_factory=list, repr=False)
    truth: Claim | None = None


class Change(msgspec.Struct, frozen=True):
    """A claim that is known, and what becomes of it."""

    reading: Reading
    claim: Claim
    becomes: Claim


class Decision(msgspec.Struct, frozen=True):
    """What a new claim comes to. `reading` None: a reading of its own. `claim` None: nothing new was said.

    A `fate` of None is one that the ranking decides: `fate_by_rank`.
    """

    fate: Fate | None
    reading: Reading | None
    claim: Claim | None
    change: Change | None = None


# --- which claim a reading is read from


def truth(claims: Sequence[Claim], rules: Rules) -> Claim | None:
    """The claim that a reading is read from: a function of the set of claims alone, not of their order of arrival.

    A person's choice first, then corrections (if they win), then the roads as preferred, then the earliest
    received. A withdrawal counts for the sources that agree with what was withdrawn; one that says something else
    stands. None: no source speaks of it any more.
    """
    speaking = [claim for claim in claims if claim.standing in (Standing.SPEAKS, Standing.CHOSEN)]
    if not speaking:
        return None
    best = speaking[0] if len(speaking) == 1 else min(speaking, key=lambda claim: _rank(claim, rules))
    if not best.withdrawn:
        return best
    withdrawn = [claim for claim in claims if claim.identity == best.identity]
    others = [claim for claim in speaking if not claim.withdrawn and not _goes_with(claim, withdrawn, rules)]
    return min(others, key=lambda claim: _rank(claim, rules), default=best)


def _goes_with(claim: Claim, withdrawn: Sequence[Claim], rules: Rules) -> bool:
    """What was withdrawn is what this claim says. A source that has a dose under two names takes back just one."""
    if not is_glucose(claim.analyte) and claim.system == withdrawn[0].system:
        return False
    return any(agree(claim, gone, rules.tolerance_of(claim)) for gone in withdrawn)


def is_correction(claim: Claim) -> bool:
    return claim.corrects or claim.amended


def _rank(claim: Claim, rules: Rules) -> tuple[bool, bool, bool, bool, int, str, str, int]:
    return (
        claim.standing is not Standing.CHOSEN,
        not (rules.correction_wins and is_correction(claim)),
        claim.withdrawn,
        claim.status is Status.PRELIMINARY,
        rules.rank(claim.road),
        claim.origin_id,
        claim.message_id,
        claim.position,
    )


# --- what a new claim comes to


def decide(
    new: Claim,
    own: tuple[Reading, Claim] | None,
    near: Sequence[Reading],
    rules: Rules,
    *,
    sent_back_to: str | None = None,
    verdict: Verdict | None = None,
) -> Decision:
    """What becomes of a claim.

    `own`: the reading that this very record was known to speak of, with its current version; `near`: the readings
    of about its moment. `sent_back_to`: the reading that it was in review about, if it comes from there, with the
    reviewer's `verdict` if there was one.
    """
    if own is None:
        return _placed(new, near, rules)
    reading, current = own
    if says_the_same(new, current):
        if current.standing is Standing.DISPUTED and sent_back_to == reading.id:
            return _from_review(new, reading, current, rules, verdict)
        return _repeated(new, reading, current)
    if _has_left(new, current, near):
        return Decision(Fate.OUTDATED, reading, None)
    if newer(new, current) or _is_moved(new, current):
        return _newer_version(new, reading, current, near, rules)
    return _older_version(new, reading, current, rules)


def _is_moved(new: Claim, current: Claim) -> bool:
    """It was withdrawn from one patient and is said of another now (HL7 v2 OBX-11 `W`, then a result under the right
    PID): no older version, even if it repeats the time of the first analysis. A FHIR version does not: it says when
    the server made it."""
    if new.road is Road.FHIR and new.version is not None:
        return False
    return current.withdrawn and not new.withdrawn and new.patient != current.patient


def _has_left(new: Claim, current: Claim, near: Sequence[Reading]) -> bool:
    """It withdraws from one patient what its source has said of another since: that one keeps it."""
    if not new.withdrawn or current.withdrawn or new.patient == current.patient:
        return False
    words = (claim for reading in near for claim in reading.claims)
    return any(claim.identity == new.identity and claim.patient == new.patient for claim in words)


def fate_by_rank(claim: Claim, after: Claim | None, rules: Rules) -> Fate:
    """The fate of another source's word on a known reading, by what the reading is read from now."""
    if after is not None and after.place == claim.place:
        return Fate.CORRECTS if claim.corrects else Fate.SUPERSEDES
    if after is not None and not after.withdrawn and same_value(claim, after, rules.tolerance_of(claim).buckets):
        return Fate.DUPLICATE
    return Fate.SUPERSEDED


def _repeated(new: Claim, reading: Reading, current: Claim) -> Decision:
    """The same words again. Their version is noted: what comes later must be newer than that."""
    change = None
    if new.version is not None and new.version != current.version and newer(new, current):
        change = Change(reading, current, current.seen_again(new.version))
    return Decision(Fate.DUPLICATE, reading, None, change)


def _from_review(new: Claim, reading: Reading, current: Claim, rules: Rules, verdict: Verdict | None) -> Decision:
    """It takes the place of the claim that went into review. Without a verdict it is looked at anew."""
    past = Change(reading, current, current.but(standing=Standing.EARLIER))
    if verdict is Verdict.ACCEPT:
        return Decision(Fate.SUPERSEDES, reading, new.but(standing=Standing.CHOSEN), past)
    if verdict is Verdict.KEEP:
        return Decision(Fate.SUPERSEDED, reading, new.but(standing=Standing.DISPUTED), past)
    standing = _standing_in(reading, new, rules)
    fate = Fate.CONFLICT if standing is Standing.DISPUTED else None
    return Decision(fate, reading, new.but(standing=standing), past)


def _older_version(new: Claim, reading: Reading, current: Claim, rules: Rules) -> Decision:
    """Kept, so that copies of it by other sources are recognised; and it shows that the current one is a correction."""
    if not at_one_moment(new, current, rules.tolerance_of(new)):
        return Decision(Fate.OUTDATED, reading, None)
    change = None
    if _amends(new, current) and not current.amended:
        change = Change(reading, current, current.but(standing=current.standing, amended=True))
    return Decision(Fate.OUTDATED, reading, new.but(standing=Standing.EARLIER), change)


def _newer_version(new: Claim, reading: Reading, current: Claim, near: Sequence[Reading], rules: Rules) -> Decision:
    past = Change(reading, current, current.but(standing=Standing.EARLIER))
    if new.withdrawn:
        standing = Standing.DISPUTED if current.standing is Standing.DISPUTED else Standing.SPEAKS
        return Decision(Fate.CORRECTS, reading, withdrawal_of(current, new).but(standing=standing), past)
    claim = new.but(standing=Standing.SPEAKS, amended=current.amended or _amends(current, new))
    if not at_one_moment(new, current, rules.tolerance_of(new)):  # another time or patient: it leaves its reading
        elsewhere = _placed(claim, [other for other in near if other is not reading], rules)
        fate = elsewhere.fate if elsewhere.fate is Fate.CONFLICT else Fate.CORRECTS
        return Decision(fate, elsewhere.reading, elsewhere.claim, past)
    # What its own reading is read from, or a correction by a source with a say, disagrees with nobody.
    free = reading.truth is current or (is_correction(claim) and current.standing is not Standing.DISPUTED)
    if not free and _standing_in(reading, claim, rules) is Standing.DISPUTED:
        return Decision(Fate.CONFLICT, reading, claim.but(standing=Standing.DISPUTED), past)
    return Decision(Fate.CORRECTS if is_correction(claim) else Fate.UPDATES, reading, claim, past)


def _amends(old: Claim, new: Claim) -> bool:
    """A final value was changed afterwards. Preliminary → final is no correction (HL7 v2 OBX-11), nor is that it is
    another patient's now."""
    if old.status is Status.PRELIMINARY:
        return False
    if old.patient != new.patient:
        return value_of(old)[:-1] != value_of(new)[:-1]  # the last one is a hash over the patient, too
    return value_of(old) != value_of(new)


def _placed(new: Claim, near: Sequence[Reading], rules: Rules) -> Decision:
    """A source's first word: on a known reading, against one, or on a reading of its own."""
    same = _agreeing(new, near, rules) if near else None
    if same is not None:
        reading, claim = same
        if claim.standing is Standing.DISPUTED and not new.withdrawn:
            return Decision(Fate.DUPLICATE, reading, new.but(standing=Standing.DISPUTED))
        return Decision(None, reading, new)
    if new.withdrawn:
        return Decision(Fate.TOMBSTONE, None, new)
    other = _at_the_moment(new, near, rules) if near else None
    if other is None:
        return Decision(Fate.NEW, None, new)
    if _standing_in(other, new, rules) is Standing.DISPUTED:
        return Decision(Fate.CONFLICT, other, new.but(standing=Standing.DISPUTED))
    return Decision(None, other, new)


def _agreeing(new: Claim, near: Sequence[Reading], rules: Rules) -> tuple[Reading, Claim] | None:
    """The nearest claim that means the same reading, undisputed ones first."""
    tolerance = rules.tolerance_of(new)
    found = [
        (reading, claim)
        for reading in near
        for claim in reading.claims
        if agree(new, claim, tolerance) and _room_for(new, reading)
    ]

    def distance(pair: tuple[Reading, Claim]) -> tuple[bool, int, int, str]:
        reading, claim = pair
        disputed = claim.standing is Standing.DISPUTED
        return disputed, gap(new, claim), abs(new.matching - claim.matching), reading.id

    return min(found, key=distance, default=None)


def _room_for(new: Claim, reading: Reading) -> bool:
    """A reading holds one word of each source's system, so that two doses of one size stay two through every road."""
    return all(is_repeat(new, claim) for claim in reading.claims if claim.standing is not Standing.EARLIER)


def _at_the_moment(new: Claim, near: Sequence[Reading], rules: Rules) -> Reading | None:
    """The nearest reading that stands at the claim's moment: what it says otherwise, it says about that.

    Of anything but glucose several may stand at one moment, and none denies another.
    """
    if not is_glucose(new.analyte):
        return None
    standing = [
        (gap(new, reading.truth), reading.id, reading)
        for reading in near
        if reading.truth is not None
        and not reading.truth.withdrawn
        and at_one_moment(new, reading.truth, rules.tolerance)
    ]
    return min(standing, default=(0, "", None))[2]


def _standing_in(reading: Reading, new: Claim, rules: Rules) -> Standing:
    """Whether a claim has a say beside what its reading is read from, or a person must decide first."""
    current = reading.truth
    if current is None or current.withdrawn or not is_glucose(new.analyte):
        return Standing.SPEAKS
    if same_value(new, current, rules.tolerance.buckets):
        return Standing.SPEAKS
    small = rules.agree_below is not None and difference(new, current, rules.agree_below[1]) < rules.agree_below[0]
    if small or not rules.review or (rules.correction_wins and _has_not_heard(reading, current, new)):
        return Standing.SPEAKS
    return Standing.DISPUTED


def _has_not_heard(reading: Reading, current: Claim, new: Claim) -> bool:
    """The one corrects what the other still says: no disagreement. Where the original is known, what says neither
    the original nor the correction does disagree."""
    if new.corrects:
        return not current.corrects
    return current.corrects and not _earlier(reading.claims, current)


def _earlier(claims: Sequence[Claim], current: Claim) -> list[Claim]:
    """What the source of a claim has said before."""
    return [c for c in claims if c.identity == current.identity and c.standing is Standing.EARLIER]


def settled(reading: Reading, rules: Rules) -> list[Claim]:
    """Disputed claims that are no longer, since what came in later explains them.

    Either they say what the reading is read from now, or what its source used to say (they have not heard of its
    change); or they correct what their own source used to say, and that agreed.
    """
    if reading.truth is None or reading.truth.withdrawn:
        return []
    disputed = [claim for claim in reading.claims if claim.standing is Standing.DISPUTED and not claim.withdrawn]
    if not disputed:
        return []
    agreed = [reading.truth, *_earlier(reading.claims, reading.truth)]

    def explained(claim: Claim) -> bool:
        words = [claim, *_earlier(reading.claims, claim)] if is_correction(claim) else [claim]
        return any(agree(word, other, rules.tolerance_of(claim)) for word in words for other in agreed)

    return [claim for claim in disputed if explained(claim)]
