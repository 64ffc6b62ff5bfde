"""Outcomes as FHIR, held against the R4 models, the official R4 schema and the CGM guide's own summary profiles."""

from typing import Any

import jsonschema_rs
import orjson
import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model
from msgspec.structs import replace
from pydantic import ValidationError

from clinical.fhir.form import Form
from clinical.fhir.frame import encode
from clinical.fhir.outcomes import OUTCOME_SYSTEM, OutcomeForm, outcome_to_observations
from clinical.fhir.reports import diagnostic_report, document_reference
from clinical.issued import IssuedOutcome
from clinical.records import Device, Status
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from tests.contract.outcomes.support import OutcomeLedger, morning
from tests.integration.fhir.test_schema_and_profiles import GUIDE, SHARED, differential, matches, shared
from tests.unit.ledger.support import a_reading
from transformers.outcomes_to_fhir import OutcomesToFhirSettings, outcomes_to_fhir

FORMS = [
    OutcomeForm(),
    OutcomeForm(unit="mmol/L"),
    OutcomeForm(unit="both"),
    OutcomeForm(Form(identifier_system=OUTCOME_SYSTEM, release="R5", provenance="contained"), unit="both"),
    OutcomeForm(Form(identifier_system="https://stm.example/outcomes", profiles=False, device=None)),
]
SENSOR = Device(vendor="Dexcom", model="G7", serial="SN-1", udi="(01)00386270001234")


def every_version() -> list[IssuedOutcome]:
    """Partial, final, amended and entered in error; from one reading, too."""
    found = []
    with OutcomeLedger() as ledger:
        found += ledger.tell(replace(a_reading(150, id_="0/0", version="1"), device=SENSOR))
        found += ledger.tell(*morning(60, days=1), hours=25)
        found += ledger.tell(*[a_reading(260, seconds=600 + 300 * n, id_=f"late/{n}") for n in range(3)], hours=26)
        with OutcomeLedger() as other:
            found += other.tell(a_reading(150, id_="0/0", version="1"))
            found += other.tell(a_reading(150, id_="0/0", version="2", status=Status.ENTERED_IN_ERROR), hours=2)
    assert {each.status.value for each in found} == {"partial", "final", "amended", "entered-in-error"}
    return found


def written(outcome: IssuedOutcome, how: OutcomeForm) -> list[dict[str, Any]]:
    return [orjson.loads(encode(each)) for each in outcome_to_observations(outcome, how)]


Emitted = list[tuple[str, dict[str, Any]]]
"""Release and resource."""


@pytest.fixture(scope="module")
def everything() -> Emitted:
    versions = every_version()
    found: Emitted = [
        (how.form.release, each) for outcome in versions for how in FORMS for each in written(outcome, how)
    ]
    for how in FORMS:
        for outcome in versions:
            for make in (diagnostic_report, document_reference):
                found.append((how.form.release, orjson.loads(encode(make(outcome, b"%PDF-1.4", how.form)))))
    return found


def test_every_resource_satisfies_the_models_of_its_release(everything: Emitted) -> None:
    seen = set()
    for release, resource in everything:
        kind = resource["resourceType"]
        models = r4_model if release == "R4" else r5_model
        models(kind).model_validate(resource)
        seen |= {(release, kind), *((release, each["resourceType"]) for each in resource.get("contained", []))}
    kinds = ("Observation", "DiagnosticReport", "DocumentReference", "Device", "Provenance")
    assert seen == {(release, kind) for release in ("R4", "R5") for kind in kinds}


def test_the_models_of_r5_would_see_what_is_of_r4() -> None:
    with OutcomeLedger() as ledger:
        (found,) = ledger.tell(*morning())
    document = orjson.loads(encode(document_reference(found, b"%PDF-1.4", Form())))
    with pytest.raises(ValidationError, match="context"):
        r5_model("DocumentReference").model_validate(document)


def test_every_resource_of_r4_satisfies_the_official_schema(everything: Emitted) -> None:
    whole = shared(SHARED / "r4.schema.json")
    judges = {
        kind: jsonschema_rs.validator_for(
            {"$schema": whole["$schema"], "$ref": f"#/definitions/{kind}", "definitions": whole["definitions"]}
        )
        for kind in ("Observation", "DiagnosticReport", "DocumentReference")
    }
    in_r4 = [resource for release, resource in everything if release == "R4"]
    assert len(in_r4) > 50
    for resource in in_r4:
        judge = judges[resource["resourceType"]]
        assert [f"{error.instance_path}: {error.message}" for error in judge.iter_errors(resource)] == []


def breaches(resource: dict[str, Any], elements: dict[str, Any]) -> list[str]:
    """Which rules of a summary profile an Observation breaks: patterns, cardinalities, slices."""
    found = []
    components = resource.get("component", [])
    for id_, element in elements.items():
        parts = id_.split(".")[1:]
        if not parts or (":" in parts[0] and parts[0].startswith("hasMember")):
            continue
        name = parts[0].split(":")[0].replace("effective[x]", "effectivePeriod").replace("value[x]", "valueQuantity")
        held = resource.get(name)
        if parts[0].startswith("component:"):
            pattern = elements[f"Observation.{parts[0]}.code"]["patternCodeableConcept"]
            slices = [each for each in components if matches(each["code"], pattern)]
            if len(slices) != 1:
                found.append(f"{parts[0]} is there {len(slices)} times")
                continue
            held = slices[0] if len(parts) == 1 else slices[0].get(parts[1].replace("value[x]", "valueQuantity"))
        elif len(parts) == 2:
            held = (held or {}).get(parts[1])
        count = len(held) if isinstance(held, list) else int(held is not None)
        if count < element.get("min", 0):
            found.append(f"{id_}: {count}")
        for kind in ("patternCodeableConcept", "patternQuantity"):
            if kind in element and held is not None and not matches(held, element[kind]):
                found.append(f"{id_} does not match")
    return found


