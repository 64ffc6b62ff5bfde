"""The canonical records: what every vendor's and hospital's data becomes.

Each keeps what was received beside what was made of it; nothing original is overwritten. A `records` message body
is the JSON of a `RecordSet`: many records of one patient (`encode` / `decode`).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all values here. Frozen values hold no circles, so that the collector need not follow them (`gc`)."""


class Analyte(StrEnum):
    """What was measured: the identity of a code, whatever LOINC or MDC code and unit it came with."""

    INTERSTITIAL_GLUCOSE = "interstitial-glucose"
    CAPILLARY_GLUCOSE = "capillary-glucose"
    BLOOD_GLUCOSE = "blood-glucose"
    PLASMA_GLUCOSE = "plasma-glucose"


class InsulinKind(StrEnum):
    """How insulin was given."""

    BOLUS = "bolus"
    EXTENDED_BOLUS = "extended-bolus"
    BASAL = "basal"
    INJECTION = "injection"
    PRIMING = "priming"
    """Lost into the air or the tube on purpose; nobody got it."""


class VitalKind(StrEnum):
    """What a vital sign measures; blood pressure is a record of its own."""

    WEIGHT = "weight"
    HEART_RATE = "heart-rate"
    STEPS = "steps"
    KETONE = "ketone"
    """Beta-hydroxybutyrate in blood, by a test strip."""


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


class PatientRef(Struct, frozen=True, kw_only=True):
    """A patient as the source names one: `system` is the assigner (`stm`, `dexcom`), `value` the identifier there.

    `id` is our own, set by `identify_patient`.
    """

    system: str
    value: str
    id: str | None = None


class Quantity(Struct, frozen=True, kw_only=True):
    """A value as an integer number of its unit's steps: 182 steps of `mg/dL`, 101 steps of `mmol/L` are 10.1.

    Steps and units: see `clinical.units`. It is never converted in place; conversion gives a new number for
    display or matching.
    """

    steps: int
    unit: str


class Original(Struct, frozen=True, kw_only=True):
    """Exactly what was received, as text: value `5.40`, unit `mmol/l`, code `GLU`, its system, time."""

    value: str | None = None
    unit: str | None = None
    code: str | None = None
    system: str | None = None
    time: str | None = None


class Instant(Struct, frozen=True, kw_only=True):
    """When it happened. `millis`: UTC milliseconds since 1970. `how` says how the instant was known:
    `offset` (written with the time), `message-offset` (MSH-7), `zone` (wall clock in a named zone),
    `standard` (wall clock of a device that ignores summer time), `device-utc` (the device's own UTC clock).

    `local` is the wall clock as shown to the person (ISO, no offset), `offset_minutes` east of UTC, `zone` IANA.
    `precision` is the number of digits given: `day`, `minute`, `second`, `millisecond`. `fold` marks a wall time
    that occurs twice (true: the second) or, with `how` = `zone` or `standard`, `gap` one that does not exist.
    `drift_millis` is what a wrong clock lacked and was added to `millis` (`clinical.drift`).
    """

    millis: int
    how: str
    local: str | None = None
    offset_minutes: int | None = None
    zone: str | None = None
    precision: str = "second"
    fold: bool = False
    gap: bool = False
    drift_millis: int = 0


class Device(Struct, frozen=True, kw_only=True):
    """What measured. All as the source says; `serial` may be a hash the vendor made."""

    vendor: str | None = None
    model: str | None = None
    generation: str | None = None
    serial: str | None = None
    udi: str | None = None


class SourceId(Struct, frozen=True, kw_only=True):
    """Who this record is at its source. `system` + `value` name it for ever, whatever its value becomes:
    a later version of the same `system` + `value` changes the record instead of adding to it.

    `version` sorts the versions (a time or number as text), `sender` names the feed for people.
    """

    road: Road
    system: str
    value: str
    sender: str | None = None
    version: str | None = None


class Deed(Struct, frozen=True, kw_only=True):
    """One thing that was done to a record: which rule, in which version, and what it did."""

    rule: str
    version: str
    what: str


