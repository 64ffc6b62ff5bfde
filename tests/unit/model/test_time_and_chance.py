"""Retry, breaker, ids, clock, fingerprints."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.breaker import Breaker, BreakerState
from engine.model.clock import from_micros, to_micros
from engine.model.fingerprint import fingerprint
from engine.model.ids import millis_of, new_id
from engine.model.retry import RetryPolicy


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=6, first_wait_seconds=5.0, longest_wait_seconds=30.0, jitter=0.0)
    assert [policy.wait_after(attempt, 0.9) for attempt in range(1, 7)] == [5.0, 10.0, 20.0, 30.0, 30.0, None]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_only_shortens_and_never_below_its_share(failures: int, chance: float) -> None:
    policy = RetryPolicy(first_wait_seconds=5.0, longest_wait_seconds=600.0, jitter=0.5)
    full = RetryPolicy(first_wait_seconds=5.0, longest_wait_seconds=600.0, jitter=0.0).back_off(failures, 0.0)
    assert full / 2 <= policy.back_off(failures, chance) <= full <= 600.0


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures=3, rest_seconds=30.0)
    for outcome in (breaker.failed, breaker.failed):
        outcome(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.OPEN
    assert breaker.wait(10.0) == 20.0


def test_a_half_open_breaker_lets_one_call_through_whose_result_decides() -> None:
    breaker = Breaker(failures=1, rest_seconds=30.0)
    breaker.failed(0.0)
    assert breaker.state(30.0) is BreakerState.HALF_OPEN
    assert breaker.wait(30.0) == breaker.wait(30.0) == 0.0
    breaker.calling()
    assert breaker.wait(30.0) > 0, "one call only"
    breaker.failed(31.0)
    assert breaker.wait(31.0) == 30.0
    assert breaker.wait(61.0) == 0.0
    breaker.succeeded()
    assert breaker.state(61.0) is BreakerState.CLOSED
    assert breaker.wait(61.0) == 0.0


def test_ids_grow_also_inside_a_millisecond_and_across_threads() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda to=to: to.extend(new_id() for _ in range(2000))) for to in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len({id_ for own in made for id_ in own}) == 8000


def test_an_id_is_a_uuid_of_version_7_with_its_time() -> None:
    from uuid import UUID

    id_ = new_id()
    assert UUID(id_).version == 7
    assert UUID(id_).variant == "specified in RFC 4122"
    assert millis_of(id_) == UUID(id_).int >> 80


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_survive_the_journal_to_the_microsecond(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_a_fingerprint_is_the_same_wherever_in_the_message_the_fault_is() -> None:
    first = fingerprint("c", "process", "no-unit", "OBX[1]-6")
    assert first == fingerprint("c", "process", "no-unit", "OBX[27]-6")
    assert len(first) == 12


@pytest.mark.parametrize(
    "other",
    [("d", "process", "no-unit", "OBX[1]-6"), ("c", "out", "no-unit", "OBX[1]-6"), ("c", "process", "x", "OBX[1]-6"),
     ("c", "process", "no-unit", "OBX[1]-5"), ("c", "process", "no-unit", None)],
)  # fmt: skip
def test_a_fingerprint_tells_different_faults_apart(other: tuple[str, str, str, str | None]) -> None:
    assert fingerprint(*other) != fingerprint("c", "process", "no-unit", "OBX[1]-6")
