"""What an answer means: the table that maps acknowledgement codes, and their absence, to what the engine does."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, WithJsonSchema

from clinical.hl7v2 import AckReply
from engine import sdk

Verb = Literal["delivered", "retry", "hold", "review"]
"""delivered: done. retry: the same bytes again, later. hold: a person looks at it. review: a clinician decides."""

DEFAULTS: Final[Mapping[str, Verb]] = {
    "AA": "delivered",
    "CA": "delivered",
    "AE": "hold",
    "CE": "hold",
    "AR": "retry",
    "CR": "hold",
    "no_answer": "retry",
    "wrong_control_id": "hold",
    "not_committed": "retry",
    "rubbish": "retry",
}
"""AA and CA mean taken; AE, CE and CR complain of the message, so that sending it again would not help; AR also
stands for a system that is down (HL7 v2.9.1 section 2.9.2), so it is tried again."""

SILENT: Final = ("no_answer", "wrong_control_id", "not_committed", "rubbish")
"""Rows for what is no answer."""

_KEY: Final = re.compile(r"([AC][AER])(?::\s*(severity\s+[FEWI]|[0-9A-Za-z][0-9A-Za-z_.-]{0,19}))?|" + "|".join(SILENT))
_CODES: Final = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})
_CONDITION: Final = re.compile(r"\d{1,3}")  # of table 0357; whatever else stands there is the peer's own words


def answer_key(value: str) -> str:
    """A row's key in its one spelling. Raises ValueError for what is no kind of answer."""
    match = _KEY.fullmatch(value.strip())
    if not match:
        raise ValueError(
            "is no kind of answer; write AA, AE, AR, CA, CE or CR, one of them with an error code or severity "
            f'such as "AE: 204" or "AE: severity W", or {", ".join(SILENT)}'
        )
    return f"{match[1]}: {' '.join(match[2].split())}" if match[2] else match[0]


def reply_of(key: str, control_id: str) -> AckReply:
    """An answer that a row (in its one spelling, none of SILENT) is for."""
    code, _, part = key.partition(": ")
    kind, _, letter = part.partition(" ")
    if kind == "severity" and letter:
        return AckReply(code, control_id, severity=letter)
    return AckReply(code, control_id, error_codes=(part,) if part else ())


def _no_silent_success(rows: Mapping[str, Verb]) -> Mapping[str, Verb]:
    for key in SILENT:
        if rows.get(key) == "delivered":
            raise ValueError(f"{key} cannot mean delivered: nobody has said so; write retry, hold or review")
    return rows


AnswerKey = Annotated[str, AfterValidator(answer_key), WithJsonSchema({"type": "string", "pattern": _KEY.pattern})]
Answers = Annotated[dict[AnswerKey, Verb], AfterValidator(_no_silent_success)]
"""Rows that an analyst writes; the others stay as in DEFAULTS."""


class AnswerTable:
    """DEFAULTS with a channel's own rows laid over them."""

    def __init__(self, rows: Mapping[str, Verb]) -> None:
        self._rows = {**DEFAULTS, **rows}

    def conclude(self, reply: AckReply) -> sdk.Answer:
        """The answer of a receiver that has the message; raises the error word that its row stands for.

        The row with an error code (`AE: 204`; of ERR-3, ERR-1, MSA-6 or ERR-5) goes before the one with the severity
        (`AE: severity W`; the worst ERR-4), this one before the row of the code alone. Raises `failure("rubbish")` if
        the code is none of HL7 table 0008.
        """
        if reply.code not in _CODES:
            text = "the answer's MSA-1 is no acknowledgement code"
            raise self.failure("rubbish", text, detail=f"{reply.code} {reply.text}")
        verb = self._verb(reply)
        if verb == "delivered":
            return sdk.Answer(reply.code, location=reply.control_id, detail=reply.text or None)
        conditions = [code for code in reply.error_codes if _CONDITION.fullmatch(code)]
        text = f"the receiver answered {reply.code}"
        if conditions:
            text += f" with error code {', '.join(conditions)}"
        code = "-".join(["ack", reply.code.lower(), *conditions[:1]])
        raise _word(verb, f"{text}; its own words are in the detail", code, reply.text or None)

    def failure(self, key: str, text: str, *, code: str | None = None, detail: str | None = None) -> sdk.EngineError:
        """The error word of a row of SILENT."""
        return _word(self._rows[key], text, code or key.replace("_", "-"), detail)

    def retries(self, key: str) -> bool:
        """Does this row mean retry?"""
        return self._rows[key] == "retry"

    def _verb(self, reply: AckReply) -> Verb:
        for condition in reply.error_codes:
            if verb := self._rows.get(f"{reply.code}: {condition}"):
                return verb
        return self._rows.get(f"{reply.code}: severity {reply.severity}") or self._rows[reply.code]


def _word(verb: Verb, text: str, code: str, detail: str | None) -> sdk.EngineError:
    words: Mapping[Verb, type[sdk.EngineError]] = {
        "retry": sdk.Unavailable,
        "hold": sdk.Refused,
        "review": sdk.NeedsReview,
    }
    return words[verb](text, code=code, detail=detail)
