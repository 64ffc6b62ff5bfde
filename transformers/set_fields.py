"""Writing fields of a message: fixed values, or values from elsewhere in it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from clinical.hl7v2 import Hl7Error, parse, parse_path
from engine import sdk
from transformers import json_paths


def _path(text: str) -> str:
    if not _is_hl7(text) and not json_paths.is_path(text):
        raise ValueError(
            f"{text!r} is neither an HL7 path such as PID-3.4 nor a JSON path such as user.id or records[].unit"
        )
    return text


def _is_hl7(text: str) -> bool:
    try:
        return parse_path(text).field is not None
    except Hl7Error:
        return False


FieldPath = Annotated[str, AfterValidator(_path)]


class From(BaseModel):
    """A value from another field: `{from: PID-2}`. `if_missing`: `error` holds the message, `leave` does nothing,
    `empty` writes an empty value."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: FieldPath = Field(alias="from")
    if_missing: Literal["error", "leave", "empty"] = "error"


class SetFieldsSettings(sdk.Settings):
    """`set: {PID-3.4: STM, MSH-6: {from: MSH-4}}`: target on the left, value on the right."""

    set: Mapping[FieldPath, StrictStr | StrictBool | StrictInt | StrictFloat | From] = Field(min_length=1)


@sdk.transformer("set_fields", settings=SetFieldsSettings, accepts={sdk.Shape.HL7V2, sdk.Shape.JSON, sdk.Shape.FHIR})
def set_fields(message: sdk.Message, settings: SetFieldsSettings) -> sdk.Message:
    """The message with some fields set; all else stays as it came.

    HL7 v2: a path without an index means every segment of that name, and of a repeating field the first repetition
    (`[*]`: all); values are escaped, and untouched segments keep their bytes. `'""'` deletes a value. JSON and FHIR:
    steps by name, list elements by `[n]` from 0 or `[]` for all; objects on the way are made. Values are read before
    any is written. Raises InvalidMessage with the path where a value is missing or cannot be written.
    """
    body = _in_hl7(message.body, settings) if message.shape is sdk.Shape.HL7V2 else _in_json(message.body, settings)
    return message if body == message.body else message.but(body=body)


def _missing(path: str) -> sdk.InvalidMessage:
    text = "there is no value to copy; set if_missing to leave or empty if that is as it should be"
    return sdk.InvalidMessage(text, code="value-missing", path=path)


# --- HL7 v2


def _in_hl7(body: bytes, settings: SetFieldsSettings) -> bytes:
    try:
        opened = parse(body)
        changes: dict[str, str] = {}
        for path, value in settings.set.items():
            if not isinstance(value, From):
                changes[path] = str(value)
                continue
            found: str = opened.get_raw(value.source)
            if not found and value.if_missing == "error":
                raise _missing(value.source)
            if found or value.if_missing == "empty":
                changes[path] = found
        return opened.edited(changes)
    except Hl7Error as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None


# --- JSON


def _in_json(body: bytes, settings: SetFieldsSettings) -> bytes:
    document = json_paths.read(body)
    changes: list[tuple[str, object]] = []
    for path, value in settings.set.items():
        if not isinstance(value, From):
            changes.append((path, value))
            continue
        found = json_paths.values(document, value.source)
        if not found and value.if_missing == "error":
            raise _missing(value.source)
        if found or value.if_missing == "empty":
            changes.append((path, found[0] if found else None))
    written = [json_paths.put(document, path, value) for path, value in changes]
    return json_paths.write(document) if any(written) else body
