"""OperationOutcome: what a server says about a refusal, apart by what may be logged and what may not."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# IssueType (R4, required binding): only these words are repeated in a log, whatever a server writes there.
_ISSUE_TYPE_WORDS: Final = (
    "invalid structure required value invariant security login unknown expired forbidden suppressed processing "
    "not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly "
    "business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational"
)
ISSUE_TYPES: Final = frozenset(_ISSUE_TYPE_WORDS.split())
# A path of element names below the type; an expression with a `where(…)` could quote the resource.
_BELOW: Final = re.compile(r"(\.[a-z][A-Za-z]{0,60}(\[(\d{1,4}|x)\])?){0,12}")
# Coded reasons that are known to name rules, not patients: HL7's own and Epic's.
_RULES: Final = (
    ("http://terminology.hl7.org/CodeSystem/operation-outcome", re.compile(r"MSG_[A-Z_]{1,40}")),
    ("urn:oid:1.2.840.114350.", re.compile(r"\d{4,5}")),
)
_DETAIL_CHARACTERS: Final = 4096


@dataclass(frozen=True, slots=True)
class Said:
    """`words` and `path` are safe to log; `detail` is for the journal only."""

    words: tuple[str, ...] = ()
    path: str | None = None
    detail: str | None = field(default=None, repr=False)
    is_error: bool = False
    """One of the issues is an error or worse."""

    @property
    def summary(self) -> str:
        """`: invalid, required`, or nothing."""
        return ": " + ", ".join(self.words) if self.words else ""


def read_outcome(kind: str, resource: Mapping[str, Any] | None, raw: str = "") -> Said:
    """What an OperationOutcome says about a `kind`; for anything else the raw beginning becomes the detail."""
    issues = list(_issues(resource))
    if not issues:
        return Said(detail=raw[:_DETAIL_CHARACTERS] or None)
    words = dict.fromkeys(word for issue in issues for word in _words(issue))
    path = next((place for issue in issues for place in _paths(kind, issue)), None)
    lines = [line for issue in issues for line in _texts(issue)]
    return Said(
        words=tuple(words)[:8],
        path=path,
        detail="\n".join(lines)[:_DETAIL_CHARACTERS] or None,
        is_error=any(issue.get("severity") in ("error", "fatal") for issue in issues),
    )


def _issues(resource: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if resource is not None and resource.get("resourceType") == "OperationOutcome":
        yield from (issue for issue in _list(resource.get("issue")) if isinstance(issue, dict))


def _words(issue: Mapping[str, Any]) -> Iterator[str]:
    code = issue.get("code")
    if isinstance(code, str) and code in ISSUE_TYPES:
        yield code
    for coding in _codings(issue):
        system, rule = coding.get("system"), coding.get("code")
        if isinstance(system, str) and isinstance(rule, str):
            yield from (rule for known, shape in _RULES if system.startswith(known) and shape.fullmatch(rule))


def _paths(kind: str, issue: Mapping[str, Any]) -> Iterator[str]:
    for place in (*_list(issue.get("expression")), *_list(issue.get("location"))):
        if isinstance(place, str) and place.startswith(kind) and _BELOW.fullmatch(place, len(kind)):
            yield place


def _texts(issue: Mapping[str, Any]) -> Iterator[str]:
    details = issue.get("details")
    texts = [issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None]
    texts += [coding.get("display") for coding in _codings(issue)]
    yield from dict.fromkeys(text for text in texts if isinstance(text, str) and text)


def _codings(issue: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = issue.get("details")
    codings = _list(details.get("coding")) if isinstance(details, dict) else []
    return [coding for coding in codings if isinstance(coding, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
