"""Decisions of delivery: what came of a try, whether and when to try again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

FIRST_DELAY = timedelta(seconds=4)
LONGEST_DELAY = timedelta(hours=1)
SHORTEST_DELAY = timedelta(seconds=1)

SECRETS_COLUMN = ("notifications", "sealed_variables")
"""Table and column that secret variables are sealed for."""


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
    EXPIRED = auto()


@dataclass(frozen=True)
class Failure:
    """Why a try did not succeed. `code` is stable, for programs; `is_permanent` means that trying again is no use."""

    status: AttemptStatus
    code: str
    message: str
    is_permanent: bool
    status_code: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do after a failure; `delay` is given with QUEUED only."""

    next: Next
    delay: timedelta = timedelta()


def after_failure(
    failure: Failure, *, attempts: int, max_attempts: int, now: datetime, expires_at: datetime | None, chance: float
) -> Verdict:
    """Try again, or give up: at once when it is permanent, else after `max_attempts` or when it would come too late.

    What a stopped worker hands back is due at once: nobody has refused it.
    """
    if expires_at is not None and now >= expires_at:
        return Verdict(Next.EXPIRED)
    if failure.status is AttemptStatus.NOT_TRIED:
        return Verdict(Next.QUEUED)
    if failure.is_permanent or attempts >= max_attempts:
        return Verdict(Next.FAILED)
    if failure.status is AttemptStatus.UNKNOWN:
        return Verdict(Next.QUEUED)
    delay = backoff(attempts, chance)
    if expires_at is not None and now + delay >= expires_at:
        return Verdict(Next.EXPIRED)
    return Verdict(Next.QUEUED, delay)


def backoff(attempt: int, chance: float) -> timedelta:
    """The pause after the `attempt`th failure: exponential with full jitter, `chance` being uniform in [0, 1).

    Full jitter spreads those that failed together over the whole interval (Brooker, "Exponential Backoff And Jitter").
    """
    ceiling = min(FIRST_DELAY * 2 ** min(attempt - 1, 20), LONGEST_DELAY)
    return max(SHORTEST_DELAY, ceiling * chance)
