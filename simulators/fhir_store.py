"""The simulated FHIR server's memory: every version of every resource, and who answers to which identifier."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from clinical.fhir.times import instant_text
from engine import sdk
from simulators.fhir_rules import Issue, outcome, problems

Resource = dict[str, Any]


class FhirProblem(Exception):
    """A request that gets an OperationOutcome."""

    def __init__(self, status: int, *issues: Issue) -> None:
        self.status = status
        self.outcome = outcome(*issues)
        super().__init__(status)


class FhirStore:
    """Versions of resources by type and id. All methods are safe from any thread and never wait.

    With `file`, each version is appended to it as a line of JSON before it counts, and read back on start.
    """

    def __init__(self, clock: sdk.Clock, file: Path | None = None) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._versions: dict[tuple[str, str], list[Resource]] = {}
        self._by_identifier: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._last_id = 0
        self._file: IO[bytes] | None = None
        if file is not None:
            for resource in _read_back(file):
                self._remember(resource)
            self._file = file.open("ab", buffering=0)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def create(self, resource: Mapping[str, Any]) -> Resource:
        """Store as version 1 under a new id. Raises FhirProblem if it breaks a rule."""
        with self._lock:
            return self._write(resource, str(self._last_id + 1))

    def update(self, kind: str, id_: str, resource: Mapping[str, Any], if_match: str | None = None) -> Resource:
        """Store as the next version of `id_`, which may be new. `if_match`: only on top of that version."""
        with self._lock:
            versions = self._versions.get((kind, id_), [])
            if if_match is not None and if_match != (versions[-1]["meta"]["versionId"] if versions else None):
                raise FhirProblem(412, Issue("conflict", "the resource has another version"))
            return self._write(resource, id_)

    def read(self, kind: str, id_: str) -> Resource:
        """The latest version. Raises FhirProblem 404."""
        return self.history(kind, id_)[-1]

    def history(self, kind: str, id_: str) -> Sequence[Resource]:
        """All versions, oldest first. Raises FhirProblem 404."""
        with self._lock:
            versions = self._versions.get((kind, id_))
            if versions is None:
                raise FhirProblem(404, Issue("not-found", f"no {kind} with this id"))
            return tuple(versions)

    def search(self, kind: str, criteria: Sequence[tuple[str, str]]) -> list[Resource]:
        """The latest versions that meet all criteria, in order of id. Raises FhirProblem 400 for one it cannot do."""
        with self._lock:
            names = [name for name, _ in criteria]
            if unknown := set(names) - _SEARCHES.keys():
                raise FhirProblem(400, Issue("not-supported", f"no search by {', '.join(sorted(unknown))}"))
            wanted = [value for name, value in criteria if name == "identifier"]
            ids = self._by_identifier[kind, wanted[0]] if wanted else {id_ for k, id_ in self._versions if k == kind}
            found = [self._versions[kind, id_][-1] for id_ in sorted(ids, key=lambda id_: (len(id_), id_))]
            return [each for each in found if all(_SEARCHES[name](each, value) for name, value in criteria)]

    def latest(self, kind: str) -> dict[str, Resource]:
        """Id → latest version of all resources of a type."""
        with self._lock:
            return {id_: versions[-1] for (k, id_), versions in self._versions.items() if k == kind}

    def _write(self, resource: Mapping[str, Any], id_: str) -> Resource:
        if found := problems(resource):
            raise FhirProblem(422, *found)
        key = (str(resource["resourceType"]), id_)
        version = len(self._versions.get(key, ())) + 1
        stamp = {"versionId": str(version), "lastUpdated": instant_text(self._clock.now())}
        stored = {**resource, "id": id_, "meta": {**resource.get("meta", {}), **stamp}}
        if self._file is not None:
            self._file.write(orjson.dumps(stored) + b"\n")
        self._remember(stored)
        return stored

    def _remember(self, stored: Resource) -> None:
        kind, id_ = stored["resourceType"], stored["id"]
        versions = self._versions.setdefault((kind, id_), [])
        if versions:
            for token in _tokens(versions[-1]):
                self._by_identifier[kind, token].discard(id_)
        versions.append(stored)
        for token in _tokens(stored):
            self._by_identifier[kind, token].add(id_)
        if id_.isdecimal():
            self._last_id = max(self._last_id, int(id_))


def _read_back(file: Path) -> Iterator[Resource]:
    """The lines of an earlier run. A last line without its end was cut by a kill and never answered: it goes."""
    if not file.exists():
        return
    lines = file.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
        file.write_bytes(b"".join(lines))
    yield from map(orjson.loads, lines)


def _tokens(resource: Resource) -> Iterator[str]:
    """The search tokens that an identifier answers to (R4 section 3.1.1.4.10), with FHIR's escapes."""
    for identifier in resource.get("identifier", []):
        system, value = _escape(identifier.get("system", "")), _escape(identifier.get("value", ""))
        yield f"{system}|{value}"
        yield value


def _escape(text: str) -> str:
    for sign in "\\,$|":
        text = text.replace(sign, "\\" + sign)
    return text


def _has_code(resource: Resource, wanted: str) -> bool:
    codings = resource.get("code", {}).get("coding", [])
    return any(wanted in (c.get("code"), f"{c.get('system', '')}|{c.get('code')}") for c in codings)


def _has_subject(resource: Resource, wanted: str) -> bool:
    reference = resource.get("subject", {}).get("reference", "")
    return wanted in (reference, reference.removeprefix("Patient/"))


_SEARCHES: Mapping[str, Callable[[Resource, str], bool]] = {
    "identifier": lambda resource, wanted: wanted in set(_tokens(resource)),
    "_id": lambda resource, wanted: resource["id"] == wanted,
    "code": _has_code,
    "subject": _has_subject,
    "patient": _has_subject,
    "status": lambda resource, wanted: resource.get("status") == wanted,
}
