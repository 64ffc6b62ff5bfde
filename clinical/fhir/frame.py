"""What every resource made of a record has: identifier, contained parts, subject, time, notes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from clinical.fhir.details import details_of
from clinical.fhir.device import CONTAINED_ID, device_reference, device_resource
from clinical.fhir.errors import FhirError
from clinical.fhir.form import Form, subject_of
from clinical.fhir.identifiers import reading_value
from clinical.fhir.provenance import provenance_of
from clinical.fhir.times import date_time
from clinical.records import AnyRecord, Instant

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(resource: Mapping[str, Any]) -> bytes:
    """A resource as JSON. Decimals become numbers and keep their digits (10.0 stays 10.0)."""
    return _encoder.encode(resource)


def frame(
    kind: str, record: AnyRecord, form: Form, profile: str | None, recorded: datetime | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A resource of type `kind` without what is its own, and the reference to the device.

    Raises FhirError if the subject cannot be named, or there is Provenance to be written and no time for it.
    """
    resource: dict[str, Any] = {"resourceType": kind}
    if profile is not None and form.profiles:
        resource["meta"] = {"profile": [profile]}
    contained = []
    device = None
    if record.device is not None and form.device is not None:
        if form.device == "identifier":
            device = device_reference(record.device)
        elif (made := device_resource(record.device, form.release)) is not None:
            contained.append(made)
            device = {"reference": f"#{CONTAINED_ID}"}
    if form.provenance is not None:
        if recorded is None:
            raise FhirError("Provenance needs the time at which it is recorded", code="recorded")
        contained.append(provenance_of(record, recorded, device))
    if contained:
        resource["contained"] = contained
    if form.details:
        resource["extension"] = [details_of(record)]
    resource["identifier"] = [{"system": form.identifier_system, "value": reading_value(record)}]
    resource["subject"] = subject_of(record.patient, form)
    if record.notes and (notes := [{"text": text} for text in record.notes if text.strip()]):
        resource["note"] = notes
    return resource, device


def effective(start: Instant, seconds: int | None = None, until: Instant | None = None) -> tuple[str, Any]:
    """`DateTime` or `Period`, to follow `effective` or `occurence`, and its value: a period if there is an end that
    is not before the start. Both are written to the digits of the start, so that rounding cannot turn them round."""
    if until is None and seconds is not None:
        until = msgspec.structs.replace(start, millis=start.millis + seconds * 1000)
    if until is None or until.millis < start.millis:
        return "DateTime", date_time(start)
    end = msgspec.structs.replace(until, precision=start.precision)
    return "Period", {"start": date_time(start), "end": date_time(end)}
