"""Whose message it is, read from the bytes without reading the message: what keeps a patient's messages in order."""

from clinical.hl7v2.header import Header


def patient_key(raw: bytes, head: Header) -> str | None:
    """Identifier and assigning authority (PID-3.1, PID-3.4) of the first patient, as they stand: `4711|STM`.

    None if there is no PID or it names nobody. Messages of one patient have one key however they write the rest of
    PID-3; for ADT^A40 it is the patient that survives the merge (MRG has the other).
    """
    separator = head.field_sep.encode()
    start = _segment(raw, b"PID" + separator)
    if start < 0:
        return None
    fields = raw[start : start + 1000].split(separator, 4)
    if len(fields) < 4:
        return None
    characters = head.encoding_chars + "^~"[len(head.encoding_chars) :]
    first = fields[3].partition(b"\r")[0].partition(b"\n")[0].partition(characters[1].encode())[0]
    parts = first.decode("latin-1").split(characters[0])
    identifier = parts[0].strip()
    return f"{identifier}|{parts[3].strip() if len(parts) > 3 else ''}" if identifier else None


def _segment(raw: bytes, name: bytes) -> int:
    """Where a segment of this name begins; -1 without one."""
    for end in (b"\r", b"\n"):
        if (found := raw.find(end + name)) >= 0:
            return found + 1
    return -1
