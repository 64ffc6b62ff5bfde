"""FHIR's RESTful interactions over the simulated store (R4 section 3.1.0), without any HTTP."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from simulators.fhir_faults import Ask, Deed, Faults
from simulators.fhir_rules import TYPES, Issue, outcome
from simulators.fhir_store import FhirProblem, FhirStore, Resource

Criteria = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, understood. `criteria` are those of a search or of the condition of a create or update."""

    ask: Ask
    id_: str | None = None
    criteria: Criteria = field(default_factory=list)
    conditional: bool = False
    if_match: str | None = None
    prefer: str = ""
    resource: Resource | None = None


@dataclass(slots=True)
class Result:
    """What the server says: a status, perhaps a resource and where it is."""

    status: int
    resource: dict[str, Any] | None = None
    location: str | None = None
    version: str | None = None
    minimal: bool = False
    """The asker wants no body."""
    headers: dict[str, str] = field(default_factory=dict)


class Rest:
    """Understands and performs. `counts` says what was done. `conditional_create`: does it know If-None-Exist?"""

    def __init__(
        self, store: FhirStore, faults: Faults, counts: Counter[str], *, conditional_create: bool = True
    ) -> None:
        self._conditional_create = conditional_create
        self._store = store
        self._faults = faults
        self._counts = counts

    def understand(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Call:
        """Raises FhirProblem if it is no interaction of this server."""
        number, prefer = self._counts["requests"], headers.get("Prefer", "")
        parts = [part for part in path.split("/") if part]
        if not parts and method == "POST":
            return Call(Ask(method, "batch", "Bundle", resource := _json(body), number=number), resource=resource)
        if parts == ["metadata"] and method == "GET":
            return Call(Ask(method, "capabilities", number=number))
        kind, id_ = _known(parts), parts[1] if len(parts) > 1 else None
        if method == "GET" and len(parts) <= 2:
            criteria = parse_qsl(query, keep_blank_values=True)
            return Call(Ask(method, "read" if id_ else "search", kind, number=number), id_, criteria)
        if method == "GET" and parts[2:] == ["_history"]:
            return Call(Ask(method, "history", kind, number=number), id_)
        if method == "POST" and parts[1:] == ["_search"]:
            criteria = parse_qsl(f"{body.decode()}&{query}".strip("&"), keep_blank_values=True)
            return Call(Ask(method, "search", kind, number=number), criteria=criteria)
        if method not in ("POST", "PUT") or len(parts) > (1 if method == "POST" else 2):
            raise FhirProblem(405, Issue("not-supported", f"no {method} there"))
        condition = headers.get("If-None-Exist") if method == "POST" else (query or None)
        return _write(method, kind, id_, _json(body), condition, headers.get("If-Match"), prefer, number)

    def perform(self, call: Call) -> Result:
        """Do it. What goes wrong becomes a Result with an OperationOutcome."""
        try:
            return getattr(self, f"_{call.ask.interaction}")(call)  # type: ignore[no-any-return]
        except FhirProblem as problem:
            self._counts["refused"] += 1
            return Result(problem.status, problem.outcome)

    def _create(self, call: Call) -> Result:
        assert call.resource is not None
        found = self._matching(call) if self._conditional_create else None
        if found is not None:
            self._counts["matches"] += 1
            return _stored(200, found, call)
        stored = self._store.create(call.resource)
        self._counts["creates"] += 1
        return _stored(201, stored, call)

    def _update(self, call: Call) -> Result:
        assert call.resource is not None
        kind, id_ = str(call.ask.resource_type), call.id_
        if call.conditional:
            found = self._matching(call)
            if found is None:
                stored = self._store.create(call.resource)
                self._counts["creates"] += 1
                return _stored(201, stored, call)
            id_ = str(found["id"])
        elif id_ is None or call.resource.get("id") != id_:
            raise FhirProblem(400, Issue("invalid", "the resource must have the id of the address"))
        stored = self._store.update(kind, id_, call.resource, call.if_match)
        new = stored["meta"]["versionId"] == "1"
        self._counts["creates" if new else "updates"] += 1
        return _stored(201 if new else 200, stored, call)

    def _matching(self, call: Call) -> Resource | None:
        if not call.conditional:
            return None
        found = self._store.search(str(call.ask.resource_type), call.criteria)
        if len(found) > 1:
            raise FhirProblem(412, Issue("multiple-matches", f"{len(found)} resources match"))
        return found[0] if found else None

    def _read(self, call: Call) -> Result:
        found = self._store.read(str(call.ask.resource_type), str(call.id_))
        return Result(200, found, version=found["meta"]["versionId"])

    def _history(self, call: Call) -> Result:
        versions = self._store.history(str(call.ask.resource_type), str(call.id_))
        return Result(200, _bundle("history", [{"resource": version} for version in reversed(versions)]))

    def _search(self, call: Call) -> Result:
        self._counts["searches"] += 1
        found = self._store.search(str(call.ask.resource_type), call.criteria)
        entries = [{"resource": resource, "search": {"mode": "match"}} for resource in found]
        return Result(200, {**_bundle("searchset", entries), "total": len(found)})

    def _batch(self, call: Call) -> Result:
        bundle = call.resource or {}
        if bundle.get("type") != "batch":
            raise FhirProblem(400, Issue("not-supported", "only Bundles of type batch are taken", "Bundle.type"))
        self._counts["batches"] += 1
        entries = [self._entry(entry, call.ask.number) for entry in bundle.get("entry", [])]
        return Result(200, _bundle("batch-response", entries))

    def _entry(self, entry: Any, number: int) -> dict[str, Any]:
        self._counts["entries"] += 1
        try:
            call = _entry_call(entry, number)
        except FhirProblem as problem:
            return {"response": {"status": str(problem.status), "outcome": problem.outcome}}
        fault = self._faults.take(call.ask)
        if fault is not None and fault.deed is Deed.STATUS:
            told = outcome(Issue("processing", f"told to answer {fault.status}"))
            result = Result(fault.status, dict(fault.outcome or told))
        else:
            result = self.perform(call)
        response: dict[str, Any] = {"status": str(result.status)}
        if result.location:
            response |= {"location": result.location, "etag": f'W/"{result.version}"'}
        if result.status >= 400:
            response["outcome"] = result.resource
        return {"response": response}

    def _capabilities(self, _: Call) -> Result:
        codes = ["create", "update", "read", "history-instance", "search-type"]
        conditional = {"conditionalCreate": self._conditional_create, "conditionalUpdate": True}
        one = {"interaction": [{"code": code} for code in codes], **conditional}
        resources = [{"type": kind, **one} for kind in sorted(TYPES)]
        statement = {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "software": {"name": "Islet FHIR simulator"},
            "implementation": {"description": "Simulated server for demos and tests"},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [{"mode": "server", "resource": resources, "interaction": [{"code": "batch"}]}],
        }
        return Result(200, statement)


def _json(body: bytes) -> Resource:
    try:
        resource = orjson.loads(body)
    except orjson.JSONDecodeError:
        resource = None
    if not isinstance(resource, dict):
        raise FhirProblem(400, Issue("structure", "the body is no JSON object"))
    return resource


def _known(parts: list[str]) -> str:
    if not parts or parts[0] not in TYPES:
        raise FhirProblem(404, Issue("not-supported", "no such resource type here"))
    return parts[0]


def _write(
    method: str,
    kind: str,
    id_: str | None,
    resource: Resource,
    condition: str | None,
    if_match: str | None,
    prefer: str,
    number: int,
    in_batch: bool = False,
) -> Call:
    if resource.get("resourceType") != kind:
        raise FhirProblem(400, Issue("invalid", f"the address says {kind}, the resource does not", "resourceType"))
    ask = Ask(method, "create" if method == "POST" else "update", kind, resource, in_batch, number)
    criteria = parse_qsl(condition or "", keep_blank_values=True)
    if method == "PUT" and id_ is None and not criteria:
        raise FhirProblem(400, Issue("invalid", "an update needs an id or a condition"))
    version = if_match.removeprefix("W/").strip('"') if if_match else None
    return Call(ask, id_, criteria, bool(criteria), version, prefer, resource)


def _entry_call(entry: Any, number: int) -> Call:
    request = entry.get("request") if isinstance(entry, dict) else None
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or request.get("method") not in ("POST", "PUT") or not isinstance(resource, dict):
        raise FhirProblem(400, Issue("not-supported", "an entry needs a resource and a POST or PUT"))
    method = request["method"]
    path, _, query = str(request.get("url", "")).partition("?")
    parts = [part for part in path.split("/") if part]
    condition = request.get("ifNoneExist") if method == "POST" else (query or None)
    id_ = parts[1] if len(parts) > 1 else None
    return _write(method, _known(parts), id_, resource, condition, request.get("ifMatch"), "", number, in_batch=True)


def _stored(status: int, resource: Resource, call: Call) -> Result:
    version = resource["meta"]["versionId"]
    location = f"{resource['resourceType']}/{resource['id']}/_history/{version}"
    return Result(status, resource, location, version, minimal="return=minimal" in call.prefer)


def _bundle(kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": entries}
