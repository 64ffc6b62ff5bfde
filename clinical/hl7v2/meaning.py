"""What an OBX-3 means: a code in any of its triplets, local codes first, then LOINC and MDC, then our own.

Our own codes (system `99ISLET`) tell what no public code does, so that what we write can be read back.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from clinical.codes import MDC, analyte_of, code_system, is_control_solution
from clinical.hl7v2.delimiters import Delimiters
from clinical.hl7v2.remember import remember_short
from clinical.hl7v2.segment import Segment, leaf_of
from clinical.measures import COMMENT, INSULIN, Measure, measure_of
from clinical.records import Analyte

OUR_SYSTEM: Final = "99ISLET"


class Part(StrEnum):
    """Our own codes. The first ones are records, the others tell more of the record beside them (same OBX-4 up to the
    last dot)."""

    EVENT = "device-event"
    COMMENT = "comment"
    TOTAL = "insulin-total"
    TOTAL_BASAL = "insulin-total-basal"
    TOTAL_BOLUS = "insulin-total-bolus"
    KIND = "kind"
    DURATION = "duration"
    AUTOMATIC = "automatic"
    INSULIN = "insulin"
    VALUE = "value"
    UNTIL = "until"


TOTALS = frozenset({Part.TOTAL, Part.TOTAL_BASAL, Part.TOTAL_BOLUS})
TELLS_MORE = frozenset({Part.KIND, Part.DURATION, Part.AUTOMATIC, Part.INSULIN, Part.VALUE, Part.UNTIL})
TEXTS = frozenset({Part.EVENT, Part.COMMENT, Part.KIND, Part.AUTOMATIC, Part.INSULIN, Part.UNTIL})

Meaning = Analyte | Measure | Part

KINDS: Final = ("glucose", "insulin", "carbohydrate", "vital-sign", "device-event", "annotation")
"""The kinds of record that a feed can be read for."""

_DEVICE_NAMES = ("mdc_dev_", "mdc_id_", "mdc_attr_", "mdc_time_", "mdc_reg_")
_DEVICE_PARTITIONS = frozenset({1, 8})
_CODINGS = (1, 3, 4, 6, 10, 12)
"""Code and system of a CWE's codings; the second alternate one is v2.7's."""
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class Code(NamedTuple):
    """A code as sent, its system, and what it means."""

    code: str
    system: str
    meaning: Meaning


class Codings(NamedTuple):
    """OBX-3: code and system of its triplets, what is made of them, and whether it is a control solution's or
    tells about the device."""

    pairs: tuple[tuple[str, str], ...]
    standard: Code | None
    control: bool
    device: bool


def codings(obx: Segment) -> Codings:
    return _coded(obx.raw(3), obx.delimiters, obx.codec)


def code_of(found: Codings, local: Mapping[str, Analyte | Measure]) -> Code | None:
    """What an OBX-3 is, by the local codes, else by the standard ones; None for what is none of ours."""
    if local:
        for code, system in found.pairs:
            if (meaning := local.get(code)) is not None:
                return Code(code, system, meaning)
    return found.standard


def kind_of(meaning: Meaning) -> str:
    """The word of KINDS for it."""
    if isinstance(meaning, Analyte):
        return "glucose"
    if isinstance(meaning, Measure):
        if meaning is Measure.CARBOHYDRATE:
            return "carbohydrate"
        return "insulin" if meaning in INSULIN else "vital-sign"
    if meaning is Part.EVENT:
        return "device-event"
    return "insulin" if meaning in TOTALS else "annotation"


@remember_short(maxsize=4096)
def _coded(field_text: str, delimiters: Delimiters, codec: str) -> Codings:
    parts = [leaf_of(field_text, delimiters, codec, component).strip() for component in _CODINGS]
    pairs = tuple(pair for pair in zip(parts[::2], parts[1::2], strict=True) if pair[0])
    known = (Code(*pair, meaning) for pair in pairs if (meaning := _meaning(*pair)) is not None)
    return Codings(
        pairs,
        next(known, None),
        any(is_control_solution(*pair) for pair in pairs),
        any(_is_of_device(*pair) for pair in pairs),
    )


def _meaning(code: str, system: str) -> Meaning | None:
    if system.upper() == OUR_SYSTEM:
        return next((part for part in Part if part.value == code), None)
    if code == COMMENT.code and code_system(system or "LN") == "LOINC":
        return Part.COMMENT
    return analyte_of(code, system) or measure_of(code, system)


def _is_of_device(code: str, system: str) -> bool:
    """MDC codes of the partitions for objects and for infrastructure: properties of a device, nobody's result."""
    if code_system(system) != MDC:
        return False
    partition, _, _ = code.partition("::")
    if _NUMBER.fullmatch(code):
        return int(code) >> 16 in _DEVICE_PARTITIONS
    return partition in map(str, _DEVICE_PARTITIONS) or code.lower().startswith(_DEVICE_NAMES)
