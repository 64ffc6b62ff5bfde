"""Claims: what one source says about a reading, in one version; and what it means for two claims to be the same."""

from enum import StrEnum

import msgspec

from clinical import units
from clinical.records import AnyRecord, Quantity, Road, Status, order_key
from ledger import keys
from ledger.subjects import Tolerance, is_glucose, kind_in, matter_of

_TO_THE_MINUTE = "minute"
_CORRECTIONS = frozenset({Status.AMENDED, Status.CORRECTED, Status.ENTERED_IN_ERROR})
_STATUS_RANK = {
    Status.PRELIMINARY: 0,
    Status.FINAL: 1,
    Status.AMENDED: 2,
    Status.CORRECTED: 2,
    Status.ENTERED_IN_ERROR: 3,
}


class Standing(StrEnum):
    """Whether a claim has a say in what its reading is.

    SPEAKS: the latest version of its source. CHOSEN: the same, and a person chose it. DISPUTED: the latest version,
    but it disagrees and has no say, until a person decides. EARLIER: its source has said something newer.
    """

    SPEAKS = "speaks"
    CHOSEN = "chosen"
    DISPUTED = "disputed"
    EARLIER = "earlier"


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One version of what one source says. `identity` names the record at its source, `analyte` is what it is about
    and `matching` its value as a number (`ledger.subjects`; tenths of mmol/L for glucose). `amended`: it differs
    from another version that its source had called final."""

    message_id: str
    position: int
    origin_id: str
    identity: bytes
    system: str
    patient: str
    analyte: str
    road: Road
    version: str | None
    millis: int
    precision: str
    steps: int
    unit: str
    matching: int
    detection: str | None
    status: Status
    same_moment: bytes
    same_reading: bytes
    standing: Standing = Standing.SPEAKS
    amended: bool = False

    def __repr__(self) -> str:
        """Without patient and value (law 9)."""
        return f"Claim({self.message_id}[{self.position}] {self.road} {self.status} {self.standing})"

    @property
    def place(self) -> tuple[str, int]:
        """Message and position: the row that it is."""
        return self.message_id, self.position

    @property
    def to_the_minute(self) -> bool:
        return self.precision == _TO_THE_MINUTE

    @property
    def withdrawn(self) -> bool:
        """Its source says that it should never have been."""
        return self.status is Status.ENTERED_IN_ERROR

    @property
    def corrects(self) -> bool:
        """Its source says itself that this is a correction."""
        return self.status in _CORRECTIONS

    def but(self, *, standing: Standing, amended: bool = False) -> "Claim":
        """This claim with another standing; once amended, always amended."""
        return msgspec.structs.replace(self, standing=standing, amended=self.amended or amended)

    def seen_again(self, version: str | None) -> "Claim":
        """This claim, said again in a later version."""
        return msgspec.structs.replace(self, version=version)


def claim_of(record: AnyRecord, tenant: str, message_id: str, origin_id: str, position: int) -> Claim:
    """What a record claims, with its keys."""
    patient, (analyte, value, matching, content) = order_key(record.patient), matter_of(record)
    millis, source, detection = record.effective.millis, record.source, getattr(record, "detection", None)
    minute = keys.minute_of(millis)
    return Claim(
        message_id=message_id,
        position=position,
        origin_id=origin_id,
        identity=keys.identity(tenant, source.system, source.value, kind_in(analyte)),
        system=source.system,
        patient=patient,
        analyte=analyte,
        road=source.road,
        version=source.version,
        millis=millis,
        precision=record.effective.precision,
        steps=value.steps,
        unit=value.unit,
        matching=matching,
        detection=detection.value if detection else None,
        status=record.status,
        same_moment=keys.same_moment(tenant, patient, analyte, minute),
        same_reading=keys.same_reading(tenant, patient, analyte, minute, matching)
        if content is None
        else keys.same_content(tenant, patient, analyte, minute, content),
    )


# --- the same reading


def gap(one: Claim, other: Claim) -> int:
    """Milliseconds between two claims. Where just one is written to the minute, its whole minute counts as it."""
    if one.to_the_minute == other.to_the_minute:
        return abs(one.millis - other.millis)
    vague, exact = (one, other) if one.to_the_minute else (other, one)
    start = vague.millis // keys.MINUTE * keys.MINUTE
    return max(start - exact.millis, exact.millis - (start + keys.MINUTE - 1), 0)


def same_value(one: Claim, other: Claim, buckets: int) -> bool:
    """Equal within the tolerance; two that lie outside the measuring range on one side are equal whatever stands
    in for the number."""
    if one.detection and other.detection:
        return one.detection == other.detection
    return abs(one.matching - other.matching) <= buckets


def same_subject(one: Claim, other: Claim) -> bool:
    """The same analyte of the same patient."""
    return one.patient == other.patient and one.analyte == other.analyte


def at_one_moment(one: Claim, other: Claim, tolerance: Tolerance) -> bool:
    """Two claims of one patient's analyte lie within the tolerance of time."""
    return same_subject(one, other) and gap(one, other) <= tolerance.millis


