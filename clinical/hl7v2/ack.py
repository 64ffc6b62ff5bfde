"""Acknowledgements: which one is wanted, built for what came in, read from what came back.

HL7 v2.9.1 sections 2.9 and 2.10.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from clinical.hl7v2.charset import decode
from clinical.hl7v2.delimiters import Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.header import Header, declared_charset, end_of_first_segment, start_of
from clinical.hl7v2.paths import Path, parse_path

ERROR_CONDITIONS = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""HL7 table 0357."""

_LINE_END = re.compile("[\r\n]+")
_LONGEST_REMEMBERED: Final = 1000
_MOST_REMEMBERED: Final = 512
_CUT: Final = "\0"


Outcome = Literal["A", "E", "R"]
"""Taken; wrong in content; not acceptable or not possible now."""

_CONDITIONS: Final[Mapping[str, str]] = {"AL": "AER", "NE": "", "ER": "ER", "SU": "A"}
"""HL7 table 0155: at which outcomes an answer is wanted."""


def answer_code(header: Header, outcome: Outcome, *, enhanced: bool) -> str | None:
    """MSA-1 of the answer that the sender of this message wants on its connection; None for no answer.

    Original mode: AA, AE or AR. Enhanced mode (HL7 v2.9.1 section 2.9.3) is switched on by AL, NE, ER or SU in MSH-15,
    and by nothing else: some instruments write their own figures there. Then an accept answer (CA, CE, CR) goes out
    where MSH-15 wants it, else an application answer (AA, AE, AR) where MSH-16 wants one; never both, as most senders
    take a second answer for the next message's (`asks_for_both`).
    """
    accept = _CONDITIONS.get(header.accept_ack.strip().upper()) if enhanced else None
    if accept is None:
        return "A" + outcome
    if outcome in accept:
        return "C" + outcome
    return "A" + outcome if outcome in _CONDITIONS.get(header.application_ack.strip().upper(), "") else None


def asks_for_both(header: Header) -> bool:
    """Does the sender of a message that is taken want an application answer (MSH-16) besides the accept answer?"""
    wanted = (_CONDITIONS.get(asked.strip().upper(), "") for asked in (header.accept_ack, header.application_ack))
    return all("A" in outcomes for outcomes in wanted)


@dataclass(frozen=True, slots=True)
class AckReply:
    """What a peer answered. `code` is MSA-1 in capitals; `control_id` is MSA-2 exactly as it came.

    `text` is what the peer says about it (ERR-8, ERR-7, MSA-3, in that order): it may hold anything, so it is never
    logged. `error_codes` are those of ERR-3 (ERR-1 and MSA-6 of older versions) and then the application's own of
    ERR-5. `severity` is the worst ERR-4: `F`, `E`, `W` or `I`, `""` where none is given.
    """

    code: str
    control_id: str = field(repr=False)
    text: str = field(default="", repr=False)
    error_codes: tuple[str, ...] = ()
    severity: str = ""


def ack(
    header: Header,
    code: str,
    control_id: str,
    time: datetime | str,
    text: str | None = None,
    error_code: str | None = None,
    location: str | None = None,
    *,
    quiet: bool = False,
) -> bytes:
    """The answer to the message with this header, `code` being AA, AE or AR (CA, CE, CR are built alike).

    `control_id` and `time` (aware, or HL7 text) are the answer's own. With `text` or `error_code` an ERR segment says
    why: `error_code` from table 0357 (207 if none is given), `location` a path such as `OBX[2]-6`, `text` for a
    person; `quiet`: it says itself that it wants no answer, as an application answer of enhanced mode must. Versions
    before 2.5 have only ERR-1 for that, so their text goes into MSA-3, where people look.
    """
    wrong = text is not None or error_code is not None
    stamp = time if isinstance(time, str) else time.strftime("%Y%m%d%H%M%S%z")
    if not (wrong or quiet) and header.control_id and control_id.isalnum() and (parts := plain_answer(header, code)):
        before, between, behind = parts
        answer = f"{before}{stamp}{between}{control_id}{behind}{header.control_id}\r"
        return answer.encode(header.codec, "replace")
    delimiters = Delimiters.of(header.field_sep, header.encoding_chars)
    release = _release(header.version[:32], delimiters)
    lines = [_msh(header, delimiters, release, _written(control_id, delimiters), stamp, quiet)]
    reason = _written(text, delimiters) if text and release < (2, 7) else ""
    lines.append(_joined(delimiters, "MSA", code, header.control_id, reason))
    if wrong:
        lines.append(_err(delimiters, release, code, text or "", error_code or "207", location))
    return "".join(line + "\r" for line in lines).encode(header.codec, "replace")


