"""Several messages at once (HL7 v2.9.1 section 2.10.3): `[FHS] {[BHS] {message} [BTS]} [FTS]`.

In real files every header and trailer is optional, and counts are wrong; so the messages are what begins with MSH, and
the counts are only compared.
"""

import dataclasses
import re

from clinical.hl7v2.charset import decode
from clinical.hl7v2.delimiters import Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.header import BOM, Header, header

_STARTS = re.compile(rb"(?:\A|[\r\n])[ \t]*(MSH|FHS|BHS|BTS|FTS)(?![0-9A-Za-z])")
_CONTROL_ID = 10  # of FHS and BHS, counted from the segment's name
_TAIL_BYTES = 256
_MSH_14 = 13  # counted from the segment's name


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Messages that came together, each as it came.

    `header` is whom an answer to the whole is for: control id and parties of BHS (else FHS, else the first message).
    `declared` is the number of messages that the BTS segments name; None where they name none.
    """

    messages: tuple[bytes, ...] = dataclasses.field(repr=False)
    header: Header = dataclasses.field(repr=False)
    declared: int | None = None

    @property
    def complete(self) -> bool:
        """Are there as many messages as the trailers say, if they say anything?"""
        return self.declared in (None, len(self.messages))


def is_batch(raw: bytes) -> bool:
    """Does it hold batch headers, or more than one MSH? A hot path: one search in a plain message."""
    if raw.startswith(b"MSH"):
        return raw.rfind(b"MSH", 3) > 0 and (raw.find(b"\rMSH", 3) >= 0 or raw.find(b"\nMSH", 3) >= 0)
    first = raw[:64].removeprefix(BOM).lstrip()
    if first.startswith((b"FHS", b"BHS")):
        return True
    return first.startswith(b"MSH") and len(_STARTS.findall(raw.removeprefix(BOM).lstrip())) > 1


def unpack(raw: bytes) -> Batch:
    """The messages in a batch, or in a block with several MSH. Raises Hl7Error if there is none, or if something else
    stands before the first header."""
    raw = raw.removeprefix(BOM).lstrip(b" \t\r\n")
    found = [(match.start(1), match[1]) for match in _STARTS.finditer(raw)]
    if not found or found[0][0] != 0:
        raise Hl7Error("no MSH segment; a message must start with MSH|^~\\&", "MSH", "no-msh")
    ends = [start for start, _ in found[1:]] + [len(raw)]
    parts = [(name, raw[start:end]) for (start, name), end in zip(found, ends, strict=True)]
    messages = tuple(part for name, part in parts if name == b"MSH")
    if not messages:
        raise Hl7Error("the batch holds no message", "MSH", "empty-batch")
    counts = [_count(part) for name, part in parts if name == b"BTS"]
    declared = sum(count for count in counts if count is not None) if counts and None not in counts else None
    return Batch(messages, _party(parts, messages[0]), declared)


def pointer_out(raw: bytes) -> str:
    """DSC-1 of a message that ends with DSC: what a next part would name in MSH-14. `""` if there is none.

    `DSC|1|F` is also an idle trailer of some instruments: only a next part makes a message a fragment.
    """
    if raw.rfind(b"DSC", -_TAIL_BYTES) < 0:  # a hot path
        return ""
    tail = raw[-_TAIL_BYTES:].replace(b"\n", b"\r")
    at = tail.rfind(b"\rDSC")
    if at < 0:
        return ""
    fields = tail[at + 1 :].partition(b"\r")[0].split(raw[3:4] or b"|")
    return fields[1].decode("latin-1").strip() if len(fields) > 1 else ""


def pointer_in(raw: bytes) -> str:
    """MSH-14 (continuation pointer): which message this one goes on with. `""` if none."""
    fields = raw.replace(b"\n", b"\r", 1).partition(b"\r")[0].split(raw[3:4] or b"|")
    return fields[_MSH_14].decode("latin-1").strip() if len(fields) > _MSH_14 else ""


def _count(trailer: bytes) -> int | None:
    """BTS-1, if it is a number."""
    fields = re.split(rb"[^0-9A-Za-z ]", trailer.strip(), maxsplit=2)
    text = fields[1].strip() if len(fields) > 1 else b""
    return int(text) if text.isdigit() and len(text) < 10 else None


def _party(parts: list[tuple[bytes, bytes]], first: bytes) -> Header:
    """The header to answer the whole batch to; version and processing id are the first message's."""
    like = header(first)
    for wanted in (b"BHS", b"FHS"):
        for name, part in parts:
            if name == wanted and (found := _as_header(part, like)) is not None:
                return found
    return like


def _as_header(segment: bytes, like: Header) -> Header | None:
    """BHS or FHS as a header; None if it cannot be read or has no control id to be recognised by."""
    text, charset = decode(re.split(rb"[\r\n]", segment, maxsplit=1)[0], like.charset)
    fields = text.split(text[3:4]) if len(text) > 3 else []
    if len(fields) <= _CONTROL_ID or not fields[_CONTROL_ID]:
        return None
    try:
        Delimiters.of(text[3], fields[1])
    except Hl7Error:
        return None
    return Header(
        field_sep=text[3],
        encoding_chars=fields[1],
        sending_application=fields[2],
        sending_facility=fields[3],
        receiving_application=fields[4],
        receiving_facility=fields[5],
        time=fields[6],
        message_type=like.message_type,
        control_id=fields[_CONTROL_ID],
        processing_id=like.processing_id,
        version=like.version,
        charset=like.charset,
        codec=charset.codec,
    )
