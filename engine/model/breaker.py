"""Circuit breaker: stop calling a destination that keeps failing, and try one call at a time until it is back."""

from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after `failures` failed calls in a row; after `rest_seconds` it lets one call through.

    The caller gives the time (monotonic seconds), so the breaker has no clock of its own.
    """

    def __init__(self, failures: int = 5, rest_seconds: float = 30.0) -> None:
        self._limit = failures
        self._rest = rest_seconds
        self._failed = 0
        self._opened_at: float | None = None
        self._probing = False

    def state(self, now: float) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if now >= self._opened_at + self._rest else BreakerState.OPEN

    def wait(self, now: float) -> float:
        """Seconds until a call may be made: 0 when one may be made now. While the one call of a half-open breaker is
        under way, the whole rest: ask again when it is back."""
        if self._opened_at is None:
            return 0.0
        return self._rest if self._probing else max(0.0, self._opened_at + self._rest - now)

    def calling(self) -> None:
        """A call is made, `wait` having been 0."""
        self._probing = self._opened_at is not None

    def spared(self) -> None:
        """The call was not needed."""
        self._probing = False

    def succeeded(self) -> None:
        self._failed, self._opened_at, self._probing = 0, None, False

    def failed(self, now: float) -> None:
        self._failed += 1
        if self._probing or self._failed >= self._limit:
            self._opened_at, self._probing = now, False