def plain_answer(header: Header, code: str) -> tuple[str, str, str] | None:
    """What is the same in every plain answer to this sender, cut where its time, its control id and MSA-2 stand; None
    where it cannot be cut. A hot path; what is remembered is bounded in number and length."""
    key = (
        code,
        header.field_sep,
        header.encoding_chars,
        header.sending_application,
        header.sending_facility,
        header.receiving_application,
        header.receiving_facility,
        header.message_type,
        header.processing_id,
        header.version,
        header.charset,
    )
    known = _known.get(key)
    if known is None and sum(map(len, key)) < _LONGEST_REMEMBERED:
        delimiters = Delimiters.of(header.field_sep, header.encoding_chars)
        msh = _msh(header, delimiters, _release(header.version, delimiters), _CUT, _CUT)
        parts = f"{msh}\r{delimiters.field.join(['MSA', code, ''])}".split(_CUT)
        if len(parts) == 3:
            if len(_known) >= _MOST_REMEMBERED:
                _known.clear()
            known = _known[key] = (parts[0], parts[1], parts[2])
    return known


_known: dict[tuple[str, ...], tuple[str, str, str]] = {}


def parse_ack(raw: bytes) -> AckReply:
    """Read an answer, with whatever line ends, missing last CR, old version or extra fields it has.

    Raises Hl7Error if it is not HL7 or has no MSA-1.
    """
    start = start_of(raw)
    msh = raw[start : end_of_first_segment(raw, start)]
    text, charset = decode(raw[start:], declared_charset(msh))
    delimiters = _delimiters(text)
    segments = [line.lstrip(" \t\ufeff").split(delimiters.field) for line in _LINE_END.split(text)]
    msa = next((fields for fields in segments if fields[0].upper() == "MSA"), None)
    if msa is None or not _at(msa, 1).strip():
        raise Hl7Error("the answer has no MSA segment with a code", "MSA-1", "no-msa")
    errors = [fields for fields in segments if fields[0].upper() == "ERR"]

    def said(value: str) -> str:
        return delimiters.unescaped(value, charset.codec).strip()

    texts = [said(_at(fields, n)) for fields in errors for n in (8, 7)] + [said(_at(msa, 3))]
    codes = [found for fields in errors for found in _error_codes(fields, delimiters)]
    codes += [code for code in [_first(_at(msa, 6), delimiters)] if code != "0"]  # 0: message accepted
    codes += [_first(_at(fields, 5), delimiters) for fields in errors]
    severities = {_at(fields, 4).strip().upper() for fields in errors}
    return AckReply(
        code=_at(msa, 1).strip().upper(),
        control_id=_at(msa, 2),
        text="; ".join(dict.fromkeys(filter(None, texts))),
        error_codes=tuple(dict.fromkeys(filter(None, codes))),
        severity=next((known for known in "FEWI" if known in severities), ""),
    )


def _delimiters(text: str) -> Delimiters:
    """Of an answer: what a careless peer appends to MSH-2 does not keep us from reading MSA."""
    sep = text[3:4]
    return Delimiters.of(sep, _LINE_END.split(text[4:], maxsplit=1)[0].split(sep, 1)[0])


