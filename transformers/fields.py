"""How conditions look into JSON bodies: `user.id`, `records[0].unit`, `code.coding[].code`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from engine import sdk
from transformers import json_paths

_encode = msgspec.json.Encoder(decimal_format="number").encode


class JsonFields:
    """Values by path. `[]` is every element of a list, `[0]` the first.

    Numbers keep their digits (5.40 stays 5.40); true and false are written so; null and what is not there give no
    value. An object or list gives its JSON as one value, so that `exists` can ask for it.
    """

    def __init__(self) -> None:
        # Conditions ask one message several times in a row; one assignment of a pair is safe between threads.
        self._last: tuple[bytes, Any] | None = None

    def check(self, path: str) -> str | None:
        if json_paths.is_path(path):
            return None
        return (
            f"`{path}` is not a path; write one such as user.id, records[0].unit, or records[].unit for every element"
        )

    def values(self, message: sdk.Message, path: str) -> Sequence[str]:
        """Raises InvalidMessage if the body is not JSON."""
        found = json_paths.values(self._document(message.body), path)
        return [_text(value) for value in found if value is not None]

    def _document(self, body: bytes) -> Any:
        last = self._last
        if last is not None and last[0] is body:
            return last[1]
        document = json_paths.read(body)
        self._last = body, document
        return document


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case _:
            return _encode(value).decode()


fields = sdk.field_reader("json", JsonFields, accepts={sdk.Shape.JSON, sdk.Shape.FHIR})
