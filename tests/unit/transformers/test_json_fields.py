"""Conditions over JSON and FHIR."""

import pytest

from engine import sdk
from engine.testing.builders import a_message
from transformers.fields import JsonFields, fields

BODY = b"""{"user": {"id": "u1", "age": 42, "weight": 70.50, "active": true, "gone": null, "note": ""},
 "records": [{"value": {"unit": "mg/dL", "n": 182}}, {"value": {"unit": "mmol/L", "n": 10.1}}, {"other": 1}],
 "tags": [["a", "b"], ["c"]]}"""


def message(body: bytes = BODY) -> sdk.Message:
    return a_message(body, sdk.Shape.JSON)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("user.id", ["u1"]),
        ("user.age", ["42"]),
        ("user.weight", ["70.50"]),
        ("user.active", ["true"]),
        ("user.gone", []),
        ("user.note", [""]),
        ("user.nothing", []),
        ("user.id.deeper", []),
        ("records[].value.unit", ["mg/dL", "mmol/L"]),
        ("records[].value.n", ["182", "10.1"]),
        ("records[0].value.unit", ["mg/dL"]),
        ("records[1].value.unit", ["mmol/L"]),
        ("records[9].value.unit", []),
        ("records.value", []),
        ("user[].id", []),
        ("tags[][]", ["a", "b", "c"]),
        ("tags[1][0]", ["c"]),
        ("records[0].value", ['{"unit":"mg/dL","n":182}']),
    ],
)
def test_a_path_gives_every_value_as_text(path: str, values: list[str]) -> None:
    reader = JsonFields()
    assert reader.check(path) is None
    assert reader.values(message(), path) == values


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[", "a[x]", "[0]", "a[-1]", "a]"])
def test_a_path_that_is_none_is_refused_with_examples(path: str) -> None:
    wrong = JsonFields().check(path)
    assert wrong is not None
    assert "records[].unit" in wrong


def test_a_body_that_is_no_json_is_an_invalid_message_that_quotes_nothing() -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        JsonFields().values(message(b'{"name": "CANARY'), "name")
    assert caught.value.code == "not-json"
    assert "CANARY" not in str(caught.value)


def test_one_reader_keeps_messages_apart() -> None:
    reader = JsonFields()
    first, second = message(b'{"a": 1}'), message(b'{"a": 2}')
    assert [reader.values(one, "a") for one in (first, second, first, second)] == [["1"], ["2"], ["1"], ["2"]]


def test_it_is_the_reader_of_json_and_fhir() -> None:
    assert fields.accepts == {sdk.Shape.JSON, sdk.Shape.FHIR}
