"""What an OBX says was measured: OBX-5 read by OBX-2, with the unit of OBX-6 (HL7 v2.9.1 sections 7.4.2 and 2A.2).

A number stands alone: text beside it, several values, ranges and ratios are refused, never guessed at.
"""

import re
from decimal import Decimal
from typing import NamedTuple

from clinical.hl7v2.delimiters import NULL, Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.remember import remember_short
from clinical.hl7v2.segment import Segment, leaf_of
from clinical.records import Detection
from clinical.units import ucum

VALUE_TYPE, VALUE, UNITS = 2, 5, 6

_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_COMPARED = re.compile(r"([<>]=?)\s*(\S+)", re.ASCII)
_WORDS = {
    "LO": Detection.BELOW,
    "LOW": Detection.BELOW,
    "HI": Detection.ABOVE,
    "HIGH": Detection.ABOVE,
}
_BEYOND = {"<": Detection.BELOW, "<=": Detection.BELOW, ">": Detection.ABOVE, ">=": Detection.ABOVE}
_TEXTS = frozenset({"ST", "TX", "FT"})


class Value(NamedTuple):
    """`number` is None where the device only said that it lies `detection` its range."""

    number: Decimal | None
    detection: Detection | None = None


def has_value(obx: Segment) -> bool:
    """Does OBX-5 hold anything? `""` deletes a value and is none."""
    return obx.raw(VALUE).strip() not in ("", NULL)


def read_value(obx: Segment) -> Value:
    """The value of an OBX of type NM, SN, ST, TX or FT. Raises Hl7Error with the path inside the segment (`5`)."""
    if not has_value(obx):
        raise _wrong("value-missing", "has no value")
    kind = obx.leaf(VALUE_TYPE).strip().upper()
    if len(obx.repetitions(VALUE)) > 1:
        raise _wrong("several-values", "has several values; send one OBX for each")
    if kind == "SN":
        return _structured(obx)
    if kind == "NM" or kind in _TEXTS:
        return _written(obx)
    if not kind:
        raise Hl7Error("the value type is empty; send NM, SN or ST", str(VALUE_TYPE), "value-type-missing")
    raise Hl7Error("values of this type are not read as glucose; send NM, SN or ST", str(VALUE_TYPE), "value-type")


def _written(obx: Segment) -> Value:
    text = obx.leaf(VALUE).strip()
    if obx.leaf(VALUE, 2) or obx.leaf(VALUE, 1, 2):
        raise _wrong("not-one-value", "has components where a number must stand alone")
    if _NUMBER.fullmatch(text):
        return Value(Decimal(text))
    if word := _WORDS.get(text.upper()):
        return Value(None, word)
    if match := _COMPARED.fullmatch(text):
        return Value(_number(match[2]), _BEYOND[match[1]])
    return Value(_number(text))


def _structured(obx: Segment) -> Value:
    """SN: comparator ^ number ^ separator or suffix ^ number."""
    comparator = obx.leaf(VALUE, 1).strip()
    if obx.leaf(VALUE, 3).strip() or obx.leaf(VALUE, 4).strip():
        raise _wrong("not-one-value", "is a range, a ratio or a graded result, not one value")
    number = _number(obx.leaf(VALUE, 2).strip())
    if comparator in ("", "="):
        return Value(number)
    if comparator not in _BEYOND:
        raise _wrong("comparator-unknown", "has a comparator that is none of = < <= > >=")
    return Value(number, _BEYOND[comparator])


def _number(text: str) -> Decimal:
    if not text:
        raise _wrong("value-missing", "has no value")
    if not _NUMBER.fullmatch(text):
        if _NUMBER.fullmatch(text.replace(",", ".", 1)):
            raise _wrong("decimal-comma", "has a decimal comma; write a decimal point")
        raise _wrong("not-a-number", "is not a number")
    return Decimal(text)


def _wrong(code: str, text: str) -> Hl7Error:
    return Hl7Error(text, str(VALUE), code)


class Unit(NamedTuple):
    """`ucum` is what we compare in, `text` what was sent."""

    ucum: str
    text: str


def read_unit(obx: Segment) -> Unit:
    """The unit in OBX-6, from either coding or the text. Raises Hl7Error if it is missing, unknown or two units."""
    return _unit(obx.raw(UNITS), obx.delimiters, obx.codec)


@remember_short(maxsize=1024)
def _unit(field: str, delimiters: Delimiters, codec: str) -> Unit:
    parts = [leaf_of(field, delimiters, codec, component).strip() for component in (1, 2, 4, 5)]
    sent = next((part for part in parts if part and part != NULL), "")
    if not sent:
        raise Hl7Error("the unit is missing; send mg/dL or mmol/L", str(UNITS), "unit-missing")
    known = {unit for part in parts if part and (unit := ucum(part)) is not None}
    if not known:
        raise Hl7Error("the unit is not one of glucose; send mg/dL or mmol/L", str(UNITS), "unit-unknown")
    if len(known) > 1:
        raise Hl7Error("two different units are given; send one", str(UNITS), "unit-unclear")
    return Unit(known.pop(), sent)
