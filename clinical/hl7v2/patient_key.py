"""Whose message it is, read from the bytes without reading the message: what keeps a patient's messages in order."""

import re
from functools import lru_cache

from clinical.hl7v2.header import Header


def patient_key(raw: bytes, head: Header) -> str | None:
    """Identifier and assigning authority (PID-3.1, PID-3.4) of the first patient, as they stand: `4711|STM`.

    None if there is no PID or it names nobody. Messages of one patient have one key however they write the rest of
    PID-3; for ADT^A40 it is the patient that survives the merge (MRG has the other).
    """
    start = raw.find(b"PID")
    found = _pattern(head.field_sep, head.encoding_chars).search(raw, max(start - 1, 0)) if start >= 0 else None
    if found is None:
        return None
    key = b"%b|%b" % (found[1].strip(), (found[2] or b"").strip())
    return None if key[:1] == b"|" else key.decode("latin-1")


@lru_cache(maxsize=256)
def _pattern(field_sep: str, encoding_chars: str) -> re.Pattern[bytes]:
    """PID up to PID-3, of which the first and the fourth component of the first repetition."""
    characters = encoding_chars + "^~"[len(encoding_chars) :]
    sep, component, repetition = map(re.escape, (field_sep, characters[0], characters[1]))
    field, part = rf"[^{sep}\r\n]*+", rf"[^{sep}{component}{repetition}\r\n]*+"
    text = rf"[\r\n]PID{sep}{field}{sep}{field}{sep}({part})(?:{component}{part}{component}{part}{component}({part}))?"
    return re.compile(text.encode())
