"""Decisions of delivery: what came of a try, whether and when to try again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from orion_notifications.kinds import Channel, Priority

FIRST_DELAY = timedelta(seconds=4)
LONGEST_DELAY = timedelta(hours=1)
SHORTEST_DELAY = timedelta(seconds=1)
LONGEST_RETRY_AFTER = timedelta(days=1)
"""A provider that asks for more is asked again after this."""

SECRETS_COLUMN = ("notifications", "sealed_variables")
"""Table and column that secret variables are sealed for."""


@dataclass(frozen=True)
class Waiting:
    """A notification that is to be sent, as the queue has it."""

    notification_id: UUID
    channel: Channel
    priority: Priority
    due_at: datetime | None = None
    """Null: at once."""
    ordering_key: str | None = None


class AttemptStatus(Enum):
    """What came of one try.

    UNKNOWN: the worker died, lost its lease or was stopped meanwhile, so the message may or may not have left.
    NOT_TRIED: the worker was stopped before it began, so it has not left, and this does not count as a try.
    """

    PENDING = auto()
    SUCCESS = auto()
    FAILURE = auto()
    TIMEOUT = auto()
    RATE_LIMITED = auto()
    UNKNOWN = auto()
    NOT_TRIED = auto()


class Next(Enum):
    """What happens to the notification after a try; the names are labels of `notification_status`."""

    SENT = auto()
    DELIVERED = auto()
    QUEUED = auto()
    FAILED = auto()
    BOUNCED = auto()
    EXPIRED = auto()
    REJECTED = auto()
    CANCELLED = auto()


class Reported(Enum):
    """What a provider tells of a message after it has taken it; the names are labels of `notification_status`."""

    DELIVERED = auto()
    BOUNCED = auto()
    FAILED = auto()
    REJECTED = auto()


class Fault(Enum):
    """Whose fault a failure is, and so whether another account could do better.

    MESSAGE: the message's or its recipient's; every account would refuse it.
    ACCOUNT: ours with this provider (credentials, balance, its limit on us).
    PROVIDER: the provider's, or the way to it.
    """

    MESSAGE = auto()
    ACCOUNT = auto()
    PROVIDER = auto()


@dataclass(frozen=True)
class Failure:
    """Why a try did not succeed. `code` is stable, for programs; `is_permanent` means that trying again is no use."""

    status: AttemptStatus
    code: str
    message: str
    is_permanent: bool
    status_code: int | None = None
    retry_after: timedelta | None = None
    """How long the provider wants to be left alone (Retry-After, RFC 9110 §10.2.3)."""
    fault: Fault = Fault.MESSAGE
    may_have_left: bool = False
    """The provider may have taken it all the same: in this try nobody else is asked."""
    is_bounce: bool = False
    """There is nobody at the address, as its server says."""
    suppresses: bool = False
    """And the server is believed: the address is written to no more."""


@dataclass(frozen=True)
class Verdict:
    """What to do after a failure; `delay` is given with QUEUED only."""

    next: Next
    delay: timedelta = timedelta()


def after_failure(
    failure: Failure, *, attempts: int, max_attempts: int, now: datetime, expires_at: datetime | None, chance: float
) -> Verdict:
    """Try again, or give up: at once when it is permanent, else after `max_attempts` or when it would come too late.

    What a stopped worker hands back is due at once: nobody has refused it. No try comes before `retry_after`.
    """
    if expires_at is not None and now >= expires_at:
        return Verdict(Next.EXPIRED)
    is_tried = failure.status is not AttemptStatus.NOT_TRIED
    if is_tried and (failure.is_permanent or attempts >= max_attempts):
        return Verdict(Next.BOUNCED if failure.is_bounce else Next.FAILED)
    delay = _delay(failure, attempts, chance)
    if delay and expires_at is not None and now + delay >= expires_at:
        return Verdict(Next.EXPIRED)
    return Verdict(Next.QUEUED, delay)


def _delay(failure: Failure, attempts: int, chance: float) -> timedelta:
    is_refused = failure.status not in (AttemptStatus.NOT_TRIED, AttemptStatus.UNKNOWN)
    delay = backoff(attempts, chance) if is_refused else timedelta()
    if failure.retry_after is None:
        return delay
    return max(delay, min(failure.retry_after, LONGEST_RETRY_AFTER) + SHORTEST_DELAY * chance)


def backoff(attempt: int, chance: float) -> timedelta:
    """The pause after the `attempt`th failure: exponential with full jitter, `chance` being uniform in [0, 1).

    Full jitter spreads those that failed together over the whole interval (Brooker, "Exponential Backoff And Jitter").
    """
    ceiling = min(FIRST_DELAY * 2 ** min(attempt - 1, 20), LONGEST_DELAY)
    return max(SHORTEST_DELAY, ceiling * chance)
