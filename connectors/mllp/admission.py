"""What is taken at the door and what is not, and the words for the sender. Pure; the hot path of the listener."""

from collections.abc import Collection
from typing import Final

from clinical.hl7v2 import Header, Hl7Error, ack, header
from connectors.mllp.framing import RESERVED

NOBODY: Final = Header("|", "^~\\&", processing_id="P", version="2.5.1")
"""Stands for the header of what has none, so that even that gets an answer which can be read."""

_SEGMENT_SEQUENCE: Final = "100"
_MESSAGE_TYPE: Final = "200"
_EVENT: Final = "201"
_COMMITS: Final = (b"\x06", b"\x15")


class NotTaken(Exception):
    """The message is not taken.

    `code` is for the log; `text`, `error_code` (HL7 table 0357) and `location` are for the sender. `answerable` is
    false for what is an answer itself: two systems that answer each other's answers never stop.
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
    ) -> None:
        self.header = header
        self.code = code
        self.text = text
        self.error_code = error_code
        self.location = location
        self.answerable = answerable
        super().__init__(f"{code}: {text}")


def admit(content: bytes, accepts: Collection[str]) -> Header:
    """The header of a message that may come in. `accepts` holds `ORU^R01` or `ORU` (all events); empty means all.

    Raises NotTaken.
    """
    try:
        found = header(content)
    except Hl7Error as error:
        raise _unreadable(content, error) from error
    kind = found.message_type
    if kind.startswith("ACK"):
        raise NotTaken(found, "unexpected-ack", "an acknowledgement is not answered", answerable=False)
    if accepts and kind not in accepts and kind[:3] not in accepts:
        raise _not_accepted(found, accepts)
    if content.find(b"\rMSH", 4) >= 0 or content.find(b"\nMSH", 4) >= 0:
        text = "there are several MSH segments in one MLLP block; send each message in a block of its own"
        raise NotTaken(found, "several-messages", text, error_code=_SEGMENT_SEQUENCE, location="MSH[2]")
    return found


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
) -> bytes:
    """An acknowledgement in original mode, fit for an MLLP block.

    Where MSH-2 names no escape character, a text that needs one is left out. Bytes that MLLP keeps for itself are too:
    a stray one in the header that came is not sent back.
    """
    try:
        reply = ack(to, code, control_id, time, text, error_code, location)
    except Hl7Error:
        reply = ack(to, code, control_id, time, None, error_code)
    return reply.translate(None, RESERVED)


def _unreadable(content: bytes, error: Hl7Error) -> NotTaken:
    if content in _COMMITS:
        return NotTaken(NOBODY, "unexpected-commit", "a commit acknowledgement is not answered", answerable=False)
    return NotTaken(NOBODY, error.code, error.text, error_code=_SEGMENT_SEQUENCE)


def _not_accepted(found: Header, accepts: Collection[str]) -> NotTaken:
    known_code = any(accepted.startswith(found.message_type[:3] + "^") for accepted in accepts)
    text = f"this message type is not accepted here; this port takes {', '.join(accepts)}"
    error_code = _EVENT if found.message_type and known_code else _MESSAGE_TYPE
    return NotTaken(found, "type-not-accepted", text, error_code=error_code, location="MSH-9")
