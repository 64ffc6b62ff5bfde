"""What a glucose value can be: marks of devices that could not measure it, limits of what they measure, limits of what
lives. All in the unit the value came in: 2.2 mmol/L is a Libre's lower limit, and 39.6 mg/dL is nothing at all.
"""

import re
from types import MappingProxyType

import msgspec

from clinical import units
from clinical.devices import model_of
from clinical.events import plain
from clinical.records import Deed, Detection, Glucose, Quantity

RULE, RULE_VERSION = "measuring-range", "1"

POSSIBLE = MappingProxyType({units.MG_DL: (20, 600), units.MMOL_L: (11, 333)})
"""Lowest and highest value, in steps of the unit, that a reading can have: 20 to 600 mg/dL, 1.1 to 33.3 mmol/L."""

_BELOW = frozenset({"low", "lo", "below", "belowrange", "sgbelow40mgdl", "speciallow"})
_ABOVE = frozenset({"high", "hi", "above", "aboverange", "sgabove400mgdl", "specialhigh"})
_COMPARED = re.compile(r"([<>])\s*=?\s*\d+(?:[.,]\d+)?(?:\s*[A-Za-z/]+)?")


def mark_of(text: str | None) -> Detection | None:
    """What a word in the place of a number, or a state beside a zero, says: `Low`, `HI`, `<40`, `SG_BELOW_40_MGDL`.

    None for a number and for any other word.
    """
    said = (text or "").strip()
    compared = _COMPARED.fullmatch(said)
    if compared is not None:
        return Detection.BELOW if compared[1] == "<" else Detection.ABOVE
    word = plain(said)
    if word in _BELOW:
        return Detection.BELOW
    return Detection.ABOVE if word in _ABOVE else None


def impossible(value: Quantity) -> bool:
    """Outside what can be in a living person: a code, another unit, or a fault."""
    least, most = POSSIBLE[value.unit]
    return not least <= value.steps <= most


def marked(reading: Glucose) -> Glucose:
    """The reading with its mark, where its device says by a number that it could not measure: 39 and 401 of a Dexcom,
    40 and 500 mg/dL or 2.2 and 27.8 mmol/L of a Libre. The value is the limit then; `original` stays.

    A reading that has its mark, and one of a device that is not in the catalogue, stay as they are.
    """
    model = model_of(reading.device)
    if reading.detection is not None or not model.known:
        return reading
    low, high = model.measures.limits(reading.value.unit)
    steps, at_limit = reading.value.steps, model.measures.clamped
    if steps < low or (at_limit and steps == low):
        return _beyond(reading, Detection.BELOW, low, model.name)
    if steps > high or (at_limit and steps == high):
        return _beyond(reading, Detection.ABOVE, high, model.name)
    return reading


def _beyond(reading: Glucose, detection: Detection, limit: int, device: str) -> Glucose:
    deed = Deed(rule=RULE, version=RULE_VERSION, what=f"{detection.value} the measuring range of {device}: limit kept")
    value = Quantity(steps=limit, unit=reading.value.unit)
    return msgspec.structs.replace(reading, value=value, detection=detection, done=(*reading.done, deed))