def agree(one: Claim, other: Claim, tolerance: Tolerance) -> bool:
    """Two sources mean one reading."""
    return at_one_moment(one, other, tolerance) and same_value(one, other, tolerance.buckets)


def is_repeat(one: Claim, other: Claim) -> bool:
    """Two records of one source's system, under two names, are one and the same: to the second, and in all they say.

    Two doses of one size may well be given within a minute; only glucose has one value at a moment.
    """
    if one.system != other.system or is_glucose(one.analyte):
        return True
    return one.millis == other.millis and not one.to_the_minute and one.same_reading == other.same_reading


def difference(one: Claim, other: Claim, unit: str) -> int:
    """How far two values are apart, in steps of `unit`."""
    return abs(units.convert(one.steps, one.unit, unit) - units.convert(other.steps, other.unit, unit))


# --- versions of one source


def value_of(claim: Claim) -> tuple[int, str, str | None, int, bytes]:
    """What was measured, and when: what a version may change."""
    return claim.steps, claim.unit, claim.detection, claim.millis, claim.same_reading


def says_the_same(one: Claim, other: Claim) -> bool:
    """Nothing that matters has changed between two versions of one source."""
    if one.withdrawn and other.withdrawn:  # often without the value
        return True
    return same_subject(one, other) and one.status is other.status and value_of(one) == value_of(other)


def newer(one: Claim, other: Claim) -> bool:
    """Whether `one` is a later version of what the same source says than `other`.

    Versions decide where both have one. Else a correction or a deletion is newer than the original (a late original
    must not bring back what was deleted), then what came in later: `origin_id`, so that a replay does not count as
    later than it was.
    """
    if one.version is not None and other.version is not None and one.version != other.version:
        return _version_order(one.version) > _version_order(other.version)
    return _arrival_order(one) > _arrival_order(other)


def _version_order(version: str) -> tuple[int, float, str]:
    """Numbers sort as numbers, and before texts; texts (times, as a rule) as texts."""
    plain = version.isascii() and version.replace(".", "", 1).isdigit()
    return (0, float(version), "") if plain else (1, 0.0, version)


def _arrival_order(claim: Claim) -> tuple[int, str, str, int]:
    return _STATUS_RANK[claim.status], claim.origin_id, claim.message_id, claim.position


def withdrawal_of(claim: Claim, new: Claim) -> Claim:
    """`new` withdraws `claim`, whatever value and time it gives: what it speaks of is what was said before."""
    return msgspec.structs.replace(
        new,
        patient=claim.patient,
        analyte=claim.analyte,
        millis=claim.millis,
        precision=claim.precision,
        steps=claim.steps,
        unit=claim.unit,
        matching=claim.matching,
        detection=claim.detection,
        same_moment=claim.same_moment,
        same_reading=claim.same_reading,
    )


def quantity(claim: Claim) -> Quantity:
    return Quantity(steps=claim.steps, unit=claim.unit)
