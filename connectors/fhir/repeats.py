"""Creates of which nobody knows if they were done, for servers that have no conditional create."""

import re
from collections.abc import Mapping
from typing import Any, Final

from connectors.fhir.write import Write
from engine import sdk

_MOST: Final = 10_000
_NOT_DONE: Final = re.compile(r"http-(4(?!08)\d\d|3\d\d|501|503|505)")
"""Statuses of an answer that the server gives before it does anything. A 500, 502 or 504 may come behind the deed."""


class Repeats:
    """Which creates may have been done already: those of an earlier attempt, unless that one was answered with a
    plain no. What is not remembered (it was before a restart) counts as in doubt."""

    def __init__(self) -> None:
        self._not_done: dict[str, None] = {}

    def note(self, write: Write, result: sdk.Answer | sdk.EngineError) -> None:
        """What an attempt came to."""
        self._not_done.pop(write.delivery_id, None)
        if isinstance(result, sdk.Unreachable) or (
            isinstance(result, sdk.EngineError) and _NOT_DONE.fullmatch(result.code)
        ):
            self._not_done[write.delivery_id] = None
            if len(self._not_done) > _MOST:
                del self._not_done[next(iter(self._not_done))]

    def in_doubt(self, write: Write) -> bool:
        """May an earlier attempt have done it?"""
        return write.interaction == "create" and write.attempt > 1 and write.delivery_id not in self._not_done


def creates_conditionally(capability: Mapping[str, Any] | None, kind: str) -> bool:
    """Does a CapabilityStatement say that resources of this type are created only if they are not there?"""
    for rest in _dicts(capability, "rest"):
        for resource in _dicts(rest, "resource"):
            if resource.get("type") == kind:
                return resource.get("conditionalCreate") is True
    return False


def _dicts(parent: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    found = parent.get(name) if parent is not None else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
