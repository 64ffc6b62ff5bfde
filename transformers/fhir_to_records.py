"""FHIR resources to records: Observations and insulin given, alone or in a Bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple

from pydantic import Field

from clinical.fhir.errors import FhirError
from clinical.fhir.form import PATIENT_SYSTEM
from clinical.fhir.frame import encode as encode_resource
from clinical.fhir.read import read_resource
from clinical.fhir.read_common import ReadForm
from clinical.fhir.series import is_series, samples_of
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
    base: str | None = None
    """The server's address: an absolute reference to a patient of another server is set aside then."""
    other_codes: Literal["hold", "ignore"] = "ignore"
    """What becomes of resources that are none of a record's kinds."""

    @cached_property
    def form(self) -> ReadForm:
        return ReadForm(
            server=self.server,
            patient_system=self.patient_system,
            patient_systems=self.patient_systems,
            body_fluid_is_cgm=self.body_fluid_is_cgm,
            base=self.base,
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
        for read in _read(resource, settings.form):
            if not isinstance(read, _Unread):
                by_patient.setdefault(order_key(read.patient), []).append(read)
            elif read.code == _NOTHING_IN_IT or (read.code in _OF_ANOTHER_KIND and settings.other_codes == "ignore"):
                passed_over[read.code] += 1
            else:
                asides.append(_aside(read, place))
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


class _Unread(NamedTuple):
    """What could not be read: the whole resource, or the Observation that stands for one value of a series."""

    text: str
    path: str | None
    code: str
    resource: Mapping[str, Any]


def _read(resource: Mapping[str, Any], form: ReadForm) -> Iterator[AnyRecord | _Unread]:
    """The record of a resource; of a series, that of each of its values. A series of another kind is one of these."""
    if not is_series(resource):
        try:
            yield read_resource(resource, form)
        except FhirError as error:
            yield _Unread(error.text, error.path, error.code, resource)
        return
    try:
        samples = list(samples_of(resource, form))
    except FhirError as error:
        yield _Unread(error.text, error.path, error.code, resource)
        return
    for path, single in samples:
        try:
            yield read_resource(single, form)
        except FhirError as error:
            if error.code == _NOTHING_IN_IT or error.code in _OF_ANOTHER_KIND:
                yield _Unread(error.text, error.path, error.code, resource)
                return
            yield _Unread(error.text, path, error.code, single)


def _aside(unread: _Unread, place: str) -> sdk.Aside:
    word = sdk.NeedsReview if unread.code == _REVIEWED else sdk.InvalidMessage
    path = f"{place}{unread.path}" if unread.path else place.removesuffix(".") or None
    waiting = word(unread.text, code=unread.code, path=path)
    return sdk.Aside(waiting, encode_resource(unread.resource), sdk.Shape.FHIR)
