"""`agp_report`: issued outcomes of some length as a page for people, a PDF in FHIR resources."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from clinical.fhir.errors import FhirError
from clinical.fhir.form import PATIENT_SYSTEM, Form
from clinical.fhir.frame import encode
from clinical.fhir.identifiers import token
from clinical.fhir.outcomes import OUTCOME_SYSTEM
from clinical.fhir.reports import diagnostic_report, document_reference
from clinical.issued import IssuedOutcome
from clinical.issued import encode as encode_outcomes
from clinical.outcomes import days_ending, merged
from clinical.outcomes.subjects import GLUCOSE, Glucose
from clinical.records import order_key
from clinical.reports.agp import agp_report as report_of
from clinical.reports.agp_pdf import agp_pdf
from engine import sdk
from ledger.outcome_store import standing_readings
from transformers.outcome_bodies import read_outcomes
from transformers.records_to_fhir import Uri
from transformers.target_sets import GlucoseMethod

"""How long before the window a device event may begin that excludes time of it, as in the ledger's own reading."""

_MADE = {"DiagnosticReport": diagnostic_report, "DocumentReference": document_reference}


class AgpReportSettings(GlucoseMethod):
    """Targets and profile are those of the channel that computes the outcomes."""

    days: Annotated[int, Field(ge=1, le=90)] = 14
    """Of which windows, by their length in days; the consensus wants 14."""
    unit: Literal["mg/dL", "mmol/L"] = "mg/dL"
    paper: Literal["A4", "Letter"] = "A4"
    patient: Literal["none", "identifier"] = "none"
    """What names the patient on the page itself: nothing, or the identifier that the resource has too."""
    resources: Annotated[tuple[Literal["DiagnosticReport", "DocumentReference"], ...], Field(min_length=1)] = (
        "DiagnosticReport",
        "DocumentReference",
    )
    identifier_system: Uri = OUTCOME_SYSTEM
    """The same as in `outcomes_to_fhir`, so that the report finds the summary Observation."""
    subject: Literal["identifier", "source-identifier", "reference"] = "identifier"
    patient_system: Uri = PATIENT_SYSTEM
    patient_systems: Mapping[str, Uri] = Field(default_factory=dict)
    profiles: bool = True
    release: Literal["R4", "R5"] = "R4"
    provenance: Literal["contained", "none"] = "contained"

    @cached_property
    def form(self) -> Form:
        return Form(
            identifier_system=self.identifier_system,
            subject=self.subject,
            patient_system=self.patient_system,
            patient_systems=self.patient_systems,
            profiles=self.profiles,
            release=self.release,
            provenance=None if self.provenance == "none" else self.provenance,
        )


@sdk.stateful_step("agp_report", settings=AgpReportSettings, accepts={sdk.Shape.JSON}, emits=sdk.Shape.FHIR)
async def agp_report(
    message: sdk.Message, settings: AgpReportSettings, tx: sdk.Transaction
) -> Sequence[sdk.StepOutput]:
    """A page for each outcome of glucose over `days`, in one message for each resource; the others need none.

    What is drawn comes from the ledger's readings, and only if these are the very ones that the figures rest on: where
    they have changed since, a newer outcome is on its way, and its report says what is right. Raises InvalidMessage
    for a body that is no set of outcomes, and for outcomes made by other targets or another profile than here.
    """
    outputs: list[sdk.StepOutput] = []
    wanted = 0
    for number, each in enumerate(read_outcomes(message.body)):
        if each.subject != GLUCOSE or _days(each) != settings.days:
            continue
        wanted += 1
        pdf = await _pdf(message, each, number, settings, tx)
        if pdf is not None:
            outputs += _outputs(message, each, number, pdf, settings)
    if outputs:
        return outputs
    return [
        sdk.Drop("the readings have changed since: a newer report follows" if wanted else "no report is made of it")
    ]


def _days(outcome: IssuedOutcome) -> int:
    first, last = date.fromisoformat(outcome.period.first_day), date.fromisoformat(outcome.period.last_day)
    return (last - first).days + 1


async def _pdf(
    message: sdk.Message, outcome: IssuedOutcome, number: int, settings: AgpReportSettings, tx: sdk.Transaction
) -> bytes | None:
    """The page, or None if the readings are no longer those of the outcome."""
    profile = settings.glucose_profile
    if profile.digest != outcome.method.digest:
        raise sdk.InvalidMessage(
            "was made by other targets or another profile; write the same here as in the channel that computes it",
            code="method",
            path=f"outcomes[{number}].method",
        )
    method = Glucose(profile)
    window = days_ending(date.fromisoformat(outcome.period.last_day), settings.days, ZoneInfo(outcome.period.zone))
    given = await standing_readings(tx, message.tenant, order_key(outcome.patient), method, window)
    days = method.days(given, window)
    whole = merged(days, profile)
    if whole.digest != outcome.evidence:
        return None
    named = outcome.patient.id or outcome.patient.value if settings.patient == "identifier" else None
    page = report_of(outcome, days, whole, profile.targets, settings.unit, f"Patient {named}" if named else None)
    return agp_pdf(page, settings.paper)


def _outputs(
    message: sdk.Message, outcome: IssuedOutcome, number: int, pdf: bytes, settings: AgpReportSettings
) -> list[sdk.StepOutput]:
    try:
        resources = [_MADE[kind](outcome, pdf, settings.form) for kind in settings.resources]
    except FhirError as error:
        wrong = sdk.InvalidMessage(error.text, code=error.code, path=f"outcomes[{number}].{error.path}")
        return [sdk.Aside(wrong, encode_outcomes([outcome]), sdk.Shape.JSON)]
    return [_output(message, outcome, resource) for resource in resources]


def _output(message: sdk.Message, outcome: IssuedOutcome, resource: Mapping[str, object]) -> sdk.Message:
    named = resource["identifier"]
    assert isinstance(named, list)
    identifier = token(named[0]["system"], named[0]["value"])
    meta = {
        "resource_type": str(resource["resourceType"]),
        "identifier": identifier,
        sdk.REPLACES_EARLIER: "yes",
        "interaction": "create" if outcome.version == 1 else "update",
        "outcome": outcome.id,
    }
    return message.but(body=encode(resource), shape=sdk.Shape.FHIR, meta=meta, order_key=identifier)
