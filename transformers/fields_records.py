"""How conditions look into canonical records: `records[].value.unit`, `records[0].status`."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from clinical.records import RecordSet
from engine import sdk
from transformers import json_paths
from transformers.record_bodies import read_records

_INDEX = re.compile(r"\[\d*\]")
_ELEMENT = "[]"
_RECORD_SET = inspect.type_info(RecordSet)


class RecordFields:
    """Values by path in canonical records. A path must lead to a field that records have; a field that holds its
    default counts as written, though bodies leave it out."""

    def check(self, path: str) -> str | None:
        if not json_paths.is_path(path):
            return f"`{path}` is not a path; write one such as records[].status or records[].value.unit"
        return _wrong_step(path)

    def values(self, message: sdk.Message, path: str) -> Sequence[str]:
        found = json_paths.values({"records": _opened(read_records(message.body))}, path)
        return [_text(value) for value in found if value is not None]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json_paths.write(value).decode() if isinstance(value, dict | list) else str(value)


def _opened(value: Any) -> Any:
    """Records as objects and lists, with the defaults that their JSON leaves out."""
    if isinstance(value, msgspec.Struct):
        told = {field.encode_name: _opened(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
        config = value.__struct_config__
        return {config.tag_field: config.tag, **told} if config.tag_field else told
    return [_opened(inner) for inner in value] if isinstance(value, tuple | list) else value


def _wrong_step(path: str) -> str | None:
    """The first step that leads nowhere, and what there is instead."""
    here, walked = list(_alternatives(_RECORD_SET)), ""
    for step in _INDEX.sub(f".{_ELEMENT}", path).split("."):
        known = sorted({name for kind in here for name in _names(kind)})
        if step not in known:
            return _leads_nowhere(path, step, walked, known)
        here = [inner for kind in here for inner in _inside(kind, step)]
        walked += step if step == _ELEMENT or not walked else f".{step}"
    return None


def _leads_nowhere(path: str, step: str, walked: str, known: Sequence[str]) -> str:
    where = f"`{walked}`" if walked else "a `records` message"
    if known == [_ELEMENT]:
        return f"`{path}` leads nowhere: {where} is a list; write `{walked}[]` for every element, or `{walked}[0]`"
    if step == _ELEMENT:
        return f"`{path}` leads nowhere: {where} is not a list"
    if not known:
        return f"`{path}` leads nowhere: {where} is a single value"
    return f"`{path}` leads nowhere: {where} has no `{step}`; there are: {', '.join(known)}"


def _names(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.StructType):
        return [*([kind.tag_field] if kind.tag_field else []), *(field.encode_name for field in kind.fields)]
    return [_ELEMENT] if isinstance(kind, inspect.VarTupleType | inspect.ListType) else []


def _inside(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if field.encode_name == step:
                yield from _alternatives(field.type)
    elif isinstance(kind, inspect.VarTupleType | inspect.ListType):
        yield from _alternatives(kind.item_type)


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    """What a value may be, without `None` and annotations."""
    if isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _alternatives(one)
    elif not isinstance(kind, inspect.NoneType):
        yield kind


fields = sdk.field_reader("records", RecordFields, accepts={sdk.Shape.RECORDS})
