"""What an OBX says was measured: OBX-5 read by OBX-2, with the unit of OBX-6 (HL7 v2.9.1 sections 7.4.2 and 2A.2).

A number stands alone: text beside it, several values, ranges and ratios are refused, never guessed at. A coded value
(CE, CWE, CNE) is a number only as far as it says HI or LO, and an array (NA) only if it has one element: it says no
times. Times, documents (ED, RP) and all other types are no measured value.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from clinical.hl7v2.delimiters import NULL, Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.remember import Reader, remember_short
from clinical.hl7v2.segment import Segment, leaf_of
from clinical.measures import factor_to
from clinical.records import Detection
from clinical.units import glucose_unit

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
_UNIT_PARTS = (1, 2, 4, 5, 10, 11)
"""Code and text of all codings of a CWE; the second alternate one is v2.7's."""
_TEXTS = frozenset({"ST", "TX", "FT"})
_CODED = frozenset({"CE", "CWE", "CNE", "CF"})
_WORDS_OR_CODES = _TEXTS | _CODED | {"IS", "ID", "DTM", "TS", "NM"}


class Value(NamedTuple):
    """`number` is None where the device only said that it lies `detection` its range."""

    number: Decimal | None
    detection: Detection | None = None


def has_value(obx: Segment) -> bool:
    """Does OBX-5 hold anything? `""` deletes a value and is none."""
    return obx.raw(VALUE).strip() not in ("", NULL)


def read_value(obx: Segment) -> Value:
    """The value of an OBX of type NM, SN, ST, TX, FT or NA, or the HI or LO of a coded one.

    Raises Hl7Error with the path inside the segment (`5`).
    """
    if not has_value(obx):
        raise _wrong("value-missing", "has no value")
    kind = obx.leaf(VALUE_TYPE).strip().upper()
    if len(obx.repetitions(VALUE)) > 1:
        raise _wrong("several-values", "has several values; send one OBX for each")
    if kind == "SN":
        return _structured(obx)
    if kind == "NM" or kind in _TEXTS:
        return _written(obx)
    if kind == "NA":
        return _only_element(obx)
    if kind in _CODED and (word := next((w for n in (1, 2, 4, 5) if (w := _word(obx, n)) is not None), None)):
        return Value(None, word)
    if not kind:
        raise Hl7Error("the value type is empty; send NM, SN or ST", str(VALUE_TYPE), "value-type-missing")
    raise Hl7Error("values of this type are no measured value; send NM, SN or ST", str(VALUE_TYPE), "value-type")


def read_text(obx: Segment) -> str:
    """The value as text: all repetitions, a line each; of a coded value its own text, else its code.

    Raises Hl7Error for a type that is no text, and if there is none.
    """
    if not has_value(obx):
        raise _wrong("value-missing", "has no value")
    kind = obx.leaf(VALUE_TYPE).strip().upper()
    if kind not in _WORDS_OR_CODES:
        raise Hl7Error("values of this type are no text; send ST, TX, FT or CWE", str(VALUE_TYPE), "value-type")
    texts = []
    for repetition in obx.repetitions(VALUE):
        if kind in _CODED:
            leaves = (obx.leaf_of(repetition, component).strip() for component in (9, 2, 1))
            texts.append(next((leaf for leaf in leaves if leaf and leaf != NULL), ""))
        elif repetition != NULL:
            texts.append(obx.delimiters.unescaped(repetition, obx.codec).strip())
    if not any(texts):
        raise _wrong("value-missing", "has no value")
    return "\n".join(texts)


def _word(obx: Segment, component: int) -> Detection | None:
    return _WORDS.get(obx.leaf(VALUE, component).strip().upper())


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


def _only_element(obx: Segment) -> Value:
    elements = obx.raw(VALUE).split(obx.delimiters.component)
    if any(element.strip() not in ("", NULL) for element in elements[1:]):
        raise _wrong("several-values", "is an array, which says no times; send one OBX for each value")
    return Value(_number(obx.leaf(VALUE).strip()))


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
    """`ucum` is what we compare in, `text` what was sent, `factor` by what the number is to be multiplied."""

    ucum: str
    text: str
    factor: Decimal = Decimal(1)


def read_unit(obx: Segment) -> Unit:
    """A glucose's unit in OBX-6, from either coding or the text. Raises Hl7Error if it is missing, unknown or two."""
    return _unit(obx.raw(UNITS), obx.delimiters, obx.codec)


def read_unit_of(obx: Segment, unit: str) -> Unit:
    """The unit of what is measured in `unit` (UCUM): that one, or one of its kind. Raises Hl7Error as `read_unit`."""
    return _units_reader(unit)(obx.raw(UNITS), obx.delimiters, obx.codec)


@lru_cache
def _units_reader(unit: str) -> Reader[Unit]:
    @remember_short(maxsize=256)
    def read(field: str, delimiters: Delimiters, codec: str) -> Unit:
        parts, sent = _sent(field, delimiters, codec, unit)
        factors = {factor for part in parts if part and (factor := factor_to(unit, part)) is not None}
        if len(factors) != 1:
            code = "unit-unclear" if factors else "unit-unknown"
            raise Hl7Error(f"the unit is not one for this; send {unit}", str(UNITS), code)
        return Unit(unit, sent, factors.pop())

    return read


def _sent(field: str, delimiters: Delimiters, codec: str, advice: str) -> tuple[list[str], str]:
    parts = [leaf_of(field, delimiters, codec, component).strip() for component in _UNIT_PARTS]
    sent = next((part for part in parts if part and part != NULL), "")
    if not sent:
        raise Hl7Error(f"the unit is missing; send {advice}", str(UNITS), "unit-missing")
    return parts, sent


@remember_short(maxsize=1024)
def _unit(field: str, delimiters: Delimiters, codec: str) -> Unit:
    parts, sent = _sent(field, delimiters, codec, "mg/dL or mmol/L")
    known = {unit for part in parts if part and (unit := glucose_unit(part)) is not None}
    if not known:
        raise Hl7Error("the unit is not one of glucose; send mg/dL or mmol/L", str(UNITS), "unit-unknown")
    if len(known) > 1:
        raise Hl7Error("two different units are given; send one", str(UNITS), "unit-unclear")
    ucum, factor = known.pop()
    return Unit(ucum, sent, factor)
