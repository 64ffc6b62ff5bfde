"""What every resource says that a record is made of: patient, time, status, identity, device, notes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from clinical.fhir.errors import FhirError
from clinical.fhir.form import PATIENT_SYSTEM
from clinical.fhir.times import instant_text, read_date_time
from clinical.records import Device, PatientRef, Road, SourceId, Status
from clinical.time import moment

RULE, RULE_VERSION = "fhir", "1"
_OBSERVATION_STATUS: Final = {status.value: status for status in Status}
_CORRECTIONS: Final = frozenset({Status.AMENDED, Status.CORRECTED})
_PATIENT: Final = re.compile(r"(?:(https?://\S+?)/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")
_HOLDS_A_VALUE: Final = ("value", "component")


@dataclass(frozen=True, slots=True)
class ReadForm:
    """How one server's resources are read.

    `server` names it: the system of references and ids that have no other. `patient_systems`: URI of identifiers →
    assigner as our links know it. `body_fluid_is_cgm`: read LOINC 2344-0 and 14745-4 as older sensor apps meant them.
    `base`: the server's address, if references to other servers are to be told from its own.
    """

    server: str = "fhir"
    patient_system: str = PATIENT_SYSTEM
    patient_systems: Mapping[str, str] = field(default_factory=dict)
    body_fluid_is_cgm: bool = True
    base: str | None = None


def common(resource: Mapping[str, Any], form: ReadForm, known: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that all records have, as plain values, but `status`, `effective` and `original`.

    `known` is what our extension holds: what is there need not be found again.
    """
    told: dict[str, Any] = {}
    if "patient" not in known:
        told["patient"] = msgspec.to_builtins(patient_of(resource.get("subject"), form))
    if "source" not in known:
        told["source"] = msgspec.to_builtins(source_of(resource, form))
    if "device" not in known and (device := _device(resource)) is not None:
        told["device"] = msgspec.to_builtins(device)
    if notes := [text for note in dicts(resource.get("note")) if isinstance(text := note.get("text"), str)]:
        told["notes"] = notes
    return told


def observation_status(resource: Mapping[str, Any]) -> Status:
    """The record's status; entered in error for a correction that leaves no value, only why. Raises FhirError for one
    that says there is no result (registered, cancelled, unknown), unless it `takes_back` one."""
    word = resource.get("status")
    status = _OBSERVATION_STATUS.get(str(word))
    if status is None and word == "cancelled" and takes_back(resource):
        return Status.ENTERED_IN_ERROR
    if status is None:
        raise FhirError("says that there is no result that counts", "status", "no-result")
    empty = "dataAbsentReason" in resource and not any(name.startswith(_HOLDS_A_VALUE) for name in resource)
    return Status.ENTERED_IN_ERROR if empty and status in _CORRECTIONS else status


def takes_back(resource: Mapping[str, Any]) -> bool:
    """Is what has no result a later version of something with a time? Then an earlier one may have told of a result,
    which does not count any more. Only servers that number their versions say so."""
    return _number(resource) > 1 and any(name.startswith(("effective", "occurence")) for name in resource)


