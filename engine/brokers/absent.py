"""No broker: for verbs that read or change the journal beside engines that have one."""

from collections.abc import AsyncIterator, Sequence

from engine.contracts.broker import Lease, Ticket
from engine.model.errors import Unavailable


def _absent() -> Unavailable:
    return Unavailable("this command was given no broker; add --broker amqp://user@host/vhost", code="broker-absent")


class AbsentBroker:
    """`engine.contracts.broker.Broker` that has nothing. What is asked of it raises Unavailable."""

    @property
    def trouble(self) -> Unavailable:
        return _absent()

    async def open(self) -> None:
        """There is nothing to open."""

    async def declare(self, queue: str) -> None:  # noqa: ARG002
        raise _absent()

    async def publish(self, queue: str, tickets: Sequence[Ticket]) -> None:  # noqa: ARG002
        raise _absent()

    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[Lease]:  # noqa: ARG002
        raise _absent()
        yield  # makes this an iterator

    async def depth(self, queue: str) -> int:  # noqa: ARG002
        raise _absent()

    async def close(self) -> None:
        """There is nothing to close."""
