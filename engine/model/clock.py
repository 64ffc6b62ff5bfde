"""Time as the engine sees it: wall time for records, monotonic time for waits."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What the engine asks instead of the operating system, so that tests can let time stand still."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC. For records and due times that outlive the process."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back. For waits, breakers and rates inside one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # asked for each read of each connection

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def to_micros(moment: datetime) -> int:
    """An aware instant as whole microseconds since 1970-01-01T00:00Z: the form in which the journal keeps times."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant of `to_micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)
