"""What a worker writes back of a message it had in hand."""

import random
from datetime import timedelta

import structlog

from orion_core.clock import Clock
from orion_notifications.delivery.messages import Claimed, NotDeliveredError, Outcome, Receipt, Ruling
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next, after_failure
from orion_notifications.templates.rules import Content

NOT_PREPARED = Failure(AttemptStatus.FAILURE, "not_prepared", "its template was not to be had", is_permanent=False)
NOT_TRIED = Failure(AttemptStatus.NOT_TRIED, "worker_stopped", "the worker was stopped before", is_permanent=False)
INTERRUPTED = Failure(
    AttemptStatus.UNKNOWN, "worker_stopped", "the worker was stopped meanwhile; it may have left", is_permanent=False
)
UNDECIDED = Failure(
    AttemptStatus.NOT_TRIED,
    "undecided",
    "whether it may go out could not be decided",
    is_permanent=False,
    retry_after=timedelta(seconds=5),
)
SEND_TIMEOUT = Failure(AttemptStatus.TIMEOUT, "send_timeout", "the provider took too long", is_permanent=False)
OUT_OF_TIME = Failure(AttemptStatus.NOT_TRIED, "out_of_time", "its turn had not come in time", is_permanent=False)

log = structlog.get_logger()


def sent(claimed: Claimed, receipt: Receipt, content: Content | None, took: int | None) -> Outcome:
    """The provider has it."""
    return Outcome(
        claimed.id,
        claimed.attempt,
        AttemptStatus.SUCCESS,
        receipt.next,
        provider=receipt.provider,
        provider_message_id=receipt.provider_message_id,
        status_code=receipt.status_code,
        response=receipt.response,
        response_time_ms=took,
        content=content,
        ordering_key=claimed.ordering_key,
    )


def failed(
    claimed: Claimed, failure: Failure, clock: Clock, *, provider: str | None = None, took: int | None = None
) -> Outcome:
    """The provider has it not, or nobody knows: what happens next is decided here."""
    verdict = after_failure(
        failure,
        attempts=claimed.attempts,
        max_attempts=claimed.max_attempts,
        now=clock(),
        expires_at=claimed.expires_at,
        chance=random.random(),  # noqa: S311 - jitter
    )
    log.info(
        "delivery.refused",
        notification_id=str(claimed.id),
        attempt=claimed.attempt,
        error_code=failure.code,
        next=verdict.next.name,
    )
    return Outcome(
        claimed.id,
        claimed.attempt,
        failure.status,
        verdict.next,
        delay_seconds=verdict.delay.total_seconds() or None,
        provider=provider,
        status_code=failure.status_code,
        error_code=failure.code,
        error_message=failure.message,
        response_time_ms=took,
        ordering_key=claimed.ordering_key,
    )


def ruled(claimed: Claimed, ruling: Ruling) -> Outcome:
    """It does not go out now, by no fault of anybody's."""
    is_put_off = ruling.next is Next.QUEUED
    return Outcome(
        claimed.id,
        claimed.attempt,
        None,
        ruling.next,
        due_at=ruling.due_at if is_put_off else None,
        deferred_reason=ruling.words if is_put_off else None,
        error_code=ruling.code,
        error_message=ruling.words,
        ordering_key=claimed.ordering_key,
    )


def not_delivered(code: str, message: str) -> NotDeliveredError:
    """A failure that trying again does not mend."""
    return NotDeliveredError(Failure(AttemptStatus.FAILURE, code, message, is_permanent=True))
