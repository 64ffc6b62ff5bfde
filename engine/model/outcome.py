"""What came of it: a source's verdict, a filter's, a step's, a destination's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from engine.model.errors import EngineError
from engine.model.message import Message, Shape
from engine.model.value import Value

# --- what ingest tells a source, which maps it to its protocol (AA, 202, cursor, file moved)


class Accepted(Value, frozen=True, gc=False):
    """The journal has committed the message as `message_id`. `duplicate`: a re-send, recognised and not processed."""

    message_id: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not taken, and never will be as it is. `text` may be shown to the sender."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not taken now (store unavailable, channel stopping): the sender may try again after `after_seconds`."""

    after_seconds: float
    text: str


Verdict = Accepted | Rejected | Deferred

# --- what a filter says


@dataclass(frozen=True, slots=True)
class Keep:
    """The message goes on."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The message ends here on purpose. `reason` is short and holds no patient data.

    `duplicate` says that it is known already: it is counted as a duplicate, not as filtered. `tally` counts what
    was in it, as `meta["tally"]` does for an output.
    """

    reason: str
    duplicate: bool = False
    tally: "Tally" = field(default_factory=dict)


KEEP = Keep()

# --- what a step gives


@dataclass(frozen=True, slots=True)
class Aside:
    """A part of a message that cannot go on while the rest does: it becomes a copy of its own.

    `error` decides where it waits: InvalidMessage and Refused hold it, NeedsReview asks a person, NotPermitted
    defers it. `body` is the smallest message of `shape` that, replayed into the same channel, yields just this part.
    """

    error: EngineError
    body: bytes = field(repr=False)
    shape: Shape


StepOutput = Message | Aside | Drop


# --- what a destination answers


class Answer(Value, frozen=True, gc=False):
    """The other side has it. `code` as the peer said it (`AA`, `201`); `location` names what was made there.

    `existing`: the peer had it already, nothing new was made. `detail` is kept in the journal only.
    """

    hidden: ClassVar = frozenset({"detail"})

    code: str
    location: str | None = None
    existing: bool = False
    detail: str | None = None


Tally = Mapping[str, int]
"""Named counts of what a step did inside one message, such as `{"kept": 287, "duplicate": 1}`."""


def as_outputs(result: StepOutput | Sequence[StepOutput] | None) -> Sequence[StepOutput]:
    """A step's result as a sequence: one output or several; none means filtered."""
    if result is None:
        return ()
    if isinstance(result, (Message, Aside, Drop)):
        return (result,)
    return result
