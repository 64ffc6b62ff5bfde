"""One JSON object, field by field: what is wrong is said with the field's path, never with what stands in it."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from clinical.records import Record
from clinical.vendors.json_bodies import unreadable_json, without_bom
from clinical.vendors.parsing import Flaw, Parsed, Problem, Unreadable

_LARGEST = Decimal(10) ** 15
_LONGEST_NUMBER = 40
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def read_document(body: bytes) -> Any:
    """A JSON document whose numbers keep their digits. Raises Unreadable with line and column."""
    body = without_bom(body)
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise unreadable_json(body, error) from None


def write_document(document: Any) -> bytes:
    return _encoder.encode(document)


class Fields:
    """The fields of one object. A field that is missing or null is None, one of another type raises Flaw."""

    __slots__ = ("_path", "_values")

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def path(self, name: str) -> str:
        """Where a field stands, from the record on."""
        return f"{self._path}.{name}" if self._path else name

    def flaw(self, name: str, code: str, text: str) -> Flaw:
        return Flaw(self.path(name), code, text)

    def text(self, name: str, longest: int = 256) -> str | None:
        """Text without control characters; an empty one is None."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise self.flaw(name, "field-invalid", "is not text, too long, or holds control characters")
        return value

    def prose(self, name: str, longest: int = 4000) -> str | None:
        """What a person wrote: lines are kept, other control characters become spaces, the rest is cut off."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return None
        return "".join(c if c.isprintable() or c == "\n" else " " for c in value[:longest]).strip() or None

    def word(self, name: str) -> str | None:
        """A short word; a value that is none is None, for fields that only add something."""
        value = self._values.get(name)
        return value if isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable() else None

    def number(self, name: str, *, as_text: bool = False) -> Decimal | None:
        """A number; one written as text counts too if `as_text`."""
        value = self._values.get(name)
        if value is None or (as_text and value == ""):
            return None
        number = _number(value, as_text=as_text)
        if number is None:
            raise self.flaw(name, "value-not-a-number", "is not a number, or an absurd one")
        return number

    def needed(self, name: str, *, as_text: bool = False) -> Decimal:
        number = self.number(name, as_text=as_text)
        if number is None:
            raise self.flaw(name, "value-missing", "has no value")
        return number

    def needed_text(self, name: str, longest: int = 256) -> str:
        text = self.text(name, longest)
        if text is None:
            raise self.flaw(name, "field-missing", "is missing")
        return text

    def flag(self, name: str) -> bool:
        """True where it says true; missing, null and anything else is false."""
        return self._values.get(name) is True

    def is_text(self, name: str) -> bool:
        return isinstance(self._values.get(name), str)

    def is_object(self, name: str) -> bool:
        """Some fields are an object in one version of a format and a plain value in another."""
        return isinstance(self._values.get(name), dict)

    def inner(self, name: str) -> "Fields | None":
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.flaw(name, "field-invalid", "is not an object")
        return Fields(value, self.path(name))

    def many(self, name: str) -> Sequence[Any]:
        """A list; missing is empty."""
        value = self._values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.flaw(name, "field-invalid", "is not a list")
        return value

    def original(self, name: str) -> str | None:
        """A number or short text as it was written."""
        value = self._values.get(name)
        return None if value is None or isinstance(value, bool | dict | list) else str(value)[:64]


def _number(value: Any, *, as_text: bool) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if (
            not as_text
            or len(value) > _LONGEST_NUMBER
            or not value.strip().lstrip("+-").replace(".", "", 1).isdecimal()
        ):
            return None
    elif not isinstance(value, int | Decimal):
        return None
    number = Decimal(value.strip() if isinstance(value, str) else value)
    return number if number.is_finite() and abs(number) < _LARGEST else None


def items_of(document: Any, *names: str) -> tuple[str, Sequence[Any]] | None:
    """The list in a document: the document itself, or the first of these fields that holds one, with its name."""
    if isinstance(document, list):
        return "", document
    if isinstance(document, dict):
        for name in names:
            if isinstance(document.get(name), list):
                return name, document[name]
    return None


def read_each(
    items: Sequence[Any],
    read: Callable[[Fields], Sequence[Record]],
    *,
    name: str = "",
    only: Callable[[Any], bytes] | None = None,
    start: int = 0,
) -> Parsed:
    """Records of a list of objects; an object that gives none is counted as skipped.

    `name` is the list's place in the document, `only` writes a body that holds one item of it.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    skipped = 0
    only = only or _alone(name)
    for index, item in enumerate(items, start):
        try:
            made = read(_fields(item))
        except Flaw as flaw:
            path = f"{name}[{index}]" + (f".{flaw.field_name}" if flaw.field_name else "")
            problems.append(Problem(path, flaw.code, flaw.text, only(item)))
        else:
            records.extend(made)
            skipped += not made
    return Parsed(in_order(records), problems, skipped)


def _fields(item: Any) -> Fields:
    if not isinstance(item, dict):
        raise Flaw("", "not-an-object", "is not an object")
    return Fields(item)


def _alone(name: str) -> Callable[[Any], bytes]:
    return lambda item: write_document({name: [item]} if name else [item])


def in_order(records: list[Record]) -> list[Record]:
    """By effective time; equals stay as they were."""
    records.sort(key=lambda record: record.effective.millis)
    return records


def joined(parts: Sequence[Parsed]) -> Parsed:
    """Several parts of one body as one."""
    return Parsed(
        in_order([record for part in parts for record in part.records]),
        [problem for part in parts for problem in part.problems],
        sum(part.skipped for part in parts),
    )


def not_this(what: str, code: str) -> Unreadable:
    return Unreadable(f"this is not {what}", code=code)