def _at(fields: list[str], n: int) -> str:
    return fields[n] if n < len(fields) else ""


def _first(text: str, delimiters: Delimiters) -> str:
    """The first component of a field."""
    return text.split(delimiters.component)[0].strip()


def _error_codes(fields: list[str], delimiters: Delimiters) -> list[str]:
    """ERR-3.1, else ERR-1.4.1 of every repetition (ELD, before v2.5)."""
    if found := _first(_at(fields, 3), delimiters):
        return [found]
    codes = []
    for repetition in _at(fields, 1).split(delimiters.repetition or "\r"):
        fourth = _at(repetition.split(delimiters.component), 3)
        codes.append((fourth.split(delimiters.subcomponent)[0] if delimiters.subcomponent else fourth).strip())
    return [found for found in codes if found]


def _msh(
    header: Header, delimiters: Delimiters, release: tuple[int, int], control_id: str, stamp: str, quiet: bool = False
) -> str:
    event = header.message_type.partition("^")[2]
    structure = "ACK" if release >= (2, 4) else ""
    message_type = delimiters.component.join(["ACK", event, structure]).rstrip(delimiters.component)
    fields = [
        "MSH",
        delimiters.encoding_chars,
        header.receiving_application,
        header.receiving_facility,
        header.sending_application,
        header.sending_facility,
        stamp,
        "",
        message_type,
        control_id,
        header.processing_id,
        header.version,
    ]
    if header.charset or quiet:
        asked = "NE" if quiet else ""
        fields += ["", "", asked, asked, "", header.charset]
    return delimiters.field.join(fields)


def _err(
    delimiters: Delimiters, release: tuple[int, int], code: str, text: str, error_code: str, location: str | None
) -> str:
    where = parse_path(location) if location else None
    named = ERROR_CONDITIONS.get(error_code, "")
    if release < (2, 5):
        coded = (delimiters.subcomponent or " ").join([error_code, named, "HL70357"])
        return _joined(delimiters, "ERR", delimiters.component.join([*_eld(where), coded]))
    severity = "I" if code in ("AA", "CA") else "E"
    coded = delimiters.component.join([error_code, named, "HL70357"])
    return _joined(
        delimiters, "ERR", "", _erl(where, delimiters), coded, severity, "", "", "", _written(text, delimiters)
    )


def _eld(where: Path | None) -> list[str]:
    """ERR-1: segment, its sequence, field."""
    if where is None:
        return ["", "", ""]
    return [where.segment, str(where.occurrence or 1), "" if where.field is None else str(where.field)]


def _erl(where: Path | None, delimiters: Delimiters) -> str:
    """ERR-2: segment, its sequence, field, repetition, component, sub-component."""
    if where is None:
        return ""
    repetition = where.repetition or (1 if where.component else None)
    parts = [*_eld(where), *("" if n is None else str(n) for n in (repetition, where.component, where.subcomponent))]
    return delimiters.component.join(parts).rstrip(delimiters.component)


def _written(text: str, delimiters: Delimiters) -> str:
    """Escaped; where the message names no escape character, its separators become spaces: an answer never fails."""
    if delimiters.escape:
        return delimiters.escaped(text)
    separators = delimiters.field + delimiters.encoding_chars
    return "".join(" " if sign in separators or sign < " " else sign for sign in text)


def _joined(delimiters: Delimiters, *fields: str) -> str:
    return delimiters.field.join(fields).rstrip(delimiters.field)


@lru_cache(maxsize=64)
def _release(version: str, delimiters: Delimiters) -> tuple[int, int]:
    """`2.5.1^USA` as (2, 5); an unreadable version counts as 2.5."""
    match = re.match(r"\s*(\d{1,9})\.(\d{1,9})", version.split(delimiters.component)[0])
    return (int(match[1]), int(match[2])) if match else (2, 5)
