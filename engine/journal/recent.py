"""What was just committed, kept at hand for whoever works on it next, so that it need not be read again."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar


class HasBody(Protocol):
    """A message or a delivery."""

    @property
    def body(self) -> bytes: ...


V = TypeVar("V", bound=HasBody)


class Recent(Generic[V]):
    """Values by id, each given out once; the oldest go when there are more than `most_bytes` of bodies.

    Only the process that committed them has them, and only while they are in flight for sure: whoever asks a second
    time (a ticket too many, a retry) reads the journal.
    """

    def __init__(self, most_bytes: int = 16_000_000) -> None:
        self._values: OrderedDict[str, V] = OrderedDict()
        self._most = most_bytes
        self._bytes = 0

    def put(self, items: Iterable[tuple[str, V]]) -> None:
        for id_, value in items:
            self._values[id_] = value
            self._bytes += len(value.body) + 500
        while self._bytes > self._most:
            self._forget(self._values.popitem(last=False)[1])

    def take(self, ids: Sequence[str]) -> tuple[list[V], list[str]]:
        """Those that are at hand, in the order asked for, and the ids of the others."""
        found, missing = [], []
        for id_ in ids:
            value = self._values.pop(id_, None)
            if value is None:
                missing.append(id_)
            else:
                self._forget(value)
                found.append(value)
        return found, missing

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """The bytes of the bodies of those that are at hand."""
        values = self._values
        return {id_: len(values[id_].body) for id_ in ids if id_ in values}

    def drop(self, ids: Iterable[str]) -> None:
        """These are no longer in flight."""
        for id_ in ids:
            value = self._values.pop(id_, None)
            if value is not None:
                self._forget(value)

    def clear(self) -> None:
        self._values.clear()
        self._bytes = 0

    def _forget(self, value: V) -> None:
        self._bytes -= len(value.body) + 500
