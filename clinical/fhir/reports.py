"""An AGP report as FHIR: DiagnosticReport after the CGM guide's `cgm-summary-pdf`, and DocumentReference, for servers
that take only one of them. Identifiers name the window, so that an amended report updates what is there."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clinical.fhir.form import Form, subject_of
from clinical.fhir.outcomes import GUIDE, STATUS, lineage_of, period_of
from clinical.fhir.provenance import outcome_provenance
from clinical.fhir.terms import LOINC, concept
from clinical.fhir.times import instant_text
from clinical.issued import IssuedOutcome, OutcomeStatus

_CODE: Final = concept(LOINC, "107931-8", "Continuous glucose monitoring summary panel - Reporting Period")
_SECTIONS: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"


def diagnostic_report(outcome: IssuedOutcome, pdf: bytes, form: Form) -> dict[str, Any]:
    """The report that refers to the summary Observation of the same window by its identifier, the PDF in it. Raises
    FhirError if the patient cannot be named as the form wants."""
    made = _frame("DiagnosticReport", outcome, form, "agp-report")
    if form.profiles:
        made["meta"] = {"profile": [f"{GUIDE}-pdf"]}
    made["status"] = STATUS[outcome.status]
    made["category"] = [concept(_SECTIONS, "LAB", "Laboratory")]
    made["code"] = _CODE
    made["subject"] = subject_of(outcome.patient, form)
    made["effectivePeriod"] = period_of(outcome)
    made["issued"] = _issued(outcome)
    summary = {"system": form.identifier_system, "value": f"{outcome.series}-summary"}
    made["result"] = [{"type": "Observation", "identifier": summary}]
    made["presentedForm"] = [_attachment(outcome, pdf)]
    return made


def document_reference(outcome: IssuedOutcome, pdf: bytes, form: Form) -> dict[str, Any]:
    """The PDF as a document, which refers to the DiagnosticReport of the same window. Raises FhirError likewise."""
    made = _frame("DocumentReference", outcome, form, "agp-document")
    withdrawn = outcome.status is OutcomeStatus.ENTERED_IN_ERROR
    made["status"] = "entered-in-error" if withdrawn else "current"
    made["docStatus"] = STATUS[outcome.status]
    made["type"] = _CODE
    made["subject"] = subject_of(outcome.patient, form)
    made["date"] = _issued(outcome)
    made["description"] = _title(outcome)
    made["content"] = [{"attachment": _attachment(outcome, pdf)}]
    if form.release == "R5":  # which has no place for what a document is related to
        made["period"] = period_of(outcome)
    else:
        report = {"system": form.identifier_system, "value": f"{outcome.series}-agp-report"}
        related = {"type": "DiagnosticReport", "identifier": report}
        made["context"] = {"period": period_of(outcome), "related": [related]}
    return made


def _frame(kind: str, outcome: IssuedOutcome, form: Form, name: str) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": kind}
    if form.provenance is not None:
        made["contained"] = [outcome_provenance(outcome)]
    made["extension"] = [lineage_of(outcome)]
    made["identifier"] = [{"system": form.identifier_system, "value": f"{outcome.series}-{name}"}]
    return made


def _attachment(outcome: IssuedOutcome, pdf: bytes) -> dict[str, Any]:
    return {
        "contentType": "application/pdf",
        "language": "en",
        "data": base64.b64encode(pdf).decode("ascii"),
        "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode("ascii"),  # as FHIR has it
        "title": _title(outcome),
        "creation": _issued(outcome),
    }


def _title(outcome: IssuedOutcome) -> str:
    return f"AGP report, {outcome.period.first_day} to {outcome.period.last_day}"


def _issued(outcome: IssuedOutcome) -> str:
    return instant_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=outcome.at_millis))
