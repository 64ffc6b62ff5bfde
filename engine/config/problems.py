"""Problems of a configuration: where, which kind, and what to write instead."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

CODES: Final[Mapping[str, str]] = {
    "E101": "the file cannot be read",
    "E102": "this is not YAML",
    "E103": "a tab where only blanks may stand",
    "E104": "the indentation does not fit",
    "E105": "a key is written twice",
    "E106": "a feature of YAML that is not used here",
    "E107": "an anchor or alias that cannot be followed",
    "E108": "the file is empty or not a block of keys",
    "E201": "unknown key",
    "E202": "a key is missing",
    "E203": "the wrong kind of value",
    "E204": "a value that cannot be",
    "E205": "not one of the choices",
    "E206": "unknown type",
    "E207": "a secret stands in the file itself",
    "W208": "a secret has no value here",
    "E209": "nothing to put in for ${...}",
    "E210": "the plugin itself is at fault",
    "E301": "unknown channel",
    "E302": "channels feed each other in a circle",
    "E303": "a channel leads nowhere",
    "E304": "shapes do not fit along the channel",
    "E305": "shapes do not fit along a route",
    "W306": "no route feeds this channel",
    "E307": "a route into a channel that is switched off",
    "E308": "two plugins want the same thing for themselves",
    "E309": "the channel is not called as its file is",
    "E310": "unknown site",
    "E401": "a condition is not complete",
    "E402": "a field path cannot be read",
    "E403": "a pattern cannot be read",
    "E404": "unknown table",
    "E405": "an expression cannot be used",
    "E406": "messages of this shape have no fields",
    "E501": "a table's row does not fit its heading",
    "E502": "a table's key is there twice",
    "E503": "a table cannot be read",
}
"""Every code with its meaning. A code never changes its meaning; E refuses the configuration, W only warns."""


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; line and column count from 1."""

    file: Path
    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `path` is where in the document (`destinations[0].retry.attempts`), `text` what is wrong there
    and what to write. Problems sort by file and position."""

    file: Path
    line: int
    column: int
    code: str
    path: str
    text: str

    @property
    def place(self) -> Place:
        return Place(self.file, self.line, self.column)

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.code.startswith("W") else Severity.ERROR

    def __str__(self) -> str:
        path = f" {self.path}" if self.path else ""
        return f"{self.file}:{self.line}:{self.column} {self.code}{path}: {self.text}"


class Report:
    """Collects problems while a configuration is read, so that one run finds them all."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def add(self, code: str, place: Place, path: str, text: str) -> None:
        """Raises KeyError for a code that is not in CODES."""
        CODES[code]
        self._problems.append(Problem(place.file, place.line, place.column, code, path, text))

    def sorted(self) -> tuple[Problem, ...]:
        """All problems in the order of the files and lines; the same problem twice counts once."""
        return tuple(sorted(set(self._problems)))


def refuses(problems: Iterable[Problem]) -> bool:
    """Is there one among them with which the engine does not start?"""
    return any(problem.severity is Severity.ERROR for problem in problems)


def join(path: str, step: str | int) -> str:
    """`source` and `port` are `source.port`; `destinations` and 0 are `destinations[0]`."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step
