"""The message header without the rest: what routing, recognising re-sends and acknowledging need. A hot path."""

from functools import lru_cache

import msgspec

from clinical.hl7v2.charset import codec_of, decode
from clinical.hl7v2.delimiters import Delimiters
from clinical.hl7v2.errors import Hl7Error

BOM = b"\xef\xbb\xbf"
_EMPTY = [""] * 18


class Header(msgspec.Struct, frozen=True, gc=False):
    """MSH as raw text: nothing is un-escaped, so that what is echoed is what came.

    `message_type` is the first two components of MSH-9, joined by `^` whatever the separators (`ORU^R01`).
    `charset` is MSH-18 as it stands; `codec` is how this header was decoded, and how to encode an answer to it.
    """

    field_sep: str
    encoding_chars: str
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    time: str = ""
    message_type: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    charset: str = ""
    codec: str = "utf-8"


def header(raw: bytes) -> Header:
    """The header of a message. Raises Hl7Error if it does not start with MSH or its separators cannot be used."""
    end = raw.find(b"\r")
    text, codec = _decoded(raw[:end] if end > 4 else _first_segment(raw))
    if text[:3] != "MSH" or "\n" in text:  # which is found out faster in text than in bytes
        text, codec = _decoded(_first_segment(raw))
    sep = text[3]
    fields = text.split(sep, 18)  # MSH-1 is the separator itself, so field n stands at n - 1
    count = len(fields)
    if count < 18:
        fields += _EMPTY[count:]
    elif count > 18:
        del fields[18]
    _, chars, app, site, to_app, to_site, time, _, kind, control_id, mode, version, _, _, accept, reply, _, charset = (
        fields
    )
    meant = _remembered if len(text) <= _LONGEST_REMEMBERED else _meant
    kind, declared = meant(kind, charset, sep, chars)
    return Header(
        sep,
        chars,
        app,
        site,
        to_app,
        to_site,
        time,
        kind,
        control_id,
        mode,
        version,
        accept,
        reply,
        charset,
        codec or declared,
    )


def _first_segment(raw: bytes) -> bytes:
    start = 0 if raw[:3] == b"MSH" else start_of(raw)
    segment = raw[start : end_of_first_segment(raw, start)]
    if len(segment) < 5:
        raise Hl7Error("MSH ends before MSH-2; a message must start with MSH|^~\\&", "MSH-2", "no-msh")
    return segment


def _decoded(segment: bytes) -> tuple[str, str | None]:
    """The text, and its codec if that matters: ASCII is the same in all."""
    try:
        return segment.decode("ascii"), None
    except UnicodeDecodeError:
        text, charset = decode(segment, declared_charset(segment))
        return text, charset.codec


def start_of(raw: bytes) -> int:
    """Where `MSH` begins: after a byte order mark and blank lines. Raises Hl7Error if something else stands there."""
    start = 3 if raw.startswith(BOM) else 0
    while raw[start : start + 1] in (b"\r", b"\n", b" ", b"\t"):
        start += 1
    if raw[start : start + 3] != b"MSH" or len(raw) < start + 5:
        if raw[start : start + 3] in (b"FHS", b"BHS"):
            raise Hl7Error("this is a batch; take its messages out first", raw[start : start + 3].decode(), "batch")
        raise Hl7Error("no MSH segment; a message must start with the letters MSH and its separators", "MSH", "no-msh")
    return start


def end_of_first_segment(raw: bytes, start: int) -> int:
    """Where the first segment ends, whatever line end the sender uses."""
    end = raw.find(b"\r", start)
    feed = raw.find(b"\n", start, end) if end >= 0 else raw.find(b"\n", start)
    if feed >= 0:
        return feed
    return end if end >= 0 else len(raw)


def _meant(kind: str, charset: str, field_sep: str, encoding_chars: str) -> tuple[str, str]:
    """MSH-9 as `ORU^R01`, its first two components, and the codec of MSH-18. Raises Hl7Error if the separators cannot
    be used."""
    parts = kind.split(Delimiters.of(field_sep, encoding_chars).component)
    return "^".join(parts[:2]).rstrip("^"), codec_of(first_repetition(charset)[:64]) or "utf-8"


_remembered = lru_cache(maxsize=1024)(_meant)
_LONGEST_REMEMBERED = 1024


def first_repetition(text: str) -> str:
    """MSH-18's default character set is its first repetition; `~` separates them in all but exotic messages."""
    return text.split("~", 1)[0].strip()


def declared_charset(msh: bytes) -> str:
    """MSH-18, its first repetition, read from bytes that are not decoded yet."""
    fields = msh.split(msh[3:4], 18)
    return first_repetition(fields[17].decode("ascii", "replace")) if len(fields) > 17 else ""
