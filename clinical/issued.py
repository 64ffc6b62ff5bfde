"""Outcomes as they are issued: figures of one patient's window with all that they rest on, in versions.

A body of issued outcomes is the JSON of an `IssuedSet`. Nothing that was issued is ever changed: what changes is
issued anew, with the reason and the id of what it replaces.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from clinical.records import Device, PatientRef, Struct


class OutcomeStatus(StrEnum):
    """Where an outcome stands."""

    PARTIAL = "partial"
    """The window has not ended, or late data is still waited for."""
    FINAL = "final"
    AMENDED = "amended"
    """It replaces one that had been final."""
    ENTERED_IN_ERROR = "entered-in-error"
    """Everything that the replaced one rested on has been withdrawn."""


class Cause(StrEnum):
    """Why an outcome was issued. Where several hold, the first one here."""

    WITHDRAWN = "reading-withdrawn"
    CORRECTED = "reading-corrected"
    EXCLUSION = "exclusion-changed"
    METHOD = "method-changed"
    ZONE = "zone-changed"
    LATE = "late-reading"
    ENDED = "window-ended"
    NEW = "new-reading"
    REBUILD = "rebuilt"


class Period(Struct, frozen=True, kw_only=True):
    """A window: `name` such as `day` or `14d`, its first and last local day (ISO), and its edges in UTC milliseconds,
    the end not included."""

    name: str
    first_day: str
    last_day: str
    start_millis: int
    end_millis: int
    zone: str


class Method(Struct, frozen=True, kw_only=True):
    """How the figures were made: `name` (profile and target set), version, digest over every choice, exclusion rules
    in words."""

    name: str
    version: str
    digest: str
    rules: tuple[str, ...] = ()


class IssuedOutcome(Struct, frozen=True, kw_only=True):
    """One version of one outcome. `series` names the window for ever, `id` this version, `replaces` the one before.

    `figures`: numbers by name; `counts`: whole numbers; `accounting`: milliseconds of the window by what they went to;
    `dropped`: readings without effect, by reason; `flags`: what holds. `evidence` is the digest of what the figures
    were computed from: equal evidence, equal figures. `unit`: what the readings mostly came in. `message_id` and
    `origin_id`: what made it be issued. `at_millis`: when. `complete`: the window had ended by then.
    """

    id: str
    series: str
    version: int
    status: OutcomeStatus
    cause: Cause
    patient: PatientRef
    subject: str
    period: Period
    method: Method
    evidence: str
    readings: int
    at_millis: int
    message_id: str
    origin_id: str
    complete: bool
    replaces: str | None = None
    device: Device | None = None
    figures: Mapping[str, float] = {}
    counts: Mapping[str, int] = {}
    accounting: Mapping[str, int] = {}
    dropped: Mapping[str, int] = {}
    flags: Mapping[str, bool] = {}


class IssuedSet(Struct, frozen=True, kw_only=True):
    """Outcomes of one patient, in the order in which they were issued."""

    outcomes: tuple[IssuedOutcome, ...]


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(IssuedSet)
_one = msgspec.json.Decoder(IssuedOutcome)


def encode(outcomes: Sequence[IssuedOutcome]) -> bytes:
    """The body of a message of outcomes."""
    return _encoder.encode(IssuedSet(outcomes=tuple(outcomes)))


def set_of(bodies: Sequence[bytes]) -> bytes:
    """What `encode` writes, from what `encode_one` has written of each."""
    return b'{"outcomes":[' + b",".join(bodies) + b"]}"


def decode(body: bytes) -> tuple[IssuedOutcome, ...]:
    """The outcomes of a body. Raises `msgspec.DecodeError` or `msgspec.ValidationError` with the JSON path."""
    return _decoder.decode(body).outcomes


def encode_one(outcome: IssuedOutcome) -> bytes:
    """One outcome, for a store."""
    return _encoder.encode(outcome)


def decode_one(body: bytes) -> IssuedOutcome:
    """What `encode_one` wrote."""
    return _one.decode(body)
