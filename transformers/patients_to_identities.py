"""`patients_to_identities`: what a FHIR server's Patients say about who is who."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from clinical.fhir.errors import FhirError
from clinical.fhir.frame import encode
from clinical.fhir.patient import identities_of
from clinical.fhir.read_common import ReadForm
from engine import sdk
from transformers.fhir_bodies import read_body, resources_of
from transformers.identity_links import Links, readings_left


class PatientsToIdentitiesSettings(sdk.Settings):
    """Which identifiers count, and what becomes of a patient whom nobody knows."""

    server: str = Field(default="fhir", min_length=1)
    """Our name for the server: the assigner of its own ids. The same as in `fhir_to_records`."""
    patient_systems: Mapping[str, str] = Field(default_factory=dict)
    """URI of identifiers: assigner, as the links of patients know it. Other identifiers are not looked at."""
    base: str | None = None
    """The server's address: a merge with an absolute reference to a Patient of another server is set aside then."""
    if_unknown: Literal["register", "ignore"] = "register"
    """`register` makes a patient; `ignore` keeps ids only of patients whom another source has brought."""

    @cached_property
    def form(self) -> ReadForm:
        return ReadForm(server=self.server, patient_systems=self.patient_systems, base=self.base)


@sdk.stateful_step(
    "patients_to_identities",
    settings=PatientsToIdentitiesSettings,
    accepts={sdk.Shape.FHIR},
    emits=sdk.Shape.FHIR,
    may_end=True,
)
async def patients_to_identities(
    message: sdk.Message, settings: PatientsToIdentitiesSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """Keep the links of patients as a Patient, or a Bundle with some, says; the message itself goes on as it is.

    A Patient's id and identifiers name one patient, so that results which refer to `Patient/123` find the one whom a
    hospital knows by a number; a link `replaced-by` or `replaces` is a merge. Patients that cannot be read, whose
    identifiers are linked to different patients, or whose merge leaves readings behind, are set aside alone.
    """
    links = Links(message, tx, register=settings.if_unknown == "register")
    asides: list[sdk.StepOutput] = []
    found = False
    for place, resource in resources_of(read_body(message.body)):
        if resource["resourceType"] != "Patient":
            continue
        found = True
        waiting = await _keep(resource, place, settings.form, links)
        asides += [sdk.Aside(error, encode(resource), sdk.Shape.FHIR) for error in waiting]
    return [message.but(meta=links.meta), *asides] if found else [sdk.Drop("no patients")]


async def _keep(patient: Mapping[str, object], place: str, form: ReadForm, links: Links) -> Sequence[sdk.EngineError]:
    """What must wait for a person, or cannot be read; nothing if all is kept."""
    try:
        left = [await links.keep(each, f"{place}Patient.identifier") for each in identities_of(patient, form)]
    except FhirError as error:
        return [sdk.InvalidMessage(error.text, code=error.code, path=f"{place}{error.path}")]
    except sdk.NeedsReview as error:
        return [error]
    return [readings_left(f"{place}Patient.link")] if any(left) else []
