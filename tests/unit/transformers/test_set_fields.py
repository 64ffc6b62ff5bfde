import json
from typing import Any

import pytest
from pydantic import ValidationError

from clinical.hl7v2 import parse
from engine import sdk
from engine.testing.builders import a_message
from tests.unit.hl7v2.messages import obx, oru
from transformers.set_fields import SetFieldsSettings, set_fields


def settings(**values: Any) -> SetFieldsSettings:
    return SetFieldsSettings.model_validate({"set": values})


def hl7(raw: bytes, values: dict[str, Any]) -> sdk.Message:
    made = set_fields(a_message(raw, sdk.Shape.HL7V2), settings(**values))
    assert isinstance(made, sdk.Message)
    return made


def js(document: object, values: dict[str, Any]) -> Any:
    return json.loads(set_fields(a_message(json.dumps(document).encode(), sdk.Shape.JSON), settings(**values)).body)


def test_fixed_values_are_written_and_all_else_keeps_its_bytes() -> None:
    raw = oru(obx(1), obx(2)) + b'ZZZ|odd \\Q\\ |""||\r'
    made = parse(hl7(raw, {"PID-3.4": "STM & co", "OBX-6": "mmol/L"}).body)
    assert made.get("PID-3.4") == "STM & co"
    assert made.values("OBX-6") == ["mmol/L", "mmol/L"]
    assert made.raw.endswith(b'ZZZ|odd \\Q\\ |""||\r')


def test_values_are_copied_with_their_parts_as_they_were_before_any_was_written() -> None:
    made = parse(hl7(oru(), {"MSH-5": {"from": "MSH-3"}, "MSH-3": {"from": "MSH-5"}, "PID-2": {"from": "PID-3"}}).body)
    assert (made.get("MSH-3"), made.get("MSH-5")) == ("ISLET", "GLU")
    assert made.get("PID-2.4") == "STM"


def test_numbers_are_written_as_text_and_a_deletion_as_it_is() -> None:
    made = parse(hl7(oru(), {"OBX-4": 7, "PID-5": '""'}).body)
    assert (made.get("OBX-4"), made.get("PID-5")) == ("7", '""')


def test_a_missing_source_holds_the_message_unless_the_setting_says_otherwise() -> None:
    with pytest.raises(sdk.InvalidMessage) as raised:
        hl7(oru(), {"PID-3.4": {"from": "PV1-19"}})
    assert (raised.value.code, raised.value.path) == ("value-missing", "PV1-19")
    left = hl7(oru(), {"PID-3.4": {"from": "PV1-19", "if_missing": "leave"}})
    assert left.body == oru()
    emptied = hl7(oru(), {"PID-3.4": {"from": "PV1-19", "if_missing": "empty"}})
    assert parse(emptied.body).get("PID-3.4") == ""


def test_a_segment_that_is_not_there_holds_the_message_with_the_path() -> None:
    with pytest.raises(sdk.InvalidMessage) as raised:
        hl7(oru(), {"PV1-2": "I"})
    assert (raised.value.code, raised.value.path) == ("no-segment", "PV1-2")


def test_a_body_that_is_no_message_is_refused() -> None:
    with pytest.raises(sdk.InvalidMessage):
        hl7(b"nothing", {"PV1-2": "I"})
    with pytest.raises(sdk.InvalidMessage) as raised:
        set_fields(a_message(b"{cut", sdk.Shape.JSON), settings(a="b"))
    assert raised.value.code == "not-json"


def test_json_fields_are_written_and_made_on_the_way() -> None:
    document = {"user": {"id": "u1"}, "records": [{"unit": "a"}, {"unit": "b"}]}
    made = js(document, {"user.kind": "patient", "records[].unit": "mg/dL", "records[1].n": 2, "meta.source.ok": True})
    assert made == {
        "user": {"id": "u1", "kind": "patient"},
        "records": [{"unit": "mg/dL"}, {"unit": "mg/dL", "n": 2}],
        "meta": {"source": {"ok": True}},
    }


def test_json_values_are_copied_with_their_type_and_digits_stay() -> None:
    message = a_message(b'{"a": {"v": 5.40, "big": 12345678901234567890}, "l": [1, 2]}', sdk.Shape.JSON)
    made = set_fields(
        message, settings(b={"from": "a"}, first={"from": "l[0]"}, m={"from": "no.way", "if_missing": "empty"})
    )
    assert b'"v":5.40' in made.body.replace(b" ", b"")
    assert b'"big":12345678901234567890' in made.body
    assert json.loads(made.body)["first"] == 1
    assert json.loads(made.body)["m"] is None


@pytest.mark.parametrize(
    ("document", "path", "code"),
    [({"a": 1}, "a.b", "not-an-object"), ({"a": {}}, "a[0]", "not-a-list"), ([1], "a", "not-an-object")],
)
def test_what_stands_in_the_way_holds_the_message(document: object, path: str, code: str) -> None:
    with pytest.raises(sdk.InvalidMessage) as raised:
        js(document, {path: "x"})
    assert (raised.value.code, raised.value.path) == (code, path)


def test_an_element_that_is_not_there_is_not_made_and_nothing_changes() -> None:
    message = a_message(b'{ "l": [] }', sdk.Shape.JSON)
    assert set_fields(message, SetFieldsSettings.model_validate({"set": {"l[3]": "x"}})) is message


@pytest.mark.parametrize(
    "bad",
    [{}, {"": "x"}, {"a..b": "x"}, {"a[": "x"}, {"a": {"from": "b", "when": 1}}, {"a": {"from": "[]"}}, {"a": ["x"]}],
)
def test_settings_that_say_nothing_sensible_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SetFieldsSettings.model_validate({"set": bad})
