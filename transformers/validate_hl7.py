"""Conformance check of HL7 v2 messages against their version's structures, by hl7apy.

It takes some 8 ms for a small message and half a second for a day of CGM results, so it has its place in testing a
new sender, or in a channel of its own beside the road.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from hl7apy.exceptions import HL7apyException, UnsupportedVersion
from hl7apy.parser import parse_message
from hl7apy.validation import Validator
from pydantic import Field

from clinical.hl7v2 import Hl7Error, Message, parse
from engine import sdk

# What hl7apy says, and the same in words that hold no value. The first group names the element.
_FINDINGS = (
    (re.compile(r"Missing required child (\S+)"), "is required and missing"),
    (re.compile(r"Child limit exceeded (\S+)"), "stands there more often than allowed"),
    (re.compile(r"Exceeded max length .* of (\S+)"), "is longer than allowed"),
    (re.compile(r"Datatype \S+ is not correct for (\S+)"), "has another data type than its version asks for"),
    (re.compile(r"Invalid children detected for <\w+ ([A-Z0-9_]+)"), "has parts that its version does not know"),
)
_PLACE = re.compile(r"(?:\w+\.)*([A-Z][A-Z0-9]{2})(?:_(\d+))?$")
_BROKEN = (HL7apyException, ValueError, KeyError, IndexError, AttributeError, TypeError, RecursionError)


class ValidateHl7Settings(sdk.Settings):
    """What to check against."""

    version: str | None = None
    """Check as this version (`2.5.1`) whatever MSH-12 says."""
    findings: int = Field(default=5, ge=1, le=50)
    """How many are reported at most."""


class _Finding(NamedTuple):
    path: str | None
    text: str
    detail: str


@sdk.transformer("validate_hl7", settings=ValidateHl7Settings, accepts={sdk.Shape.HL7V2}, emits=sdk.Shape.HL7V2)
def validate_hl7(message: sdk.Message, settings: ValidateHl7Settings) -> sdk.Message:
    """The message unchanged, if it has the structure that its version asks for.

    Else InvalidMessage with the path of the first finding and all of them (up to `findings`) in its text. Checked are
    which segments, fields and components are there and how often; not values, and Z segments not at all.
    """
    try:
        found = list(_findings(parse(message.body), settings))
    except Hl7Error as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from None
    if not found:
        return message
    texts = [f"{finding.path or 'the message'} {finding.text}" for finding in found]
    detail = "\n".join(finding.detail for finding in found)
    raise sdk.InvalidMessage("; ".join(texts), code="conformance", path=found[0].path, detail=detail)


def _findings(opened: Message, settings: ValidateHl7Settings) -> Iterator[_Finding]:
    """At most `findings`, none twice."""
    seen: set[tuple[str | None, str]] = set()
    for finding in _all_findings(opened, settings):
        if (key := (finding.path, finding.text)) not in seen:
            seen.add(key)
            yield finding
        if len(seen) >= settings.findings:
            return


def _all_findings(opened: Message, settings: ValidateHl7Settings) -> Iterator[_Finding]:
    try:
        whole = parse_message(_prepared(opened, settings.version), find_groups=True)
        flat = parse_message(_prepared(opened, settings.version), find_groups=False)
    except UnsupportedVersion as error:
        text = "is a version that cannot be checked; set version to one such as 2.5.1"
        yield _Finding("MSH-12", text, str(error))
        return
    except _BROKEN as error:
        yield _Finding(None, "has no structure that could be checked", repr(error))
        return
    counts: dict[str, int] = {}
    for segment in flat.children:
        counts[segment.name] = counts.get(segment.name, 0) + 1
        yield from _checked(segment, counts[segment.name])
    yield from _checked(whole, None)


def _checked(element: object, occurrence: int | None) -> Iterator[_Finding]:
    """hl7apy stops at the first error in each element."""
    try:
        Validator.validate(element)
    except _BROKEN as error:
        yield _said(str(error), occurrence)


def _said(detail: str, occurrence: int | None) -> _Finding:
    for pattern, text in _FINDINGS:
        if match := pattern.search(detail):
            return _Finding(_place(match[1], occurrence), text, detail)
    return _Finding(None, "does not conform to its version", detail)


def _place(element: str, occurrence: int | None) -> str:
    """`OBX.OBX_3` in the second OBX as `OBX[2]-3`; other elements by the name that the standard gives them."""
    if (match := _PLACE.match(element)) is None:
        return element
    index = f"[{occurrence}]" if occurrence is not None else ""
    return f"{match[1]}{index}-{match[2]}" if match[2] else f"{match[1]}{index}"


def _prepared(opened: Message, version: str | None) -> str:
    """Without what hl7apy trips over and the standard allows: Z segments, `#` before v2.7, line ends."""
    segments = [segment.text for segment in opened.segments if segment.name and not segment.name.startswith("Z")]
    delimiters = opened.delimiters
    fields = segments[0].split(delimiters.field)
    fields[1] = delimiters.encoding_chars[:4]
    if version is not None:
        fields += [""] * (12 - len(fields))
        fields[11] = version
    segments[0] = delimiters.field.join(fields)
    return "\r".join(segments)
