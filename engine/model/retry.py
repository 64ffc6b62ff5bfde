"""When to try again: exponential back-off with jitter, as a pure function of the attempt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all (the first included); waits double from `first_wait_seconds` up to `longest_wait_seconds`.

    `jitter` is the share of the wait that is drawn by chance, so that many senders do not come back as one.
    """

    attempts: int = 10
    first_wait_seconds: float = 5.0
    longest_wait_seconds: float = 600.0
    jitter: float = 0.5

    def wait_after(self, attempt: int, chance: float) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1), or None when that was the last.

        `chance` is a number from 0 to 1 from the caller's random source.
        """
        return None if attempt >= self.attempts else self.back_off(attempt, chance)

    def back_off(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row, however many there have been."""
        wait: float = min(self.longest_wait_seconds, self.first_wait_seconds * 2 ** min(failures - 1, 60))
        return wait * (1 - self.jitter * chance)
