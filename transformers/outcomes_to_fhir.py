"""Issued outcomes as FHIR Observations, one message for each: one resource, one delivery, one effect."""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import Field

from clinical.fhir.errors import FhirError
from clinical.fhir.form import PATIENT_SYSTEM, Form
from clinical.fhir.frame import encode
from clinical.fhir.identifiers import token
from clinical.fhir.outcomes import OUTCOME_SYSTEM, OutcomeForm, outcome_to_observations
from clinical.issued import IssuedOutcome
from clinical.issued import encode as encode_outcomes
from engine import sdk
from transformers.outcome_bodies import read_outcomes
from transformers.records_to_fhir import Uri


class OutcomesToFhirSettings(sdk.Settings):
    """How the Observations of one channel look."""

    identifier_system: Uri = OUTCOME_SYSTEM
    subject: Literal["identifier", "source-identifier", "reference"] = "identifier"
    patient_system: Uri = PATIENT_SYSTEM
    patient_systems: Mapping[str, Uri] = Field(default_factory=dict)
    unit: Literal["mg/dL", "mmol/L", "both"] = "mg/dL"
    """Of the mean glucose."""
    device: Literal["contained", "none"] = "contained"
    profiles: bool = True
    release: Literal["R4", "R5"] = "R4"
    """The FHIR release that the server speaks; R4 is 4.0.1."""
    provenance: Literal["contained", "none"] = "contained"
    """`contained`: from what it was computed and what it revises, inside the resource."""

    @cached_property
    def form(self) -> OutcomeForm:
        return OutcomeForm(
            Form(
                identifier_system=self.identifier_system,
                subject=self.subject,
                patient_system=self.patient_system,
                patient_systems=self.patient_systems,
                device=None if self.device == "none" else self.device,
                profiles=self.profiles,
                release=self.release,
                provenance=None if self.provenance == "none" else self.provenance,
            ),
            unit=self.unit,
        )


@sdk.transformer("outcomes_to_fhir", settings=OutcomesToFhirSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.FHIR)
def outcomes_to_fhir(message: sdk.Message, settings: OutcomesToFhirSettings) -> list[sdk.StepOutput]:
    """Each figure of each outcome as an Observation in a message of its own.

    Meta as `records_to_fhir` writes it: a first version is created, a later one updates. An outcome whose patient
    cannot be named is set aside. Raises InvalidMessage for a body that is no set of outcomes.
    """
    return [
        output
        for number, each in enumerate(read_outcomes(message.body))
        for output in _outputs(message, each, number, settings)
    ]


def _outputs(
    message: sdk.Message, outcome: IssuedOutcome, number: int, settings: OutcomesToFhirSettings
) -> list[sdk.StepOutput]:
    try:
        resources = outcome_to_observations(outcome, settings.form)
    except FhirError as error:
        wrong = sdk.InvalidMessage(error.text, code=error.code, path=f"outcomes[{number}].{error.path}")
        return [sdk.Aside(wrong, encode_outcomes([outcome]), sdk.Shape.JSON)]
    outputs: list[sdk.StepOutput] = []
    for resource in resources:
        identifier = resource["identifier"][0]
        meta = {
            "resource_type": "Observation",
            "identifier": token(identifier["system"], identifier["value"]),
            sdk.REPLACES_EARLIER: "yes",
            "interaction": "create" if outcome.version == 1 else "update",
            "outcome": outcome.id,
        }
        outputs.append(
            message.but(body=encode(resource), shape=sdk.Shape.FHIR, meta=meta, order_key=meta["identifier"])
        )
    return outputs
