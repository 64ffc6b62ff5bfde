"""FHIR resources to records: Observations and insulin given, alone or in a Bundle."""

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from clinical.fhir.errors import FhirError
from clinical.fhir.form import PATIENT_SYSTEM
from clinical.fhir.frame import encode as encode_resource
from clinical.fhir.read import read_resource
from clinical.fhir.read_common import ReadForm
from clinical.records import AnyRecord, encode, order_key
from engine import sdk
from transformers.fhir_bodies import read_body, resources_of

_REVIEWED = "implausible"
_OF_ANOTHER_KIND = frozenset({"unknown-code", "resource-type"})
_NOTHING_IN_IT = "no-result"


class FhirToRecordsSettings(sdk.Settings):
    """How one server's resources are read."""

    server: str = Field(default="fhir", min_length=1)
    """Our name for the server: the assigner of patients that it names by reference, and of ids without a system."""
    patient_system: str = PATIENT_SYSTEM
    """The system of our own patient ids, as `records_to_fhir` writes them."""
    patient_systems: Mapping[str, str] = Field(default_factory=dict)
    """URI of identifiers: assigner, as the links of patients know it."""
    body_fluid_is_cgm: bool = True
    """Read LOINC 2344-0 and 14745-4 as sensor glucose, as older apps wrote it. A laboratory means another fluid."""
    other_codes: Literal["hold", "ignore"] = "ignore"
    """What becomes of resources that are none of a record's kinds."""

    @cached_property
    def form(self) -> ReadForm:
        return ReadForm(
            server=self.server,
            patient_system=self.patient_system,
            patient_systems=self.patient_systems,
            body_fluid_is_cgm=self.body_fluid_is_cgm,
        )


@sdk.transformer("fhir_to_records", settings=FhirToRecordsSettings, accepts={sdk.Shape.FHIR}, emits=sdk.Shape.RECORDS)
def fhir_to_records(message: sdk.Message, settings: FhirToRecordsSettings) -> list[sdk.StepOutput] | sdk.Drop:
    """The records of each patient as one `records` message, kept in order by patient.

    A resource that cannot be read is set aside with its path; a value that nobody can have waits for review. Resources
    without a result (registered, cancelled) are passed over and counted. Status `entered-in-error`, `amended` and
    `corrected` reach the record as they are, with the server's time of that version. Raises InvalidMessage for a body
    that is no resource.
    """
    by_patient: dict[str, list[AnyRecord]] = {}
    asides: list[sdk.StepOutput] = []
    passed_over: Counter[str] = Counter()
    for place, resource in resources_of(read_body(message.body)):
        try:
            record = read_resource(resource, settings.form)
        except FhirError as error:
            if error.code == _NOTHING_IN_IT or (error.code in _OF_ANOTHER_KIND and settings.other_codes == "ignore"):
                passed_over[error.code] += 1
                continue
            asides.append(_aside(error, place, resource))
        else:
            by_patient.setdefault(order_key(record.patient), []).append(record)
    tally = {"tally": " ".join(f"{reason}={count}" for reason, count in sorted(passed_over.items()))}
    outputs: list[sdk.StepOutput] = [
        message.but(
            body=encode(records),
            shape=sdk.Shape.RECORDS,
            order_key=key,
            meta=tally if number == 0 and passed_over else None,
        )
        for number, (key, records) in enumerate(by_patient.items())
    ]
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(passed_over.items()))
    return [*outputs, *asides] or sdk.Drop(f"no records ({reasons})" if reasons else "no resources")


def _aside(error: FhirError, place: str, resource: Mapping[str, Any]) -> sdk.Aside:
    word = sdk.NeedsReview if error.code == _REVIEWED else sdk.InvalidMessage
    path = f"{place}{error.path}" if error.path else place.removesuffix(".") or None
    return sdk.Aside(word(error.text, code=error.code, path=path), encode_resource(resource), sdk.Shape.FHIR)
