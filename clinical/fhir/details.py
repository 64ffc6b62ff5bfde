"""What a record says and FHIR has no element for, as one extension that FHIR allows on any resource.

`urn:islet:record` has a part for each field, named as in `clinical.records`; structs have parts in turn, and a list
repeats its part. Texts are strings, numbers decimals (an instant in milliseconds is too long for an integer).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from clinical.records import AnyRecord

DETAILS = "urn:islet:record"

_COMMON = ("patient", "effective", "status", "source", "original", "device", "done", "reading_id")
_OF_KIND = ("trend", "replaces_value", "requested", "delivered", "automatic", "insulin", "duration_seconds", "until")
FIELDS = frozenset({*_COMMON, *_OF_KIND})
"""What the extension tells in full: a field of these that it lacks has its default."""
_LISTS = frozenset({"done", "notes"})


def details_of(record: AnyRecord) -> dict[str, Any]:
    """The extension. A note that is blank, which FHIR cannot have, brings all notes into it."""
    told = msgspec.to_builtins(record)
    names = [name for name in (*_COMMON, *_OF_KIND) if name in told]
    if any(not note.strip() for note in record.notes):
        names.append("notes")
    return {"url": DETAILS, "extension": [part for name in names for part in _parts(name, told[name])]}


def read_details(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What the extension holds, as plain values by field; nothing if there is none."""
    extensions = resource.get("extension")
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("url") == DETAILS:
            held = _value(extension)
            return held if isinstance(held, dict) else {}
    return {}


def _parts(name: str, value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _parts(name, each)
    elif isinstance(value, dict):
        inner = [part for key, each in value.items() for part in _parts(key, each)]
        if inner:
            yield {"url": name, "extension": inner}
    elif isinstance(value, bool):
        yield {"url": name, "valueBoolean": value}
    elif isinstance(value, int):
        yield {"url": name, "valueDecimal": value}
    elif value:  # FHIR has no empty text
        yield {"url": name, "valueString": value}


def _value(extension: Mapping[str, Any]) -> Any:
    parts = extension.get("extension")
    if isinstance(parts, list):
        held: dict[str, Any] = {}
        for part in parts:
            name = part.get("url") if isinstance(part, dict) else None
            if not isinstance(name, str):
                continue
            if name in _LISTS:
                held.setdefault(name, []).append(_value(part))
            else:
                held[name] = _value(part)
        return held
    for kind in ("valueString", "valueBoolean", "valueDecimal"):
        if kind in extension:
            value = extension[kind]
            return int(value) if kind == "valueDecimal" and isinstance(value, (int, float, Decimal)) else value
    return None
