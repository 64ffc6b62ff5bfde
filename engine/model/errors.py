"""The error words: the class of an error says what the engine does with the message.

`str(error)` is safe to log: code, path and a sentence of ours. What a peer said, or anything that may hold a
patient's data, goes into `detail`, which is kept in the journal and never logged (law 9).
"""

from collections.abc import Sequence
from typing import Any


class EngineError(Exception):
    """Base of the error words.

    `code` is short, stable and kebab-case (it becomes part of a fingerprint); `path` is the field's own path
    (`OBX[2]-6`, `records[0].value`); `text` says what happened and what to do, without any value from the message.
    """

    default_code = "error"

    def __init__(
        self, text: str, *, code: str | None = None, path: str | None = None, detail: str | None = None
    ) -> None:
        self.text = text
        self.code = code or self.default_code
        self.path = path
        self.detail = detail
        where = f" at {path}" if path else ""
        super().__init__(f"{self.code}{where}: {text}")


class Unavailable(EngineError):
    """The other side, or our store, cannot be used now: retry with back-off."""

    default_code = "unavailable"


class Unreachable(Unavailable):
    """The other side could not even be asked (refused connection, no route, failed sign-in host).

    That is not the message's fault: it is retried for as long as it takes, without using up its attempts.
    """

    default_code = "unreachable"


class Throttled(EngineError):
    """The other side asks for patience: retry after `after_seconds` and slow this destination down."""

    default_code = "throttled"

    def __init__(self, text: str, *, after_seconds: float, **details: Any) -> None:
        super().__init__(text, **details)
        self.after_seconds = after_seconds


class Refused(EngineError):
    """The other side will never take this: hold it for a person."""

    default_code = "refused"


class NeedsReview(EngineError):
    """A clinician must decide."""

    default_code = "needs-review"


class NotPermitted(EngineError):
    """The site or a consent forbids it for now: defer."""

    default_code = "not-permitted"


class NeedsOperator(EngineError):
    """The channel cannot go on without a person (sign-in revoked, certificate expired): pause the channel."""

    default_code = "needs-operator"


class InvalidMessage(EngineError):
    """The message itself is wrong: hold it, with the path of the field."""

    default_code = "invalid-message"


class ConfigError(EngineError):
    """The configuration has problems; `problems` lists every one of them."""

    default_code = "config"

    def __init__(self, problems: Sequence[object]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems) or "configuration refused")
