"""The status table, row by row, and what a server's words may become."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.fhir.answers import Reply, judge, location_of
from connectors.fhir.outcome import read_outcome
from connectors.fhir.write import Write
from engine import sdk

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
CREATE = Write("Observation", "create", b"{}", "urn:islet:reading", "r-1")
UPDATE = Write("Observation", "update", b"{}", "urn:islet:reading", "r-1")


def outcome(code: str = "processing", severity: str = "error", **more: Any) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, **more}]}


ROWS = [
    (301, sdk.Unavailable),
    (307, sdk.Unavailable),
    (400, sdk.Refused),
    (401, sdk.NeedsOperator),
    (403, sdk.NotPermitted),
    (404, sdk.Refused),
    (405, sdk.Refused),
    (406, sdk.Refused),
    (408, sdk.Unavailable),
    (409, sdk.Unavailable),
    (410, sdk.Refused),
    (412, sdk.Refused),
    (413, sdk.Refused),
    (415, sdk.Refused),
    (422, sdk.Refused),
    (423, sdk.Unavailable),
    (425, sdk.Unavailable),
    (429, sdk.Throttled),
    (451, sdk.Refused),
    (500, sdk.Unavailable),
    (501, sdk.Refused),
    (502, sdk.Unavailable),
    (503, sdk.Unavailable),
    (504, sdk.Unavailable),
    (505, sdk.Refused),
    (599, sdk.Unavailable),
]


@pytest.mark.parametrize(("status", "word"), ROWS)
@pytest.mark.parametrize("write", [CREATE, UPDATE], ids=["create", "update"])
def test_each_status_has_its_error_word(status: int, word: type[sdk.EngineError], write: Write) -> None:
    result = judge(write, Reply(status, resource=outcome()), NOW)
    assert type(result) is word
    assert str(status) in result.text


@pytest.mark.parametrize(("status", "existing"), [(200, True), (201, False), (202, False), (204, False)])
def test_success_to_a_create_says_whether_it_was_there_already(status: int, existing: bool) -> None:
    result = judge(CREATE, Reply(status, "http://h/fhir/Observation/7/_history/1"), NOW)
    assert result == sdk.Answer(str(status), "Observation/7/_history/1", existing)


def test_success_to_an_update_is_always_a_change() -> None:
    assert judge(UPDATE, Reply(200, "Observation/7/_history/2"), NOW) == sdk.Answer("200", "Observation/7/_history/2")


def test_accepted_without_a_location_is_a_success() -> None:
    assert judge(CREATE, Reply(202), NOW) == sdk.Answer("202")


def test_the_body_names_the_resource_where_no_header_does() -> None:
    said = {"resourceType": "Observation", "id": "abc"}
    assert judge(CREATE, Reply(201, resource=said), NOW) == sdk.Answer("201", "Observation/abc")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, raw="<html>Please sign in</html>"),
        Reply(201, resource={"resourceType": "Patient", "id": "1"}),
        Reply(200, resource=outcome(severity="fatal")),
    ],
)
def test_a_success_that_contradicts_itself_is_none(reply: Reply) -> None:
    result = judge(CREATE, reply, NOW)
    assert isinstance(result, sdk.Unavailable)
    assert result.code == "unclear-answer"


def test_a_success_with_a_warning_is_one() -> None:
    assert isinstance(judge(CREATE, Reply(201, resource=outcome(severity="warning")), NOW), sdk.Answer)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7),
        (429, "Fri, 20 Nov 2026 10:15:30 GMT", 30),
        (429, "Fri, 20 Nov 2026 10:00:00 GMT", 0),
        (429, None, 30),
        (429, "soon", 30),
        (503, "120", 120),
    ],
)
def test_a_throttled_server_names_its_time(status: int, header: str | None, seconds: float) -> None:
    result = judge(CREATE, Reply(status, retry_after=header), NOW)
    assert isinstance(result, sdk.Throttled)
    assert result.after_seconds == seconds


def test_several_matches_say_what_to_do() -> None:
    result = judge(CREATE, Reply(412), NOW)
    assert isinstance(result, sdk.Refused)
    assert result.code == "several-matches"
    assert "remove all but one" in result.text


def test_a_refusal_tells_issue_types_and_path_and_keeps_the_rest_for_the_journal() -> None:
    said = outcome(
        "required",
        diagnostics="CANARY Jane Doe has no status",
        expression=["Observation.status"],
        details={
            "text": "CANARY details",
            "coding": [{"system": "urn:x", "code": "CANARY", "display": "CANARY shown"}],
        },
    )
    result = judge(CREATE, Reply(422, resource=said), NOW)
    assert isinstance(result, sdk.Refused)
    assert (result.code, result.path) == ("http-422", "Observation.status")
    assert result.text.startswith("the server answered 422 to the Observation: required at Observation.status")
    assert "CANARY" not in f"{result} {result!r}"
    assert result.detail == "CANARY Jane Doe has no status\nCANARY details\nCANARY shown"


@pytest.mark.parametrize(
    "issue",
    [
        {"code": "CANARY"},
        {"code": "invalid", "expression": ["Observation.identifier.where(value='CANARY')"]},
        {"code": "invalid", "location": ["CANARY", "CANARY.status", "ObservationCANARY"]},
        {"code": ["CANARY"], "expression": {"CANARY": 1}, "details": "CANARY"},
        {"code": "invalid", "details": {"coding": [{"system": "urn:oid:1.2.840.114350.1", "code": "CANARY"}]}},
        {"code": "invalid", "details": {"coding": ["CANARY", {"system": 1, "code": 2}]}},
    ],
)
def test_words_of_a_server_that_could_hold_a_patients_data_are_not_repeated(issue: dict[str, Any]) -> None:
    said = {"resourceType": "OperationOutcome", "issue": [issue]}
    assert "CANARY" not in str(judge(CREATE, Reply(400, resource=said), NOW))


def test_rules_that_are_known_by_number_are_told() -> None:
    epic = {"system": "urn:oid:1.2.840.114350.1.13.1.7.2.657369", "code": "59188"}
    hl7 = {"system": "http://terminology.hl7.org/CodeSystem/operation-outcome", "code": "MSG_PARAM_INVALID"}
    said = read_outcome("Observation", outcome("business-rule", details={"coding": [epic, hl7]}))
    assert said.words == ("business-rule", "59188", "MSG_PARAM_INVALID")


@pytest.mark.parametrize("resource", [None, {"resourceType": "OperationOutcome"}, {"resourceType": "Patient"}])
def test_without_an_outcome_the_beginning_of_the_answer_is_kept(resource: dict[str, Any] | None) -> None:
    said = read_outcome("Observation", resource, "x" * 9000)
    assert said.detail == "x" * 4096
    assert said.words == ()
    assert read_outcome("Observation", {}).detail is None


@pytest.mark.parametrize(
    ("header", "location"),
    [
        ("https://h/r4/Observation/1/_history/2", "Observation/1/_history/2"),
        ("Observation/a-b.C", "Observation/a-b.C"),
        ("/fhir/Observation/1/", "Observation/1"),
        ("https://h/r4/Observation?identifier=CANARY", None),
        ("CANARY", None),
        ("", None),
        (None, None),
    ],
)
def test_a_location_is_type_id_and_version_or_nothing(header: str | None, location: str | None) -> None:
    assert location_of(header) == location
