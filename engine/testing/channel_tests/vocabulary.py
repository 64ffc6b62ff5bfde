"""What channel tests need to know of the domain: the engine itself knows nothing of readings and patients."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from engine.contracts.journal import Queries
from engine.contracts.plugins import Transaction
from engine.testing.channel_tests.keys import PatientLink


class Vocabulary(Protocol):
    """Readings in the words of an analyst: flat names (`value`, `unit`, `code`, `effective_time`) and plain values."""

    def compose(self, readings: Sequence[Mapping[str, Any]], at: datetime) -> bytes:
        """The body of a `records` message. `at`: when a reading was taken that does not say. Raises ValueError that
        says what to write."""
        ...

    def read(self, body: bytes) -> Sequence[Mapping[str, str]]:
        """The readings of a `records` body."""
        ...

    async def link(self, tx: Transaction, tenant: str, patients: Sequence[PatientLink], at: int) -> None:
        """Make patients known. `at` in microseconds."""
        ...

    async def enter(self, tx: Transaction, tenant: str, body: bytes, at: datetime) -> None:
        """Enter readings in the ledger. `body` as `compose` made it."""
        ...

    async def kept(self, queries: Queries) -> Sequence[Mapping[str, str]]:
        """The readings that stand, in order of time."""
        ...