def pdf_breaches(report: dict[str, Any], elements: dict[str, Any]) -> list[str]:
    """Which rules of the guide's PDF profile a DiagnosticReport breaks."""
    form = "DiagnosticReport.presentedForm:cgmSummaryPDF"
    found = [] if matches(report["code"], elements["DiagnosticReport.code"]["patternCodeableConcept"]) else ["code"]
    found += [name for name in ("subject", "effectivePeriod") if name not in report]
    found += [f"effectivePeriod.{name}" for name in ("start", "end") if name not in report.get("effectivePeriod", {})]
    wanted = elements[f"{form}.contentType"]["patternCode"]
    pages = [each for each in report.get("presentedForm", []) if each.get("contentType") == wanted]
    if len(pages) < elements[form]["min"] or any(not each.get("data") for each in pages):
        found.append("presentedForm")
    return found


def test_every_resource_satisfies_the_profile_that_it_claims(everything: Emitted) -> None:
    claimed: dict[str, int] = {}
    for _, resource in everything:
        for url in resource.get("meta", {}).get("profile", []):
            name = url.rsplit("/", 1)[1]
            claimed[name] = claimed.get(name, 0) + 1
            assert shared(GUIDE / f"StructureDefinition-{name}.json")["url"] == url
            rules = pdf_breaches if name == "cgm-summary-pdf" else breaches
            assert rules(resource, differential(name)) == []
    assert len(claimed) == 9, claimed


def test_the_guides_examples_satisfy_it_and_broken_ones_do_not() -> None:
    example = shared(GUIDE / "Observation-cgmSummaryTimesInRangesExample.json")
    elements = differential("cgm-summary-times-in-ranges")
    assert breaches(example, elements) == []
    assert breaches({**example, "component": example["component"][:4]}, elements)
    assert breaches({**example, "effectivePeriod": {"start": "2024-05-01"}}, elements)
    summary = shared(GUIDE / "Observation-cgmSummaryExample.json")
    assert breaches({**summary, "hasMember": summary["hasMember"][:5]}, differential("cgm-summary"))
    report, rules = shared(GUIDE / "DiagnosticReport-cgmSummaryPDFExample.json"), differential("cgm-summary-pdf")
    assert pdf_breaches(report, rules) == []
    assert pdf_breaches({**report, "presentedForm": [{"contentType": "text/html", "data": "PA=="}]}, rules)
    assert pdf_breaches({**report, "effectivePeriod": {"start": "2024-05-01"}}, rules)


def test_the_summary_names_its_members_and_says_what_it_revises() -> None:
    with OutcomeLedger() as ledger:
        (first,) = ledger.tell(*morning())
        (second,) = ledger.tell(a_reading(300, seconds=1800), hours=2)
    *members, panel = written(second, OutcomeForm())
    known = [each["identifier"][0] for each in members]
    assert len(panel["hasMember"]) == 6
    assert all(each["identifier"] in known for each in panel["hasMember"])
    assert panel["effectivePeriod"] == {"start": "2026-11-20T00:00:00+00:00", "end": "2026-11-20T23:59:59+00:00"}
    (provenance,) = [each for each in panel["contained"] if each["resourceType"] == "Provenance"]
    roles = {each["role"]: each["what"]["identifier"]["value"] for each in provenance["entity"]}
    assert roles["revision"] == first.id
    assert "warm-up" in panel["method"]["text"]
    ranges = next(each for each in members if each["code"]["coding"][0]["code"] == "106793-3")
    assert [each["valueQuantity"]["value"] for each in ranges["component"]] == [0.0, 0.0, 85.71, 0.0, 14.29, 85.71]
    assert [each["extension"][0]["valueDecimal"] for each in ranges["component"]] == [0, 0, 1800, 0, 300, 1800]


def test_an_observation_says_what_its_shares_are_of_and_why_the_rest_is_not_counted() -> None:
    with OutcomeLedger() as ledger:
        (found,) = ledger.tell(*morning(), a_reading(2000, seconds=7200), hours=4)
    ranges = next(each for each in written(found, OutcomeForm()) if "component" in each)
    (lineage,) = (each["extension"] for each in ranges["extension"])
    said = {each["url"]: each.get("valueDecimal", each.get("valueInteger")) for each in lineage}
    assert (said["window"], said["measured"], said["covered"]) == (14 * 3600, 1800, 1800)
    assert said["excluded-implausible"] == 300
    assert said["window"] == said["covered"] + sum(n for name, n in said.items() if name.startswith("excluded-"))
    assert said["dropped-implausible"] == 1


def test_a_first_version_is_created_and_a_later_one_updates_the_same_resource() -> None:
    from clinical.issued import encode as encode_outcomes

    with OutcomeLedger() as ledger:
        versions = [ledger.tell(*morning()), ledger.tell(a_reading(300, seconds=1800), hours=2)]
    outputs = [
        outcomes_to_fhir(a_message(encode_outcomes(each), Shape.JSON), OutcomesToFhirSettings()) for each in versions
    ]
    first, second = ([each.meta for each in some if isinstance(each, Message)] for some in outputs)
    assert {each["interaction"] for each in first} == {"create"}
    assert {each["interaction"] for each in second} == {"update"}
    assert [each["identifier"] for each in first] == [each["identifier"] for each in second]
