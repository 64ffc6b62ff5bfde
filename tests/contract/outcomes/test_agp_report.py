"""The step `agp_report` over a ledger: which outcomes become a page, and when none is made."""

import asyncio
import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import orjson
import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from clinical.issued import IssuedOutcome, encode
from clinical.records import PatientRef
from engine import sdk
from engine.model.message import Message, Shape
from engine.testing.builders import a_message
from tests.contract.outcomes.support import DAY, OutcomeLedger
from tests.unit.ledger.support import a_reading
from transformers.agp_report import AgpReportSettings, agp_report

YESTERDAY = [a_reading(120 + n, seconds=-DAY + 300 * n, id_=f"y/{n}", version="1") for n in range(24)]


def the_ledger(**settings: Any) -> OutcomeLedger:
    return OutcomeLedger(windows=[1, 14], **settings)


def reports(ledger: OutcomeLedger, outcomes: Sequence[IssuedOutcome], **settings: Any) -> list[sdk.StepOutput]:
    wanted = AgpReportSettings.model_validate(settings)
    return list(asyncio.run(agp_report(a_message(encode(outcomes), Shape.JSON), wanted, ledger.tx)))


def resources(outputs: Sequence[sdk.StepOutput]) -> list[dict[str, Any]]:
    return [orjson.loads(each.body) for each in outputs if isinstance(each, Message)]


def text_of(resource: dict[str, Any]) -> str:
    (form,) = resource.get("presentedForm") or [each["attachment"] for each in resource["content"]]
    return PdfReader(BytesIO(base64.b64decode(form["data"]))).pages[0].extract_text()


def test_the_two_weeks_window_becomes_a_report_and_a_document() -> None:
    with the_ledger() as ledger:
        issued = ledger.tell(*YESTERDAY)
        outputs = reports(ledger, issued)
    report, document = resources(outputs)
    assert [each.meta["interaction"] for each in outputs if isinstance(each, Message)] == ["create", "create"]
    window = next(each for each in issued if each.period.name == "14d")
    assert report["result"][0]["identifier"]["value"] == f"{window.series}-summary"
    assert document["context"]["related"][0]["identifier"] == report["identifier"][0]
    assert "24 readings" in text_of(report)
    assert document["content"][0]["attachment"] == report["presentedForm"][0]


def test_late_data_make_an_amended_report_that_updates_the_first() -> None:
    with the_ledger() as ledger:
        first = reports(ledger, ledger.tell(*YESTERDAY), unit="mmol/L")
        later = ledger.tell(a_reading(60, seconds=-DAY + 9000, id_="late"), hours=3)
        second = reports(ledger, later, unit="mmol/L")
    (was, _), (now, _) = resources(first), resources(second)
    assert now["identifier"] == was["identifier"]
    assert (was["status"], now["status"]) == ("final", "amended")
    assert [each.meta["interaction"] for each in second if isinstance(each, Message)] == ["update", "update"]
    assert "Amended: replaces an earlier report of this period" in text_of(now)


def test_no_page_is_drawn_of_readings_that_the_figures_do_not_rest_on() -> None:
    with the_ledger() as ledger:
        old = ledger.tell(*YESTERDAY)
        ledger.tell(a_reading(60, seconds=-DAY + 9000, id_="late"), hours=3)
        (dropped,) = reports(ledger, old)
    assert isinstance(dropped, sdk.Drop)
    assert "newer report" in dropped.reason


def test_outcomes_of_other_lengths_have_no_page() -> None:
    with the_ledger() as ledger:
        (only,) = reports(ledger, ledger.tell(*YESTERDAY), days=30)
    assert isinstance(only, sdk.Drop)


def test_other_targets_than_those_of_the_outcome_are_refused_with_what_to_write() -> None:
    with the_ledger(targets="older-or-high-risk") as ledger:
        issued = ledger.tell(*YESTERDAY)
        with pytest.raises(sdk.InvalidMessage, match="write the same here"):
            reports(ledger, issued)
        assert len(reports(ledger, issued, targets="older-or-high-risk")) == 2


def test_a_site_may_take_one_of_the_resources_and_a_named_page() -> None:
    with the_ledger() as ledger:
        issued = ledger.tell(*YESTERDAY)
        (only,) = resources(reports(ledger, issued, resources=["DocumentReference"], patient="identifier"))
    assert only["resourceType"] == "DocumentReference"
    assert "Patient p1" in text_of(only)


def test_a_patient_who_cannot_be_named_as_the_site_wants_is_set_aside() -> None:
    stranger = PatientRef(system="test", value="p 1", id=None)
    with the_ledger() as ledger:
        issued = ledger.tell(*(replace(each, patient=stranger) for each in YESTERDAY))
        outputs = reports(ledger, issued, subject="reference")
    assert [type(each) for each in outputs] == [sdk.Aside]
