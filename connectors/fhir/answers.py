"""What a server's status means for a delivery: the one table, for single calls and for entries of a batch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.fhir.outcome import Said, read_outcome
from connectors.fhir.write import Write
from connectors.http_sender import retry_after_seconds
from engine import sdk

_AGAIN: Final = frozenset({408, 409, 423, 425})
_NEVER_ABOVE_500: Final = frozenset({501, 505})
_PATIENCE_SECONDS: Final = 30.0
_LOCATION: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?)/?$")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a server: to a call, or to one entry of a batch.

    `resource` is the body as JSON object; `raw` the beginning of a body that is none (`rubbish`); `body` what came.
    """

    status: int
    location: str | None = field(default=None, repr=False)
    etag: str | None = field(default=None, repr=False)
    retry_after: str | None = None
    resource: Mapping[str, Any] | None = field(default=None, repr=False)
    raw: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def rubbish(self) -> bool:
        return self.resource is None and bool(self.raw)


def judge(write: Write, reply: Reply, now: datetime) -> sdk.Answer | sdk.EngineError:
    """The answer or the error word that a reply to this write stands for.

    2xx: done (200 to a create: it was there). 401: an operator signs in. 403: deferred. 408, 409, 423, 425, 5xx:
    again. 429, or 503 with Retry-After: later. 412: several matches. Redirects are not followed. Else refused.
    """
    return _taken(write, reply) if reply.ok else refusal(write.resource_type, reply, now)


def refusal(kind: str, reply: Reply, now: datetime) -> sdk.EngineError:
    """The error word for a status that is no success, to a resource of type `kind`."""
    status, said = reply.status, read_outcome(kind, reply.resource, reply.raw)
    answered = f"the server answered {status} to the {kind}{said.summary}"
    about: dict[str, Any] = {"code": f"http-{status}", "detail": said.detail}
    wait = retry_after_seconds(reply.retry_after, now)
    if status == 429 or (status == 503 and wait is not None):
        after = _PATIENCE_SECONDS if wait is None else wait
        return sdk.Throttled(f"{answered}; it asks for patience", after_seconds=after, **about)
    if status in _AGAIN or (status >= 500 and status not in _NEVER_ABOVE_500):
        return sdk.Unavailable(answered, **about)
    if status == 401:
        return sdk.NeedsOperator(f"{answered}: it does not accept our sign-in; correct the secret of sign_in", **about)
    if 300 <= status < 400:
        return sdk.Unavailable(f"{answered}, a redirect, which is not followed; write the new address as base", **about)
    return _final(status, answered, said, about)


def _final(status: int, answered: str, said: Said, about: dict[str, Any]) -> sdk.EngineError:
    about["path"] = said.path
    if status == 403:
        return sdk.NotPermitted(f"{answered}: our sign-in may not write this; ask the site to permit it", **about)
    if status == 412:
        text = f"{answered}: several resources there have our identifier; remove all but one, then release this"
        return sdk.Refused(text, **{**about, "code": "several-matches"})
    if status in (404, 405, 410, 501):
        return sdk.Refused(f"{answered}: it does not offer this; look at base and at what the server can do", **about)
    where = f" at {said.path}" if said.path else ""
    return sdk.Refused(f"{answered}{where}; what it said is kept with the delivery", **about)


def _taken(write: Write, reply: Reply) -> sdk.Answer | sdk.EngineError:
    """A success, if nothing in the reply speaks against it (a log-in page is a 200, too)."""
    said = read_outcome(write.resource_type, reply.resource, reply.raw)
    kind = reply.resource.get("resourceType") if reply.resource is not None else None
    if reply.rubbish or said.is_error or kind not in (None, write.resource_type, "OperationOutcome"):
        return unclear(f"the server answered {reply.status} with a body that does not fit", said.detail)
    return sdk.Answer(
        str(reply.status),
        location=location_of(reply.location) or _location_inside(write, reply),
        existing=reply.status == 200 and write.interaction == "create",
    )


def unclear(text: str, detail: str | None = None) -> sdk.Unavailable:
    """We cannot know what became of it: it is sent again, and the server recognises it."""
    return sdk.Unavailable(f"{text}; it is sent again", code="unclear-answer", detail=detail)


def location_of(header: str | None) -> str | None:
    """`Observation/123/_history/1` of a Location, absolute or relative; None for anything else."""
    found = _LOCATION.search(header) if header else None
    return found[1] if found else None


def _location_inside(write: Write, reply: Reply) -> str | None:
    resource = reply.resource or {}
    id_ = resource.get("id")
    if resource.get("resourceType") == write.resource_type and isinstance(id_, str):
        return location_of(f"{write.resource_type}/{id_}")
    return None