def effective_of(resource: Mapping[str, Any], stem: str = "effective", *, day: bool = False) -> dict[str, Any]:
    """`effective` and, for a period with both ends, `until`, as plain values; and the text of the time."""
    if (period := resource.get(f"{stem}Period")) is not None:
        path = f"{stem}Period"
        held = period if isinstance(period, dict) else {}
        start = read_date_time(held.get("start"), f"{path}.start", day=day)
        told = {"effective": msgspec.to_builtins(start), "time": held["start"]}
        if "end" in held:
            end = read_date_time(held["end"], f"{path}.end", day=day)
            if end.millis < start.millis:
                raise FhirError("ends before it starts", path, "period")
            told |= {"until": msgspec.to_builtins(end), "seconds": (end.millis - start.millis) // 1000}
        return told
    name = next((name for name in (f"{stem}DateTime", f"{stem}Instant") if name in resource), f"{stem}DateTime")
    instant = read_date_time(resource.get(name), name, day=day)
    return {"effective": msgspec.to_builtins(instant), "time": resource[name]}


def patient_of(subject: Any, form: ReadForm) -> PatientRef:
    """The patient of a Reference: by identifier, else by the id on the server. Raises FhirError if there is none."""
    held = subject if isinstance(subject, dict) else {}
    identifier = held.get("identifier")
    if isinstance(identifier, dict) and isinstance(value := identifier.get("value"), str) and value:
        system = identifier.get("system")
        if system == form.patient_system:
            return PatientRef(system=form.patient_system, value=value, id=value)
        named = form.patient_systems.get(system, system) if isinstance(system, str) else form.server
        return PatientRef(system=named.removeprefix(f"{form.patient_system}:"), value=value)
    if (value := id_in_reference(held.get("reference"), form)) is not None:
        return PatientRef(system=form.server, value=value)
    raise FhirError("names no patient of this server", "subject", "patient-missing")


def id_in_reference(reference: Any, form: ReadForm) -> str | None:
    """The id in `Patient/123`, relative or absolute, with or without a version. An absolute one of another server than
    `form.base` names nobody here: the same id is another person there."""
    found = _PATIENT.fullmatch(reference) if isinstance(reference, str) else None
    if found is None:
        return None
    base, id_ = found.groups()
    return id_ if base is None or form.base is None or _bare(base) == _bare(form.base) else None


def _bare(base: str) -> str:
    """Without the scheme: behind a proxy a server may think that it is asked over http."""
    return base.partition("://")[2].rstrip("/").lower()


def codings_of(concept: Any) -> Iterator[tuple[str, str | None, str | None]]:
    """Code, system and display of each coding of a CodeableConcept."""
    for coding in dicts(concept.get("coding") if isinstance(concept, dict) else None):
        code, system, display = coding.get("code"), coding.get("system"), coding.get("display")
        if isinstance(code, str) and code:
            yield code, system if isinstance(system, str) else None, display if isinstance(display, str) else None


def deed(what: str) -> dict[str, str]:
    """Something that was done to the record while reading it."""
    return {"rule": RULE, "version": RULE_VERSION, "what": what}


def source_of(resource: Mapping[str, Any], form: ReadForm) -> SourceId:
    """By the first identifier with a system, else by the id on the server."""
    version = _version(resource)
    for identifier in dicts(resource.get("identifier")):
        system, value = identifier.get("system"), identifier.get("value")
        if isinstance(system, str) and system and isinstance(value, str) and value:
            return SourceId(road=Road.FHIR, system=system, value=value, sender=form.server, version=version)
    id_ = resource.get("id")
    if not isinstance(id_, str) or not id_:
        raise FhirError("has neither an identifier nor an id", "identifier", "no-identifier")
    name = f"{resource['resourceType']}/{id_}"
    return SourceId(road=Road.FHIR, system=form.server, value=name, sender=form.server, version=version)


def _version(resource: Mapping[str, Any]) -> str | None:
    """When this version was made, in UTC, and its number on the server where that is one, so that versions sort as
    text: `meta.lastUpdated` (else `issued`), then `meta.versionId`, which tells versions of one moment apart. The time
    is written as HL7 v2's versions are, for one result may come by both roads under one name (OBX-21)."""
    meta = resource.get("meta")
    held = meta if isinstance(meta, dict) else {}
    millis = next((m for text in (held.get("lastUpdated"), resource.get("issued")) if (m := _millis(text))), None)
    number = _number(resource)
    return f"{instant_text(moment(millis or 0))}/{number:012d}" if millis is not None or number else None


def _number(resource: Mapping[str, Any]) -> int:
    """`meta.versionId` where it is a number; else 0."""
    meta = resource.get("meta")
    text = str(meta.get("versionId")) if isinstance(meta, dict) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def _millis(text: object) -> int | None:
    try:
        return read_date_time(text, "meta.lastUpdated").millis
    except FhirError:
        return None


def _device(resource: Mapping[str, Any]) -> Device | None:
    """The contained device, or what the reference itself says."""
    held = resource.get("device")
    if isinstance(held, list):  # MedicationAdministration has several, R5 as CodeableReference
        held = held[0] if held else None
        held = (
            held.get("reference", held) if isinstance(held, dict) and isinstance(held.get("reference"), dict) else held
        )
    if not isinstance(held, dict):
        return None
    wanted = str(held.get("reference", "")).removeprefix("#")
    for inner in dicts(resource.get("contained")):
        if inner.get("resourceType") == "Device" and inner.get("id") == wanted:
            return _contained_device(inner)
    identifier = held.get("identifier")
    serial = identifier.get("value") if isinstance(identifier, dict) else None
    device = Device(model=_text(held.get("display")), serial=_text(serial))
    return None if device == Device() else device


def _contained_device(inner: Mapping[str, Any]) -> Device:
    carriers = [*dicts(inner.get("udiCarrier"))]
    udi = next(
        (carrier.get(name) for carrier in carriers for name in ("carrierHRF", "deviceIdentifier") if name in carrier),
        None,
    )
    names = [*dicts(inner.get("deviceName")), *dicts(inner.get("name"))]
    name = next((_text(each.get("name")) or _text(each.get("value")) for each in names), None)
    numbers = [each for each in dicts(inner.get("identifier")) if "type" not in each]
    return Device(
        vendor=_text(inner.get("manufacturer")),
        model=_text(inner.get("modelNumber")) or (name if not inner.get("manufacturer") else None),
        serial=_text(inner.get("serialNumber")) or next((_text(each.get("value")) for each in numbers), None),
        udi=_text(udi)
        or next((_text(each.get("value")) for each in dicts(inner.get("identifier")) if "type" in each), None),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; nothing of anything else."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))
