"""Identifiers: what makes a resource recognisable when it is sent again."""

import hashlib
import json
from urllib.parse import quote

from clinical.records import AnyRecord

READING_SYSTEM = "urn:islet:reading"


def reading_value(record: AnyRecord) -> str:
    """The identifier's value: our id of the reconciled record, else 32 hex digits over who the record is at its
    source. The measured value, the time and the status are not in it, so a correction keeps it.
    """
    if record.reading_id is not None:
        return record.reading_id
    named = json.dumps([record.source.system, record.source.value], ensure_ascii=False)
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def token(system: str | None, value: str) -> str:
    """`system|value` as a search token, with FHIR's own escapes (R4 section 3.1.1.4.0.1); not yet URL-encoded."""
    return f"{_escaped(system or '')}|{_escaped(value)}"


def identifier_query(system: str | None, value: str) -> str:
    """`identifier=system|value`, URL-encoded, as If-None-Exist and a conditional update want it (section 3.1.0.8.1)."""
    return "identifier=" + quote(token(system, value), safe=":/|-._~")


def _escaped(text: str) -> str:
    for sign in "\\,$|":
        text = text.replace(sign, "\\" + sign)
    return text
