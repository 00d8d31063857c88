"""Trying again: always later, never too late, never for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orion_notifications.delivery.rules import (
    FIRST_DELAY,
    LONGEST_DELAY,
    LONGEST_RETRY_AFTER,
    SHORTEST_DELAY,
    AttemptStatus,
    Failure,
    Next,
    Verdict,
    after_failure,
    backoff,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSING = Failure(AttemptStatus.FAILURE, "smtp_451", "later", is_permanent=False)
LASTING = Failure(AttemptStatus.FAILURE, "smtp_550", "no such user", is_permanent=True)

attempts = st.integers(min_value=1, max_value=30)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)
expiries = st.none() | st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2)).map(lambda span: NOON + span)


@given(attempts, chances)
def test_a_pause_is_within_its_bounds(attempt: int, chance: float) -> None:
    assert SHORTEST_DELAY <= backoff(attempt, chance) <= min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY)


@given(attempts, chances, chances)
def test_pauses_grow_with_the_attempts_and_with_chance(attempt: int, chance: float, other: float) -> None:
    assert backoff(attempt, chance) <= backoff(attempt + 1, chance)
    assert backoff(attempt, min(chance, other)) <= backoff(attempt, max(chance, other))


def test_jitter_uses_the_whole_interval() -> None:
    assert backoff(8, 0) == SHORTEST_DELAY
    assert backoff(8, 0.999) > FIRST_DELAY * 2**7 * 0.99


@given(attempts, attempts, expiries, chances)
def test_no_try_after_expiry_and_none_too_many(
    attempt: int, max_attempts: int, expires_at: datetime | None, chance: float
) -> None:
    verdict = after_failure(
        PASSING, attempts=attempt, max_attempts=max_attempts, now=NOON, expires_at=expires_at, chance=chance
    )
    if verdict.next is Next.QUEUED:
        assert attempt < max_attempts
        assert verdict.delay >= SHORTEST_DELAY
        assert expires_at is None or NOON + verdict.delay < expires_at
    else:
        assert verdict.next is Next.EXPIRED or attempt >= max_attempts


@given(attempts, expiries, chances)
def test_a_permanent_failure_is_never_tried_again(attempt: int, expires_at: datetime | None, chance: float) -> None:
    verdict = after_failure(LASTING, attempts=attempt, max_attempts=99, now=NOON, expires_at=expires_at, chance=chance)
    assert verdict.next in (Next.FAILED, Next.EXPIRED)


def test_what_a_stopped_worker_hands_back_is_due_at_once() -> None:
    not_tried = Failure(AttemptStatus.NOT_TRIED, "worker_stopped", "", is_permanent=False)
    unknown = Failure(AttemptStatus.UNKNOWN, "worker_stopped", "", is_permanent=False)

    def verdict(failure: Failure, attempts: int) -> Verdict:
        return after_failure(failure, attempts=attempts, max_attempts=3, now=NOON, expires_at=None, chance=0.9)

    assert verdict(unknown, 2) == Verdict(Next.QUEUED)
    assert verdict(unknown, 3) == Verdict(Next.FAILED)
    assert verdict(not_tried, 3) == Verdict(Next.QUEUED)


@given(attempts, chances, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)))
def test_no_try_comes_before_the_provider_wants_it(attempt: int, chance: float, retry_after: timedelta) -> None:
    for status in (AttemptStatus.RATE_LIMITED, AttemptStatus.NOT_TRIED):
        failure = replace(PASSING, status=status, retry_after=retry_after)
        verdict = after_failure(failure, attempts=attempt, max_attempts=99, now=NOON, expires_at=None, chance=chance)
        assert verdict.next is Next.QUEUED
        assert verdict.delay >= min(retry_after, LONGEST_RETRY_AFTER)
        assert verdict.delay <= max(LONGEST_DELAY, min(retry_after, LONGEST_RETRY_AFTER) + SHORTEST_DELAY)


def test_what_was_not_tried_goes_back_however_often_it_was() -> None:
    """No room with any provider is no failure of the message: it does not use up its tries."""
    failure = replace(LASTING, status=AttemptStatus.NOT_TRIED, retry_after=timedelta(seconds=30))
    verdict = after_failure(failure, attempts=99, max_attempts=3, now=NOON, expires_at=None, chance=0)
    assert verdict == Verdict(Next.QUEUED, timedelta(seconds=30))
