"""What is taken at the door and what is not, and the words for the sender. Pure; the hot path of the listener."""

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol

from clinical.hl7v2 import Header, Hl7Error, Outcome, ack, header
from connectors.mllp.framing import RESERVED, enclose

NOBODY: Final = Header("|", "^~\\&", processing_id="P", version="2.5.1")
"""Stands for the header of what has none, so that even that gets an answer which can be read."""

_SEGMENT_SEQUENCE: Final = "100"
_MESSAGE_TYPE: Final = "200"
_EVENT: Final = "201"
_PROCESSING_ID: Final = "202"
_VERSION: Final = "203"
_COMMITS: Final = (b"\x06", b"\x15")
_REMEMBERED: Final = 1000


class Rules(Protocol):
    """What may come in, `ListenerSettings`' own; an empty list means everything."""

    @property
    def accepts(self) -> Sequence[str]:
        """Message types: `ORU^R01`, or `ORU` for all events."""
        ...

    @property
    def processing_ids(self) -> Sequence[str]: ...

    @property
    def versions(self) -> Sequence[str]: ...


class NotTaken(Exception):
    """The message is not taken.

    `code` is for the log; `text`, `error_code` (HL7 table 0357) and `location` are for the sender. `answerable` is
    false for what is an answer itself: two systems that answer each other's answers never stop. `outcome` is R (not
    taken) or E (and not to be sent again).
    """

    def __init__(
        self,
        header: Header,
        code: str,
        text: str,
        *,
        error_code: str = "207",
        location: str | None = None,
        answerable: bool = True,
        outcome: Outcome = "R",
    ) -> None:
        self.header = header
        self.code = code
        self.text = text
        self.error_code = error_code
        self.location = location
        self.answerable = answerable
        self.outcome = outcome
        super().__init__(f"{code}: {text}")


def admit(content: bytes, rules: Rules) -> Header:
    """The header of a message that may come in. Raises NotTaken."""
    try:
        found = header(content)
    except Hl7Error as error:
        raise unreadable(content, error) from error
    kind, accepts = found.message_type, rules.accepts
    if kind.startswith("ACK"):
        raise NotTaken(found, "unexpected-ack", "an acknowledgement is not answered", answerable=False)
    if accepts and kind not in accepts and kind[:3] not in accepts:
        raise _not_accepted(found, accepts)
    if rules.processing_ids and found.processing_id[:1] not in rules.processing_ids:
        text = f"this processing id is not accepted here; this port takes {', '.join(rules.processing_ids)}"
        raise NotTaken(found, "processing-id-not-accepted", text, error_code=_PROCESSING_ID, location="MSH-11")
    if rules.versions and not _version_accepted(found.version, rules.versions):
        text = f"this version is not accepted here; this port takes {', '.join(rules.versions)}"
        raise NotTaken(found, "version-not-accepted", text, error_code=_VERSION, location="MSH-12")
    return found


def _version_accepted(version: str, versions: Sequence[str]) -> bool:
    """Is the release, before whatever stands behind it (`2.5.1^USA`), one of these or a part of one?"""
    return any(version.startswith(known) and version[len(known) : len(known) + 1] in ".^&~ " for known in versions)


def several(content: bytes) -> NotTaken:
    """The refusal of a block with several messages, where they are not taken."""
    try:
        found = header(content)
    except Hl7Error:
        found = NOBODY
    text = "there are several messages in one MLLP block; send each message in a block of its own"
    return NotTaken(found, "several-messages", text, error_code=_SEGMENT_SEQUENCE, location="MSH[2]")


def continuation(found: Header) -> NotTaken:
    """The refusal of a message whose MSH-14 takes up the DSC of the one before: parts are not put together."""
    text = "MSH-14 says that this is a part of the message before; send each message whole"
    return NotTaken(found, "fragment", text, error_code=_SEGMENT_SEQUENCE, location="MSH-14")


class Refusals:
    """How often each message was refused lately, over all connections.

    A sender that repeats what is answered AR holds up everything behind it; so after `limit` times the answer is AE,
    which senders do not repeat.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[bytes, int] = {}

    def judged(self, refusal: NotTaken, content: bytes | None) -> NotTaken:
        """The refusal, or the last word instead of it. What is no message (None) is not counted."""
        if content is None:
            return refusal
        key = hashlib.blake2b(content, digest_size=16).digest()
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > _REMEMBERED:
            del self._counts[next(iter(self._counts))]
        if count <= self._limit:
            return refusal
        return NotTaken(
            refusal.header,
            refusal.code,
            f"{refusal.text} (refused {count} times now: do not send it again)",
            error_code=refusal.error_code,
            location=refusal.location,
            answerable=refusal.answerable,
            outcome="E",
        )


def too_large(prefix: bytes, max_size: int) -> NotTaken:
    """The refusal of a message of which only the first bytes were kept."""
    try:
        found = header(prefix)
    except Hl7Error:
        found = NOBODY
    text = f"the message is longer than the {max_size} bytes that this port takes; the connection is closed"
    return NotTaken(found, "too-large", text)


def no_frame() -> NotTaken:
    """The refusal of bytes that are no MLLP block at all."""
    text = "bytes came that are no MLLP block: a message begins with byte 0B and ends with bytes 1C 0D"
    return NotTaken(NOBODY, "not-mllp", text)


def answer(
    to: Header,
    code: str,
    control_id: str,
    time: str,
    text: str | None = None,
    error_code: str | None = None,
    location: str | None = None,
    *,
    quiet: bool = False,
) -> bytes:
    """An acknowledgement in its MLLP block.

    Where MSH-2 names no escape character, a text that needs one is left out. Bytes that MLLP keeps for itself are too:
    a stray one in the header that came is not sent back.
    """
    try:
        reply = ack(to, code, control_id, time, text, error_code, location, quiet=quiet)
    except Hl7Error:
        reply = ack(to, code, control_id, time, None, error_code, quiet=quiet)
    try:
        return enclose(reply)
    except ValueError:
        return enclose(reply.translate(None, RESERVED))


def unreadable(content: bytes, error: Hl7Error) -> NotTaken:
    """The refusal of what has no header."""
    if content in _COMMITS:
        return NotTaken(NOBODY, "unexpected-commit", "a commit acknowledgement is not answered", answerable=False)
    return NotTaken(NOBODY, error.code, error.text, error_code=_SEGMENT_SEQUENCE)


def _not_accepted(found: Header, accepts: Sequence[str]) -> NotTaken:
    known_code = any(accepted.startswith(found.message_type[:3] + "^") for accepted in accepts)
    text = f"this message type is not accepted here; this port takes {', '.join(accepts)}"
    error_code = _EVENT if found.message_type and known_code else _MESSAGE_TYPE
    return NotTaken(found, "type-not-accepted", text, error_code=error_code, location="MSH-9")
