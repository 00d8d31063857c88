"""Where a batch stands, what may follow, and when it is stopped. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from orion_notifications.kinds import Channel

LINES_AT_ONCE = 1_000
"""Of one chunk of an upload."""
MOST_RECIPIENTS = 5_000_000
LARGEST_FILE = 256 * 1024 * 1024
"""Bytes of an upload at once."""
LONGEST_UPLOAD_SECONDS = 600.0
MOST_FAULTS_TOLD = 100
MOST_OUTCOMES_TOLD = 1_000
FED_AT_ONCE = 500
"""Messages that are made in one transaction: what is rolled back, and made again, when a worker is killed."""
MOST_AHEAD = 10_000
"""Messages of the batch's channel and priority that may be due before more are made: so a pause is felt soon."""
LOOK_AGAIN = timedelta(seconds=1)
ASK_AGAIN = timedelta(seconds=10)
"""How long a batch waits whose audience user does not tell."""
GATHERING = timedelta(minutes=1)
"""How long the others leave a page to the worker that asks for it."""
COUNT_EVERY = timedelta(seconds=5)
"""At least; counting a million takes a part of a second, so the longer it takes the less often it is done."""
COUNTING_SHARE = 20
LATE_REPORTS = timedelta(days=3)
"""How long after its end a batch is still counted, hourly: providers tell of bounces and complaints late."""
LATE_REPORTS_EVERY = timedelta(hours=1)
MOST_FAILURES = 10
LEAST_TOLD_OF = 100
"""A smaller canary is taken whole."""


OF_ADDRESSES = frozenset({Channel.SLACK, Channel.DISCORD})
"""Channels that reach no users: what named one would go to the channel of the account, once for each of them."""


class BatchStatus(Enum):
    """Where a batch stands."""

    DRAFT = auto()
    SCHEDULED = auto()
    RUNNING = auto()
    PAUSED = auto()
    COMPLETED = auto()
    CANCELLED = auto()
    FAILED = auto()


_S = BatchStatus

ASKED_FOR: Mapping[BatchStatus, frozenset[BatchStatus]] = {
    _S.SCHEDULED: frozenset({_S.DRAFT, _S.SCHEDULED}),
    _S.RUNNING: frozenset({_S.DRAFT, _S.SCHEDULED, _S.PAUSED}),
    _S.PAUSED: frozenset({_S.RUNNING}),
    _S.CANCELLED: frozenset({_S.DRAFT, _S.SCHEDULED, _S.RUNNING, _S.PAUSED}),
}
"""What somebody may ask for, and from where; COMPLETED and FAILED come by themselves."""

NOT_BEGUN = frozenset({_S.DRAFT, _S.SCHEDULED})
"""Nobody has been written to, so all but template, channel and audience may change."""

HOLDING = frozenset({_S.PAUSED, _S.CANCELLED, _S.FAILED})
"""What of these is in the queue does not leave."""


@dataclass(frozen=True)
class Counts:
    """What has become of a batch's messages."""

    queued: int = 0
    sent: int = 0
    """Handed over, delivered ones among them."""
    delivered: int = 0
    failed: int = 0
    """Bounced ones among them."""
    bounced: int = 0
    skipped: int = 0
    """Not wanted, suppressed, without an address, or cancelled."""


def counts_of(by_status: Mapping[str, int]) -> Counts:
    """The same of how many notifications stand where."""

    def these(*statuses: str) -> int:
        return sum(by_status.get(status, 0) for status in statuses)

    return Counts(
        queued=these("QUEUED", "PROCESSING"),
        sent=these("SENT", "DELIVERED"),
        delivered=these("DELIVERED"),
        failed=these("FAILED", "BOUNCED", "EXPIRED"),
        bounced=these("BOUNCED"),
        skipped=these("REJECTED", "CANCELLED"),
    )


@dataclass(frozen=True)
class Limits:
    """How many of a thousand messages may come back, or be complained about, before a batch stops."""

    bounced_permille: int | None
    complained_permille: int | None
    canary_recipients: int | None


def least_told_of(canary_recipients: int | None, never_left: int) -> int:
    """How many messages must have left before shares of them say anything: of a canary all that can."""
    return LEAST_TOLD_OF if canary_recipients is None else min(LEAST_TOLD_OF, canary_recipients - never_left)


def why_stop(counts: Counts, complained: int, limits: Limits) -> str | None:
    """Why a batch must not go on; None when it may."""
    left = counts.sent + counts.bounced
    if left < least_told_of(limits.canary_recipients, counts.failed - counts.bounced + counts.skipped):
        return None
    if limits.bounced_permille is not None and counts.bounced * 1000 > limits.bounced_permille * left:
        return f"{counts.bounced} of {left} came back: more than {limits.bounced_permille} of a thousand."
    if limits.complained_permille is not None and complained * 1000 > limits.complained_permille * left:
        return f"{complained} of {left} were complained about: more than {limits.complained_permille} of a thousand."
    return None


def chunk(fed: int, rate_per_second: int | None, canary_recipients: int | None, canary_is_over: bool) -> int:
    """How many messages to make now: none while the canary's first ones are waited for."""
    size = FED_AT_ONCE if rate_per_second is None else min(FED_AT_ONCE, rate_per_second)
    if canary_recipients is not None and not canary_is_over:
        return max(0, min(size, canary_recipients - fed))
    return size


def next_feed(made: int, rate_per_second: int | None, now: datetime) -> datetime:
    """When the next chunk may follow one of `made`."""
    return now if rate_per_second is None else now + timedelta(seconds=made / rate_per_second)


UPLOAD: Mapping[str, Any] = {"kind": "upload"}
"""The `audience` of a batch that takes lines in."""


def asked_for(audience: Mapping[str, Any]) -> dict[str, Any]:
    """That of one whose recipients user names: page by page, `after` says where the next one begins."""
    return {"kind": "asked", "of": audience, "after": None, "is_complete": False}


def is_upload(audience: Mapping[str, Any]) -> bool:
    """Whether somebody sends the recipients."""
    return audience["kind"] == UPLOAD["kind"]


def failed(reason: str, now: datetime) -> dict[str, Any]:
    """What changes of a batch that cannot go on."""
    return {"status": BatchStatus.FAILED, "reason": reason, "completed_at": now, "next_look_at": now}
