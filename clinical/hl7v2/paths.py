"""Field paths as people write them: `OBX-5`, `OBX[2]-5.1`, `PID-3[1].4.2`, `MSH-9`. All numbers count from 1."""

import re
from dataclasses import dataclass
from functools import lru_cache

from clinical.hl7v2.errors import Hl7Error

ALL = 0
"""Index `[*]`: every segment or repetition."""

_PATH = re.compile(
    r"(?P<segment>[A-Za-z][A-Za-z0-9]{2})(?:\[(?P<occurrence>\d{1,6}|\*)\])?"
    r"(?:-(?P<field>\d{1,3})(?:\[(?P<repetition>\d{1,6}|\*)\])?"
    r"(?:\.(?P<component>\d{1,3})(?:\.(?P<subcomponent>\d{1,3}))?)?)?"
)
_ADVICE = "write one such as OBX-5, OBX[2]-5.1 or PID-3[1].4.2"


@dataclass(frozen=True, slots=True)
class Path:
    """A path in parts; None where it leaves one out, `ALL` for `[*]`."""

    segment: str
    occurrence: int | None = None
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    def __str__(self) -> str:
        index = {None: "", ALL: "[*]"}
        text = self.segment + index.get(self.occurrence, f"[{self.occurrence}]")
        if self.field is not None:
            text += f"-{self.field}" + index.get(self.repetition, f"[{self.repetition}]")
        return text + "".join(f".{part}" for part in (self.component, self.subcomponent) if part is not None)


@lru_cache(maxsize=2048)
def parse_path(text: str) -> Path:
    """Raises Hl7Error that says what is wrong with the path and what to write."""
    match = _PATH.fullmatch(text.strip())
    if match is None:
        raise Hl7Error(f"{text!r} is not an HL7 path; {_ADVICE}", code="bad-path")
    numbers = {name: _number(match[name]) for name in _PATH.groupindex if name != "segment"}
    if 0 in (numbers["field"], numbers["component"], numbers["subcomponent"]) or "[0]" in text:
        raise Hl7Error(f"{text!r} counts from 0, but HL7 counts from 1; {_ADVICE}", code="bad-path")
    return Path(match["segment"].upper(), **numbers)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    return ALL if text == "*" else int(text)