class Entry(Struct, frozen=True, kw_only=True):
    """What every record says: of whom, when, how sure, from where, exactly what was received, what was done to it."""

    patient: PatientRef
    effective: Instant
    status: Status
    source: SourceId
    original: Original
    device: Device | None = None
    notes: tuple[str, ...] = ()
    done: tuple[Deed, ...] = ()
    reading_id: str | None = None
    """Our own id of the reconciled record; set by `reconcile`."""


class Glucose(Entry, frozen=True, kw_only=True, tag="glucose", tag_field="record"):
    """One glucose reading."""

    analyte: Analyte
    value: Quantity
    detection: Detection | None = None
    trend: str | None = None
    replaces_value: Quantity | None = None
    """For a correction: the value that it corrects, as far as we had it."""


class InsulinDose(Entry, frozen=True, kw_only=True, tag="insulin-dose", tag_field="record"):
    """Insulin that was given, or a pump's basal rate while it held. A day's total is an `InsulinTotal`.

    `requested` and `delivered` in `[iU]`: both where the device says both, as after an interrupted bolus.
    `rate` in `[iU]/h` for a basal rate. `duration_seconds` for what takes time: an extended bolus, a basal rate.
    `automatic`: the device's algorithm decided, nobody pressed a button.
    """

    kind: InsulinKind
    requested: Quantity | None = None
    delivered: Quantity | None = None
    rate: Quantity | None = None
    duration_seconds: int | None = None
    automatic: bool = False
    insulin: str | None = None
    """The product or class as the source names it: `NovoRapid`, `rapid-acting`."""


class InsulinTotal(Entry, frozen=True, kw_only=True, tag="insulin-total", tag_field="record"):
    """A day's insulin as a device adds it up, in `[iU]`: a summary, never a dose. `effective` is the day's start."""

    total: Quantity | None = None
    basal: Quantity | None = None
    bolus: Quantity | None = None


class Carbohydrate(Entry, frozen=True, kw_only=True, tag="carbohydrate", tag_field="record"):
    """Carbohydrate eaten, in `g`, as a person entered or a device estimated it."""

    amount: Quantity


class DeviceEvent(Entry, frozen=True, kw_only=True, tag="device-event", tag_field="record"):
    """Something a device did or said. `event` is a word of `clinical.events`, `original.code` the device's own."""

    event: str
    value: Quantity | None = None
    until: Instant | None = None


class VitalSign(Entry, frozen=True, kw_only=True, tag="vital-sign", tag_field="record"):
    """Weight in `kg`, heart rate in `/min`, steps in `{steps}` counted over `duration_seconds`, ketone in `mmol/L`."""

    kind: VitalKind
    value: Quantity
    duration_seconds: int | None = None


class BloodPressure(Entry, frozen=True, kw_only=True, tag="blood-pressure", tag_field="record"):
    """One measurement of blood pressure, in `mm[Hg]`, with the pulse in `/min` where the device gave one."""

    systolic: Quantity
    diastolic: Quantity
    pulse: Quantity | None = None


class Annotation(Entry, frozen=True, kw_only=True, tag="annotation", tag_field="record"):
    """What a person noted. `kind`: `note`, `exercise`, `meal`, `illness`, `medication`, `other`."""

    text: str
    kind: str = "note"
    duration_seconds: int | None = None


AnyRecord = Glucose | InsulinDose | InsulinTotal | Carbohydrate | DeviceEvent | VitalSign | BloodPressure | Annotation
Record = Annotated[AnyRecord, msgspec.Meta(description="A canonical record")]


class RecordSet(Struct, frozen=True, kw_only=True):
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


def kind_of(record: AnyRecord) -> str:
    """What kind of record it is, as its `record` field says: `glucose`, `insulin-dose`."""
    return str(record.__struct_config__.tag)


def order_key(patient: PatientRef) -> str:
    """What keeps one patient's messages in order: our id where known, else the source's name of the patient."""
    return patient.id or f"{patient.system}|{patient.value}"
