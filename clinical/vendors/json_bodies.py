"""JSON bodies: where one that cannot be read is broken, said as a line and a column."""

import re

import msgspec

from clinical.vendors.parsing import Unreadable

_BYTE = re.compile(r"\(byte (\d+)\)")
_FIELD = re.compile(r"missing required field `(\w+)`(?! - at)|at `\$\.?([^`]*)`$")
_ENDLESS = re.compile(rb"(?<!\d)\d{4300}|\d[eE][+-]?\d{4,}")
_UTF8_BOM = b"\xef\xbb\xbf"


def without_bom(body: bytes) -> bytes:
    return body.removeprefix(_UTF8_BOM)


def unreadable_json(body: bytes, error: Exception) -> Unreadable:
    """The Unreadable for a body that a msgspec decoder refused with `error` (DecodeError and its like).

    Codes: `json-empty`, `json-cut` (ends in the middle), `json-number` (one with too many digits), `json-invalid`.
    """
    if not body.strip():
        return Unreadable("the body is empty", code="json-empty")
    if isinstance(error, RecursionError):
        return Unreadable("the JSON is nested too deeply", code="json-invalid")
    if isinstance(error, msgspec.ValidationError | ArithmeticError):
        at = _ENDLESS.search(body)
        text = "a number in it has thousands of digits, or an absurd exponent"
        return Unreadable(text, code="json-number", path=_place(body, at.start() if at else 0))
    position, cut = _broken_at(body, error)
    path = _place(body, position)
    if cut:
        return Unreadable("the JSON ends in the middle; ask the sender for it again", code="json-cut", path=path)
    return Unreadable("this is not JSON", code="json-invalid", path=path)


def _place(body: bytes, position: int) -> str:
    line = body.count(b"\n", 0, position) + 1
    column = position - body.rfind(b"\n", 0, position)
    return f"line {line} column {column}"


def _broken_at(body: bytes, error: Exception) -> tuple[int, bool]:
    """Byte position of the fault and whether it is that the body ends."""
    if isinstance(error, UnicodeDecodeError):
        return _first_bad_byte(body), False
    if stated := _BYTE.search(str(error)):
        return int(stated[1]), int(stated[1]) >= len(body)
    return len(body), True


def _first_bad_byte(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as fault:
        return fault.start
    return len(body)


def field_of(error: msgspec.ValidationError) -> str:
    """The path inside the value that a typed decoder refused: `systemTime`, or nothing for the whole."""
    found = _FIELD.search(str(error))
    return next((name for name in found.groups() if name), "") if found else ""
