"""What an attempt to deliver comes to: a pure decision over the answer or error word, and the retry policy."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.contracts.journal import DeliveryOutcome, Failure
from engine.model.delivery import Delivery
from engine.model.errors import (
    EngineError,
    NeedsReview,
    NotPermitted,
    Throttled,
    Unavailable,
    Unreachable,
)
from engine.model.fingerprint import fingerprint
from engine.model.outcome import Answer
from engine.model.retry import RetryPolicy
from engine.model.states import DeliveryState


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome to commit, and for a retry the seconds to wait."""

    outcome: DeliveryOutcome
    wait_seconds: float | None = None


def judge(
    delivery: Delivery,
    result: Answer | EngineError,
    policy: RetryPolicy,
    *,
    failures: int,
    now: datetime,
    chance: float,
) -> Attempt:
    """Answered: sent. Unavailable: retried until the policy's attempts are used up (a destination that could not
    even be reached, or asked for patience, uses up none). NeedsReview, NotPermitted and all others end it.

    `failures` counts this one and those before it in a row, however caused; `chance` is a number from 0 to 1.
    """
    if isinstance(result, Answer):
        return Attempt(DeliveryOutcome(delivery.id, DeliveryState.SENT, delivery.attempt, answer=result))
    failure = Failure.of(result, fingerprint(delivery.channel, delivery.destination, result.code, result.path))
    wait = _wait(delivery.attempt, result, policy, failures, chance)
    if wait is not None:
        free = isinstance(result, (Unreachable, Throttled))
        used = delivery.attempt - 1 if free else delivery.attempt
        due = now + timedelta(seconds=wait)
        return Attempt(DeliveryOutcome(delivery.id, DeliveryState.RETRY, used, failure=failure, due_at=due), wait)
    state = DeliveryState.HELD
    if isinstance(result, NeedsReview):
        state = DeliveryState.REVIEW
    elif isinstance(result, NotPermitted):
        state = DeliveryState.DEFERRED
    return Attempt(DeliveryOutcome(delivery.id, state, delivery.attempt, failure=failure))


def _wait(attempt: int, result: EngineError, policy: RetryPolicy, failures: int, chance: float) -> float | None:
    if isinstance(result, Throttled):
        return result.after_seconds
    if isinstance(result, Unreachable):
        return policy.back_off(failures, chance)
    if isinstance(result, Unavailable):
        return policy.wait_after(attempt, chance)
    return None


def unexpected(error: Exception, detail: str) -> EngineError:
    """A foreign exception out of a destination: retried a bounded number of times, then held."""
    text = f"the destination failed with {type(error).__name__}; its developer finds the trace in the journal"
    return Unavailable(text, code="destination-failed", detail=detail)
