"""What an attempt comes to: each answer and error word, and its waits."""

from datetime import timedelta

import pytest

from engine.model.errors import (
    EngineError,
    InvalidMessage,
    NeedsReview,
    NotPermitted,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
)
from engine.model.outcome import Answer
from engine.model.retry import RetryPolicy
from engine.model.states import DeliveryState
from engine.runtime.verdicts import Attempt, judge, unexpected
from engine.testing.builders import STANDS_AT, a_delivery

POLICY = RetryPolicy(attempts=3, first_wait_seconds=10.0, longest_wait_seconds=60.0, jitter=0.0)


def judged(result: Answer | EngineError, attempt: int = 1, failures: int = 1) -> Attempt:
    return judge(a_delivery(attempt=attempt), result, POLICY, failures=failures, now=STANDS_AT, chance=0.5)


def test_an_answer_is_sent() -> None:
    attempt = judged(Answer("201", "Observation/7"), attempt=2)
    assert attempt.wait_seconds is None
    assert (attempt.outcome.state, attempt.outcome.attempt) == (DeliveryState.SENT, 2)
    assert attempt.outcome.answer == Answer("201", "Observation/7")


@pytest.mark.parametrize(("attempt", "wait"), [(1, 10.0), (2, 20.0)])
def test_unavailable_is_retried_with_its_due_time(attempt: int, wait: float) -> None:
    result = judged(Unavailable("away"), attempt=attempt)
    assert result.wait_seconds == wait
    assert (result.outcome.state, result.outcome.attempt) == (DeliveryState.RETRY, attempt)
    assert result.outcome.due_at == STANDS_AT + timedelta(seconds=wait)


def test_the_last_attempt_is_held() -> None:
    result = judged(Unavailable("away"), attempt=3)
    assert (result.wait_seconds, result.outcome.state, result.outcome.attempt) == (None, DeliveryState.HELD, 3)


@pytest.mark.parametrize(
    ("error", "wait"), [(Unreachable("no route"), 60.0), (Throttled("later", after_seconds=7.0), 7.0)]
)
def test_a_free_retry_uses_up_no_attempt_however_often(error: EngineError, wait: float) -> None:
    result = judged(error, attempt=3, failures=50)
    assert (result.wait_seconds, result.outcome.state, result.outcome.attempt) == (wait, DeliveryState.RETRY, 2)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Refused("no"), DeliveryState.HELD),
        (InvalidMessage("no"), DeliveryState.HELD),
        (NeedsReview("look"), DeliveryState.REVIEW),
        (NotPermitted("not now"), DeliveryState.DEFERRED),
    ],
)
def test_all_others_end_it(error: EngineError, state: DeliveryState) -> None:
    result = judged(error)
    assert (result.wait_seconds, result.outcome.state) == (None, state)
    assert result.outcome.failure is not None
    assert result.outcome.failure.fingerprint is not None


def test_an_unexpected_error_says_its_type_and_keeps_its_words_out_of_the_text() -> None:
    error = unexpected(ValueError("CANARY"), "trace with CANARY")
    assert isinstance(error, Unavailable)
    assert "ValueError" in str(error)
    assert "CANARY" not in f"{error} {error!r}"
