"""Bundles: many writes in one call, each with an answer of its own.

Of type batch (R4 section 3.1.0.11), or as a CGM data submission (HL7 CGM guide 1.0.0, `$submit-cgm-bundle`), which is a
transaction by type only: the receiver may keep a part of it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from clinical.fhir.times import instant_text
from connectors.fhir.answers import Reply
from connectors.fhir.write import Write

_RESPONSES: Final = ("batch-response", "transaction-response")
_STATUS: Final = re.compile(r"\s*([1-5]\d\d)(?!\d)")


def bundle_of(writes: Sequence[Write]) -> bytes:
    """A batch Bundle; each entry is a conditional create or a conditional update, its resource byte for byte."""
    entries = [{"resource": orjson.Fragment(write.body), "request": _request(write)} for write in writes]
    return orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})


SUBMIT: Final = "$submit-cgm-bundle"
RECEIVER: Final = "http://hl7.org/fhir/uv/cgm/CapabilityStatement/cgm-data-receiver"
_PROFILE: Final = "http://hl7.org/fhir/uv/cgm/StructureDefinition/cgm-data-submission-bundle"


def submission_of(writes: Sequence[Write], now: datetime) -> bytes:
    """A CGM data submission; each entry a conditional create."""
    entries = [{"resource": orjson.Fragment(write.body), "request": _request(write)} for write in writes]
    return orjson.dumps(
        {
            "resourceType": "Bundle",
            "meta": {"profile": [_PROFILE]},
            "type": "transaction",
            "timestamp": instant_text(now),
            "entry": entries,
        }
    )


def receives_submissions(capability: Mapping[str, Any] | None) -> bool:
    """Does a CapabilityStatement say that the server takes `$submit-cgm-bundle`?"""
    listed = capability.get("instantiates") if capability is not None else None
    return isinstance(listed, list) and any(isinstance(each, str) and each.split("|")[0] == RECEIVER for each in listed)


def _request(write: Write) -> dict[str, str]:
    if write.interaction == "update":
        return {"method": "PUT", "url": f"{write.resource_type}?{write.query}"}
    return {"method": "POST", "url": write.resource_type, "ifNoneExist": write.query}


def replies_of(bundle: Mapping[str, Any] | None, count: int) -> list[Reply | None] | None:
    """The answers of a batch-response or transaction-response, in the order of the entries that were sent; None for
    one that says no status.

    None in whole if this is no response to `count` entries: then no answer can be matched with its entry.
    """
    if bundle is None or bundle.get("resourceType") != "Bundle" or bundle.get("type") not in _RESPONSES:
        return None
    entries = bundle.get("entry")
    if not isinstance(entries, list) or len(entries) != count:
        return None
    return [_reply(entry) for entry in entries]


def by_write(writes: Sequence[Write], replies: Sequence[Reply | None]) -> list[Reply | None]:
    """The answers by the writes that they are of. R4 wants them in the order of the request; where a resource that came
    back has another write's identifier they are not, and then only those count that name their write so."""
    named = [_named(writes, place, reply) for place, reply in enumerate(replies)]
    if all(number in (None, place) for place, number in enumerate(named)):
        return list(replies)
    found: list[Reply | None] = [None] * len(writes)
    for number, reply in zip(named, replies, strict=True):
        if number is not None:
            found[number] = reply
    return found


def _named(writes: Sequence[Write], place: int, reply: Reply | None) -> int | None:
    if reply is None or reply.resource is None or "identifier" not in reply.resource:
        return None
    nearest = (place, *(number for number in range(len(writes)) if number != place))
    return next((number for number in nearest if writes[number].matches(reply.resource)), None)


def _reply(entry: Any) -> Reply | None:
    response = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(response, dict):
        return None
    status = _STATUS.match(response["status"]) if isinstance(response.get("status"), str) else None
    if status is None:
        return None
    outcome = response.get("outcome")
    resource = outcome if isinstance(outcome, dict) else entry.get("resource")
    return Reply(
        status=int(status[1]),
        location=_text(response.get("location")),
        etag=_text(response.get("etag")),
        resource=resource if isinstance(resource, dict) else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
