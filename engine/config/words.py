"""What pydantic finds, in an analyst's words."""

import re
from collections.abc import Mapping
from typing import Any, Final

from engine.config.examples import SchemaAt
from engine.config.names import suggest
from engine.config.tree import ListNode, MapNode, Node, ScalarNode

Context = Mapping[str, Any]

_KINDS: Final = {
    "string": "text",
    "path": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a block of keys",
    "mapping": "a block of keys",
    "model": "a block of keys",
    "model_attributes": "a block of keys",
    "dataclass": "a block of keys",
}
_WRONG_KIND: Final = re.compile(r"(?P<kind>\w+?)_(?:type|parsing|from_float|unexpected|parsing_size)|finite_number")
_LIMITS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS: Final = frozenset({"string_too_short", "too_short", "string_too_long", "too_long"})
_OURS: Final = (
    _LENGTHS
    | {"enum", "literal_error", "missing", "extra_forbidden", "string_pattern_mismatch"}
    | {
        "union_tag_invalid",
        "union_tag_not_found",
    }
)
_SECRET: Final = "{secret: NAME}"  # noqa: S105 - how one is named


def is_of_others(kind: str) -> bool:
    """Is this error told in the words of whoever made the check? They may quote the value."""
    ours = kind in _OURS or kind in _LIMITS or is_wrong_kind(kind)
    return not ours


def is_wrong_kind(kind: str) -> bool:
    """Does this error of pydantic say that the value is of another kind altogether?"""
    return _WRONG_KIND.fullmatch(kind) is not None and kind != "value_error"


def kind_wanted(kind: str, context: Context) -> str:
    """The kind of value that the error asks for."""
    if context.get("class_name") == "Secret":
        return _SECRET
    match = _WRONG_KIND.fullmatch(kind)
    return _KINDS.get(match["kind"] or "float", "another kind of value") if match else "another kind of value"


def sentence(kind: str, context: Context, said: str, node: Node, key: str, schema: SchemaAt) -> tuple[str, str]:
    """Code and text for one error about `node`, which is written under `key` (empty in a list)."""
    if isinstance(node, ScalarNode) and node.value is None and (is_wrong_kind(kind) or kind == "no_alternative"):
        return "E203", f"is empty; write {_written(key, schema.example())}"
    if context.get("class_name") == "Secret":
        return "E207", f"must name a secret, and its value must not stand here; write {_written(key, _SECRET)}"
    if kind in ("enum", "literal_error"):
        return "E205", _choice(re.findall(r"'([^']*)'", str(context["expected"])), node)
    if kind == "union_tag_invalid":
        return "E205", _choice(re.findall(r"'([^']*)'", str(context["expected_tags"])), node)
    if kind == "union_tag_not_found":
        tag = str(context["discriminator"]).strip("'")
        return "E202", f"lacks `{tag}`, which says of what kind it is"
    if kind == "no_alternative":
        return "E203", f"must be {context['wanted']}; write {_written(key, schema.example())}"
    if is_wrong_kind(kind):
        return "E203", _other_kind(kind_wanted(kind, context), node, key, schema)
    return "E204", _refused(kind, context, said)


def _written(key: str, value: str) -> str:
    return f"`{key}: {value}`" if key else f"`{value}`"


def _choice(allowed: list[str], node: Node | None) -> str:
    listed = " | ".join(allowed)
    if not isinstance(node, ScalarNode):
        return f"is not one of the choices: {listed}"
    meant = suggest(node.shown, allowed)
    asked = f"did you mean `{meant}`? ({listed})" if meant else f"write one of {listed}"
    return f"`{node.shown}` is not one of the choices; {asked}"


def _other_kind(wanted: str, node: Node, key: str, schema: SchemaAt) -> str:
    if wanted == "text" and isinstance(node, ScalarNode):
        return f'must be text; put it in quotes: "{node.shown}"'
    if wanted == "a list" and isinstance(node, ScalarNode):
        return f"must be a list; write `[{node.shown}]`"
    got = (
        "a list"
        if isinstance(node, ListNode)
        else "a block of keys"
        if isinstance(node, MapNode)
        else f"`{node.shown}`"
    )
    return f"must be {wanted}, not {got}; write {_written(key, schema.example())}"


def _refused(kind: str, context: Context, said: str) -> str:
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        limit = context[name]
        return f"must be {words} {f'{limit:g}' if isinstance(limit, float) else limit}"
    match kind:
        case "string_too_short" | "too_short":
            least = context["min_length"]
            return "must not be empty" if least == 1 else f"must have at least {least} {_things(kind)}"
        case "string_too_long" | "too_long":
            return f"must have at most {context['max_length']} {_things(kind)}"
        case "string_pattern_mismatch":
            return f"has signs that may not stand here; it must match {context['pattern']}"
    return said


def _things(kind: str) -> str:
    return "characters" if kind.startswith("string") else "entries"
