"""Who a result is for ever, whatever its value becomes, and which of its versions is the newer one."""

import hashlib

from clinical.hl7v2.oru import Order
from clinical.hl7v2.segment import Segment
from clinical.records import Instant, PatientRef, Road, SourceId

_EQUIPMENT, _INSTANCE = 18, 21
_PLACER, _FILLER = 2, 3


def sender_of(msh: Segment) -> str:
    """Sending application and facility, for people and as the name of the feed: `GLU|STM`."""
    return f"{msh.leaf(3).strip()}|{msh.leaf(4).strip()}"


def source_id(
    sender: str, patient: PatientRef, order: Order, obx: Segment, code: str, instant: Instant, version: str
) -> SourceId:
    """The identity of one result.

    Best is the sender's own instance identifier (OBX-21, an EI). Without it: sender, patient, filler's (else placer's)
    order number, code (OBX-3), sub-id (OBX-4), instant in UTC and the device (OBX-18), hashed. The value is no part
    of it, so a correction finds what it corrects; the instant is, so a day of equal codes stays many readings. So is a
    wall time that the zone leaves out: a clock that was not put forward gives the next hour the same instants again.
    """
    if own := obx.leaf(_INSTANCE).strip():
        system = obx.leaf(_INSTANCE, 3).strip() or obx.leaf(_INSTANCE, 2).strip() or sender
        return SourceId(road=Road.HL7V2, system=system, value=own, sender=sender, version=version)
    number = "" if order.obr is None else order.obr.raw(_FILLER) or order.obr.raw(_PLACER)
    parts = (
        sender,
        patient.system,
        patient.value,
        number,
        code,
        obx.leaf(4),
        f"{instant.millis} {instant.local}" if instant.gap else str(instant.millis),
        obx.raw(_EQUIPMENT),
    )
    value = hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
    return SourceId(road=Road.HL7V2, system=sender, value=value, sender=sender, version=version)


def version_of(analysed: str | None, reported: str | None, sent: str, *, replaces: bool) -> str:
    """Sorts the versions of one result as text. All times are ISO 8601 in UTC, of equal length.

    By the time of analysis (OBX-19), else of the report's status (OBR-22), else of the message; equal ones by the
    message. What `replaces` another counts from when it was sent at the earliest, since a correction may repeat the
    time of the first analysis.
    """
    first = analysed or reported or sent
    return f"{max(first, sent) if replaces else first}/{sent}"
