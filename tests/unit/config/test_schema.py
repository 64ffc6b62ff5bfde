"""JSON Schema for editors: takes what the loader takes, refuses what it refuses."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from engine.config.problems import Report
from engine.config.schema import channel_schema, routes_schema, types_in
from engine.config.tree import parse, plain
from engine.plugins.plugin import PluginKind
from engine.plugins.registry import Registry
from tests.unit.config.test_loader import FULL
from tests.unit.config.world import ORU_IN, RECONCILE, ROUTES, a_registry, changed


def document(text: str) -> Any:
    report = Report()
    node = parse(text, Path("x.yaml"), report)
    assert node is not None
    assert report.sorted() == ()
    return plain(node)


@pytest.fixture(scope="module")
def channel() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(channel_schema(a_registry()))


@pytest.fixture(scope="module")
def routes() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(routes_schema())


def test_both_are_json_schema() -> None:
    for schema in (channel_schema(a_registry()), routes_schema()):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema_rs.meta.validate(schema)


EXPRESSION = """{expression: "a == 'x'", with: {a: OBX-5, b: {all: OBX-3}}}"""


@pytest.mark.parametrize(
    "text",
    [
        ORU_IN,
        RECONCILE,
        FULL,
        changed(ORU_IN, "port: 2575", 'port: "${env:PORT}"'),
        changed(ORU_IN, "{field: OBX-11, in: [F, C]}", EXPRESSION),
        changed(ORU_IN, "{field: OBX-11, in: [F, C]}", "{field: OBX-5, between: [3.9, 10.0]}"),
        changed(ORU_IN, "{field: OBX-11, in: [F, C]}", "{field: OBX-5, exists: false}"),
        changed(RECONCILE, "/r4", "/r4\n    headers: {X-A: b, X-C: {secret: x}}"),
    ],
)
def test_a_good_channel_is_good(channel: jsonschema_rs.Draft202012Validator, text: str) -> None:
    assert [error.message for error in channel.iter_errors(document(text))] == []


@pytest.mark.parametrize(
    ("base", "old", "new"),
    [
        (ORU_IN, "port: 2575", "prot: 2575"),
        (ORU_IN, "port: 2575", "port: 99999"),
        (ORU_IN, "port: 2575", "port: text"),
        (ORU_IN, "type: mllp_listener", "type: kafka"),
        (ORU_IN, "type: mllp_listener", "type: dexcom"),
        (ORU_IN, "when_it_fails: hold", "when_it_fails: hld"),
        (ORU_IN, "when_it_fails: hold", "qwertz: 1"),
        (ORU_IN, "channel: oru-in\n", ""),
        (ORU_IN, "channel: oru-in", "channel: ORU In"),
        (ORU_IN, "timezone: site", "timezne: site"),
        (ORU_IN, "type: oru_to_records", "type: fhir_server"),
        (ORU_IN, "{field: OBX-11, in: [F, C]}", "{field: OBX-11}"),
        (ORU_IN, "{field: OBX-11, in: [F, C]}", "{field: OBX-11, is: F, in: [C]}"),
        (ORU_IN, "{field: OBX-11, in: [F, C]}", "{field: OBX-11, in: F}"),
        (ORU_IN, "{field: OBX-11, in: [F, C]}", "{field: OBX-11, exists: 'yes'}"),
        (ORU_IN, "{field: OBX-11, in: [F, C]}", "{type: only_codes}"),
        (ORU_IN, "{field: OBX-11, in: [F, C]}", "{expression: 5}"),
        (RECONCILE, "name: ehr\n    ", ""),
        (RECONCILE, "shape: records", "shape: reading"),
        (RECONCILE, "/r4", "/r4\n    retry: {attempts: 0}"),
        (RECONCILE, "/r4", "/r4\n    retry: {first_wait: 5}"),
        (RECONCILE, "/r4", "/r4\n    bearer: written-out"),
    ],
)
def test_a_mistake_is_underlined(channel: jsonschema_rs.Draft202012Validator, base: str, old: str, new: str) -> None:
    assert not channel.is_valid(document(changed(base, old, new)))


def test_one_mistake_is_one_underline(channel: jsonschema_rs.Draft202012Validator) -> None:
    errors = list(channel.iter_errors(document(changed(ORU_IN, "port: 2575", "port: text"))))
    assert [list(error.instance_path) for error in errors] == [["source", "port"]]


def test_the_editor_is_offered_every_type_with_what_it_is() -> None:
    schema = channel_schema(a_registry())
    assert list(types_in(schema, "source")) == ["channel", "csv_reader", "dexcom", "http_listener", "mllp_listener"]
    assert "oru_to_records" in list(types_in(schema, "transform"))
    told = schema["$defs"]["transform.oru_to_records"]["properties"]["type"]
    assert told == {"const": "oru_to_records", "description": "ORU^R01 to records."}
    port = schema["$defs"]["source.mllp_listener"]["properties"]["port"]
    assert port["description"].startswith("TCP port of the listener")


def test_good_routes_are_good(routes: jsonschema_rs.Draft202012Validator) -> None:
    assert [error.message for error in routes.iter_errors(document(ROUTES))] == []
    assert routes.is_valid({})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[reconcile]", "reconcile"),
        ("[reconcile]", "[5]"),
        ("routes:", "rotes:"),
        ("timezone: Europe/Dublin\n    ", ""),
        ("write_back: partial", "write_back: some"),
        ("write_back: partial", "write_back: partial\n    region: eu"),
        ("at_most: 4 per day", "at_most: 4"),
        ("{by: hl7v2", "{via: hl7v2"),
    ],
)
def test_a_mistake_in_routes_is_underlined(routes: jsonschema_rs.Draft202012Validator, old: str, new: str) -> None:
    assert not routes.is_valid(document(changed(ROUTES, old, new)))


def test_where_no_plugin_is_installed_no_type_can_be_named() -> None:
    without = [plugin for plugin in a_registry() if plugin.kind is not PluginKind.FILTER]
    schema = channel_schema(Registry(without))
    jsonschema_rs.meta.validate(schema)
    channel = jsonschema_rs.Draft202012Validator(schema)
    assert channel.is_valid(document(ORU_IN))
    by_type = changed(ORU_IN, "{field: OBX-11, in: [F, C]}", "{type: only_codes, codes: [F]}")
    assert not channel.is_valid(document(by_type))
