"""What a model's JSON Schema tells about one place in it: which keys there are, and what one could write."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

_SECRET: Final = "{secret: NAME}"  # noqa: S105 - how one is named
_PLACEHOLDERS: Final = {"string": "TEXT", "integer": "NUMBER", "number": "NUMBER", "boolean": "true", "null": ""}
_DEEPEST: Final = 3


class LenientSchema(GenerateJsonSchema):
    """Says nothing about types that JSON Schema cannot describe, and drops defaults that it cannot write."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as in the base class

    def handle_invalid_for_json_schema(self, schema: core_schema.CoreSchema, error_info: str) -> JsonSchemaValue:  # noqa: ARG002
        return {}

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002
        """Keys stay in their author's order, as people expect them in an example."""
        return value


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(schema_generator=LenientSchema)


def keys_of(model: type[BaseModel]) -> frozenset[str]:
    """The keys that a block of this model may have, as they are written in YAML."""
    return frozenset(info.alias or name for name, info in model.model_fields.items())


class SchemaAt:
    """The part of a model's schema at a place of its document."""

    def __init__(self, root: Schema, found: Sequence[Schema]) -> None:
        self._root = root
        self._found = [opened for schema in found for opened in self._open(schema)]

    @classmethod
    def of(cls, model: type[BaseModel], steps: Sequence[str | int] = ()) -> "SchemaAt":
        root = schema_of(model)
        here = cls(root, [root])
        for step in steps:
            here = here.inside(step)
        return here

    def inside(self, step: str | int) -> "SchemaAt":
        """What it says of one key, or of the elements of a list."""
        return SchemaAt(self._root, [inner for schema in self._found for inner in self._enter(schema, step)])

    def keys(self) -> list[str]:
        """The keys that a block may have here."""
        return list(dict.fromkeys(key for schema in self._found for key in schema.get("properties", ())))

    def _open(self, schema: Schema) -> Iterator[Schema]:
        """What a schema stands for, with references followed and alternatives side by side."""
        if "$ref" in schema:
            target = self._root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
            yield from self._open({**target, **{key: value for key, value in schema.items() if key != "$ref"}})
            return
        alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
        if not alternatives:
            yield schema
        told: Schema = {key: schema[key] for key in ("examples", "description") if key in schema}
        for alternative in alternatives:
            yield from self._open({**alternative, **told})

    def _enter(self, schema: Schema, step: str | int) -> Iterator[Schema]:
        if isinstance(step, int):
            inner = schema.get("items")
        else:
            further = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
            inner = schema.get("properties", {}).get(step) or next(
                (one for one in further if isinstance(one, dict)), None
            )
        if isinstance(inner, dict):
            yield inner

    def description(self) -> str:
        """The first sentence of what its author says about it, without a full stop; may be empty."""
        said = [
            schema["description"] for schema in self._found if "properties" not in schema and schema.get("description")
        ]
        return re.split(r"\.\s|\n", said[0])[0].rstrip(".") if said else ""

    def example(self, depth: int = 0) -> str:
        """Something that could be written here, as YAML on one line."""
        for schema in self._found:
            written = self._example(schema, depth)
            if written:
                return written
        return "VALUE"

    def _example(self, schema: Schema, depth: int) -> str:
        if schema.get("examples"):
            return flow(schema["examples"][0])
        if "const" in schema:
            return flow(schema["const"])
        if "enum" in schema:
            return flow(schema["enum"][0])
        kind = schema.get("type")
        if isinstance(schema.get("default"), (str, int)) and kind in ("string", "integer", "boolean"):
            return flow(schema["default"])
        if kind == "array":
            return f"[{self._part(schema, 0, depth)}]" if "items" in schema else "[...]"
        if schema.get("title") == "Secret":
            return _SECRET
        if kind == "object":
            needed = schema.get("required") or list(schema.get("properties", ()))[:2]
            inner = ", ".join(f"{key}: {self._part(schema, key, depth)}" for key in needed)
            return "{" + (inner or "...") + "}"
        return _PLACEHOLDERS.get(str(kind), "")

    def _part(self, schema: Schema, step: str | int, depth: int) -> str:
        return "..." if depth >= _DEEPEST else SchemaAt(self._root, [schema]).inside(step).example(depth + 1)


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(inner) for inner in value) + "]"
        case _:
            return str(value)
