"""Records as FHIR resources, one message for each: one resource, one delivery, one effect."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from clinical.fhir.errors import FhirError
from clinical.fhir.form import PATIENT_SYSTEM, Form
from clinical.fhir.frame import encode
from clinical.fhir.identifiers import READING_SYSTEM, token
from clinical.fhir.resource import to_resource
from clinical.records import AnyRecord, Status
from clinical.records import encode as encode_records
from engine import sdk
from ledger.telling import is_told_again
from transformers.record_bodies import read_records


def _absolute_uri(value: str) -> str:
    if ":" not in value or any(sign.isspace() for sign in value):
        raise ValueError("is not an absolute URI; write one such as urn:oid:2.16.840.1.113883.2.1 or https://…")
    return value


Uri = Annotated[str, AfterValidator(_absolute_uri)]


class RecordsToFhirSettings(sdk.Settings):
    """How the resources of one channel look and when they update what is there."""

    identifier_system: Uri = READING_SYSTEM
    subject: Literal["identifier", "source-identifier", "reference"] = "identifier"
    patient_system: Uri = PATIENT_SYSTEM
    patient_systems: Mapping[str, Uri] = Field(default_factory=dict)
    category: Literal["laboratory", "vital-signs", "none"] = "laboratory"
    device: Literal["contained", "identifier", "none"] = "contained"
    profiles: bool = True
    release: Literal["R4", "R5"] = "R4"
    """The FHIR release that the server speaks; R4 is 4.0.1."""
    provenance: Literal["contained", "none"] = "none"
    """`contained`: who measured and sent it, inside the resource, for servers that take no Provenance."""
    details: bool = False
    """Carry what FHIR has no element for (original text, source, trend …) in an extension."""
    updates: frozenset[Status] = frozenset({Status.AMENDED, Status.CORRECTED, Status.ENTERED_IN_ERROR})
    """Records in these states change what the server has, and so does what `reconcile` tells again, in whatever state;
    all others are only created."""

    @cached_property
    def form(self) -> Form:
        return Form(
            identifier_system=self.identifier_system,
            subject=self.subject,
            patient_system=self.patient_system,
            patient_systems=self.patient_systems,
            category=None if self.category == "none" else self.category,
            device=None if self.device == "none" else self.device,
            profiles=self.profiles,
            release=self.release,
            provenance=None if self.provenance == "none" else self.provenance,
            details=self.details,
        )


@sdk.transformer("records_to_fhir", settings=RecordsToFhirSettings, accepts={sdk.Shape.RECORDS}, emits=sdk.Shape.FHIR)
def records_to_fhir(message: sdk.Message, settings: RecordsToFhirSettings) -> list[sdk.StepOutput]:
    """Each record as one FHIR resource in a message of its own: an Observation, or for insulin given a
    MedicationAdministration.

    Meta: `resource_type`, `identifier` (`system|value`), `interaction` (`create` or `update`). The identifier is
    the order key too: versions of one reading stay in order, different readings do not wait for each other. A record
    that cannot be written is set aside as InvalidMessage; the others go on.
    """
    return [_output(message, record, number, settings) for number, record in enumerate(read_records(message.body))]


def _output(message: sdk.Message, record: AnyRecord, number: int, settings: RecordsToFhirSettings) -> sdk.StepOutput:
    try:
        resource = to_resource(record, settings.form, message.received_at)
    except FhirError as error:
        path = f"records[{number}].{error.path}" if error.path else f"records[{number}]"
        wrong = sdk.InvalidMessage(error.text, code=error.code, path=path)
        return sdk.Aside(wrong, encode_records([record]), sdk.Shape.RECORDS)
    identifier = resource["identifier"][0]
    meta = {
        "resource_type": resource["resourceType"],
        "identifier": token(identifier["system"], identifier["value"]),
        sdk.REPLACES_EARLIER: "yes",
        "interaction": "update" if record.status in settings.updates or is_told_again(record) else "create",
    }
    return message.but(body=encode(resource), shape=sdk.Shape.FHIR, meta=meta, order_key=meta["identifier"])
