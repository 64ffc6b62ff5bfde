"""JSON Schema of channel files and of routes.yaml, for editors (completion, and underlining while one types).

`islet check` does not use it: its own messages are better. A plugin's settings are chosen by `type` with if/then,
which editors explain better than a choice among all of them.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import BaseModel

from engine.config.conditions import EXAMPLE, OPERATORS
from engine.config.documents import ChannelKeys, ChannelSource, DestinationKeys, RoutesKeys
from engine.config.examples import LenientSchema
from engine.plugins.plugin import Plugin
from engine.plugins.registry import Registry

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PUT_IN: Final = r"^\$\{(site\.|env:)[^}]+\}$"
_PLACES: Final = {"source": "source", "filter": "filter", "transform": "transform", "destinations": "destination"}


def channel_schema(registry: Registry) -> Schema:
    """What a channel file may say, with the settings of every plugin in the registry."""
    definitions: Schema = {}
    schema = _model(ChannelKeys, "channel", definitions)
    properties = schema["properties"]
    channel_source = {"channel": _model(ChannelSource, "source.channel", definitions)}
    properties["source"] = _described(
        properties["source"], _block("source", registry, definitions, more=channel_source)
    )
    properties["filter"] = _described(properties["filter"], _filter(registry, definitions))
    steps = {"type": "array", "items": _block("transform", registry, definitions)}
    properties["transform"] = _described(properties["transform"], steps)
    destination = _block("destination", registry, definitions, around=DestinationKeys)
    properties["destinations"] = _described(properties["destinations"], {"type": "array", "items": destination})
    return {"$schema": _DIALECT, "title": "An Islet channel", **_open_to_references(schema), "$defs": definitions}


def routes_schema() -> Schema:
    """What routes.yaml may say."""
    definitions: Schema = {}
    schema = _model(RoutesKeys, "routes", definitions)
    return {
        "$schema": _DIALECT,
        "title": "Islet's routes and sites",
        **_open_to_references(schema),
        "$defs": definitions,
    }


def _described(property_: Schema, schema: Schema) -> Schema:
    return {"description": property_.get("description", ""), **schema}


def _model(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """A model's schema; what it refers to goes into the common definitions under a name of its own."""
    schema = model.model_json_schema(
        schema_generator=LenientSchema, ref_template=f"#/$defs/{prefix}.{{model}}", mode="validation"
    )
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _open_to_references(definition)
    schema.pop("title", None)
    return schema


def _block(
    place: str,
    registry: Registry,
    definitions: Schema,
    around: type[BaseModel] | None = None,
    more: dict[str, Schema] | None = None,
) -> Schema:
    """A block with `type` and the settings of that type beside it."""
    engine = _model(around, place, definitions) if around else {"properties": {}, "required": []}
    types = {name: plugin for name in registry.names(place) if (plugin := registry.get(place, name))}
    choices = {name: _settings(name, plugin, place, engine, definitions) for name, plugin in types.items()}
    choices |= more or {}
    if not choices:
        return {"not": {"required": ["type"]}, "description": f"No {place} plugin is installed"}
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": sorted(choices)}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": choice}
            for name, choice in sorted(choices.items())
        ],
    }


def _settings(name: str, plugin: Plugin[Any], place: str, engine: Schema, definitions: Schema) -> Schema:
    own = _model(plugin.settings, f"{place}.{name}", definitions)
    type_ = {"const": name, "description": plugin.summary}
    joined = {
        **own,
        "properties": {"type": type_, **engine.get("properties", {}), **own.get("properties", {})},
        "required": ["type", *engine.get("required", []), *own.get("required", [])],
        "additionalProperties": False,
    }
    definitions[f"{place}.{name}"] = _open_to_references(joined)
    return {"$ref": f"#/$defs/{place}.{name}"}


def _filter(registry: Registry, definitions: Schema) -> Schema:
    definitions["condition"] = _condition()
    line = {
        "if": {"required": ["type"]},
        "then": _block("filter", registry, definitions),
        "else": {"$ref": "#/$defs/condition"},
    }
    lines = {"type": "array", "minItems": 1, "items": line, "description": "A message goes on if all of these hold"}
    return {
        "type": "object",
        "properties": {"keep_when": lines},
        "required": ["keep_when"],
        "additionalProperties": False,
    }


def _condition() -> Schema:
    single: Schema = {"type": ["string", "number", "boolean"]}
    several: Schema = {"type": "array", "items": single, "minItems": 1}
    table: Schema = {"type": "string", "description": "A file of channels/tables, without .csv"}
    pattern: Schema = {"type": "string", "description": "A regular expression (RE2); ^ and $ for the whole value"}
    between: Schema = {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2}
    kinds = {"in": several, "not_in": several, "in_table": table, "not_in_table": table, "matches": pattern}
    kinds |= {"not_matches": pattern, "between": between, "exists": {"type": "boolean"}}
    operators = {name: kinds.get(name, single) for name in OPERATORS}
    path: Schema = {"type": "string", "description": "A field, such as OBX-3.1 or records[].unit"}
    every = {"type": "object", "properties": {"all": path}, "required": ["all"], "additionalProperties": False}
    names = {"type": "object", "additionalProperties": {"if": {"type": "string"}, "then": path, "else": every}}
    expression = {"type": "string", "description": "CEL over the names under `with`, and `meta`"}
    return {
        "type": "object",
        "description": f"A condition, such as {EXAMPLE}",
        "if": {"required": ["expression"]},
        "then": {"properties": {"expression": expression, "with": names}, "additionalProperties": False},
        "else": {
            "properties": {"field": path, **operators},
            "required": ["field"],
            "minProperties": 2,
            "maxProperties": 2,
            "additionalProperties": False,
        },
    }


# --- ${...} may stand where a number or a truth value is wanted


def _open_to_references(schema: Schema) -> Schema:
    opened: Schema = _each(schema, _open_one)
    return opened


def _each(value: Any, change: Callable[[Schema], Schema]) -> Any:
    match value:
        case dict():
            return change({key: _each(inner, change) for key, inner in value.items()})
        case list():
            return [_each(inner, change) for inner in value]
        case _:
            return value


def _open_one(schema: Schema) -> Schema:
    if schema.get("type") not in ("integer", "number", "boolean") or "enum" in schema or "const" in schema:
        return schema
    return {**schema, "type": [schema["type"], "string"], "pattern": _PUT_IN}


def types_in(schema: Schema, place: str) -> Iterator[str]:
    """The types that a channel schema knows at `source`, `transform` and so on."""
    block = schema["properties"][place]
    yield from (block.get("items") or block)["properties"]["type"]["enum"]
