"""What every vendor's parser gives back: records, and the parts that could not become one.

`text`, `code` and `path` of problems never hold a value from the body, so they may be logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from clinical.drift import Pair
from clinical.records import Record


@dataclass(frozen=True, slots=True)
class Problem:
    """One part that cannot become a record while the rest does.

    `path` is the format's own (`records[3].value`, `line 47`). `body` is the smallest body of the same format
    that holds just this part.
    """

    path: str
    code: str
    text: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Records in the order of their effective time, problems in the order of the body.

    `skipped` counts rows that are no readings (settings, other events). `clock`: what the device's clock showed and
    the true time of that moment, where the body tells both.
    """

    records: Sequence[Record] = field(repr=False)
    problems: Sequence[Problem] = ()
    skipped: int = 0
    clock: Sequence[Pair] = ()


class Unreadable(ValueError):
    """The body as a whole is not what it should be: cut, garbled, or something else."""

    def __init__(self, text: str, *, code: str, path: str | None = None) -> None:
        self.text = text
        self.code = code
        self.path = path
        super().__init__(f"{code}{f' at {path}' if path else ''}: {text}")


class Flaw(ValueError):
    """One record cannot be read; its parser turns this into a Problem. `field` is the name inside the record."""

    def __init__(self, field_name: str, code: str, text: str) -> None:
        self.field_name = field_name
        self.code = code
        self.text = text
        super().__init__(f"{code} at {field_name}: {text}")
