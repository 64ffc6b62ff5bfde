"""The canonical records: what every vendor's and hospital's data becomes.

Each keeps what was received beside what was made of it; nothing original is overwritten. A `records` message body
is the JSON of a `RecordSet`: many records of one patient (`encode` / `decode`).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all values here."""


class Analyte(StrEnum):
    """What was measured: the identity of a code, whatever LOINC or MDC code and unit it came with."""

    INTERSTITIAL_GLUCOSE = "interstitial-glucose"
    CAPILLARY_GLUCOSE = "capillary-glucose"
    BLOOD_GLUCOSE = "blood-glucose"
    PLASMA_GLUCOSE = "plasma-glucose"


class Status(StrEnum):
    """FHIR ObservationStatus, as far as a stored record needs it."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    CORRECTED = "corrected"
    ENTERED_IN_ERROR = "entered-in-error"


class Detection(StrEnum):
    """The device could only say that the value lies outside its measuring range."""

    BELOW = "below"
    ABOVE = "above"


class Road(StrEnum):
    """The way by which a record came to us; reconciliation's `prefer` names these."""

    FHIR = "fhir"
    HL7V2 = "hl7v2"
    CLOUD = "cloud"
    CSV = "csv"


class PatientRef(Struct, frozen=True):
    """A patient as the source names one: `system` is the assigner (`stm`, `dexcom`), `value` the identifier there.

    `id` is our own, set by `identify_patient`.
    """

    system: str
    value: str
    id: str | None = None


class Quantity(Struct, frozen=True):
    """A value as an integer number of its unit's steps: 182 steps of `mg/dL`, 101 steps of `mmol/L` are 10.1.

    Steps and units: see `clinical.units`. It is never converted in place; conversion gives a new number for
    display or matching.
    """

    steps: int
    unit: str


class Original(Struct, frozen=True):
    """Exactly what was received, as text: value `5.40`, unit `mmol/l`, code `GLU`, its system, time."""

    value: str | None = None
    unit: str | None = None
    code: str | None = None
    system: str | None = None
    time: str | None = None


class Instant(Struct, frozen=True):
    """When it happened. `millis`: UTC milliseconds since 1970. `how` says how the instant was known:
    `offset` (written with the time), `message-offset` (MSH-7), `zone` (wall clock in a named zone),
    `device-utc` (the device's own UTC clock).

    `local` is the wall clock as shown to the person (ISO, no offset), `offset_minutes` east of UTC, `zone` IANA.
    `precision` is the number of digits given: `day`, `minute`, `second`, `millisecond`. `fold` marks a wall time
    that occurs twice (true: the second) or, with `how` = `zone`, `gap` one that does not exist.
    """

    millis: int
    how: str
    local: str | None = None
    offset_minutes: int | None = None
    zone: str | None = None
    precision: str = "second"
    fold: bool = False
    gap: bool = False


class Device(Struct, frozen=True):
    """What measured. All as the source says; `serial` may be a hash the vendor made."""

    vendor: str | None = None
    model: str | None = None
    generation: str | None = None
    serial: str | None = None
    udi: str | None = None


class SourceId(Struct, frozen=True):
    """Who this record is at its source. `system` + `value` name it for ever, whatever its value becomes:
    a later version of the same `system` + `value` changes the record instead of adding to it.

    `version` sorts the versions (a time or number as text), `sender` names the feed for people.
    """

    road: Road
    system: str
    value: str
    sender: str | None = None
    version: str | None = None


class Deed(Struct, frozen=True):
    """One thing that was done to a record: which rule, in which version, and what it did."""

    rule: str
    version: str
    what: str


class Glucose(Struct, frozen=True, tag="glucose", tag_field="record"):
    """One glucose reading."""

    patient: PatientRef
    analyte: Analyte
    value: Quantity
    effective: Instant
    status: Status
    source: SourceId
    original: Original
    detection: Detection | None = None
    trend: str | None = None
    device: Device | None = None
    notes: tuple[str, ...] = ()
    done: tuple[Deed, ...] = ()
    reading_id: str | None = None
    """Our own id of the reconciled reading; set by `reconcile`."""
    replaces_value: Quantity | None = None
    """For a correction: the value that it corrects, as far as we had it."""


# Other records (insulin, carbohydrate, device event, vital sign, annotation) join this union.
Record = Annotated[Glucose, msgspec.Meta(description="A canonical record")]


class RecordSet(Struct, frozen=True):
    """Records of one patient, in the order of their effective time where the source gave one."""

    records: tuple[Record, ...]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RecordSet)


def encode(records: Sequence[Record]) -> bytes:
    """The body of a `records` message."""
    return _encoder.encode(RecordSet(records=tuple(records)))


def decode(body: bytes) -> tuple[Record, ...]:
    """The records of a body. Raises `msgspec.DecodeError` or `msgspec.ValidationError` with the JSON path."""
    return _decoder.decode(body).records


def order_key(patient: PatientRef) -> str:
    """What keeps one patient's messages in order: our id where known, else the source's name of the patient."""
    return patient.id or f"{patient.system}|{patient.value}"
