"""What `/metrics` of a worker tells of the queue."""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from prometheus_client import Counter, Gauge, Histogram

from orion_core.metrics import REGISTRY
from orion_notifications.delivery.invariants import RULES
from orion_notifications.delivery.messages import Claimed, Outcome
from orion_notifications.delivery.rules import Next
from orion_notifications.delivery.store import QueueHealth
from orion_notifications.kinds import Channel

CLAIMED = Counter(
    "orion_notifications_claimed_total", "Notifications taken from the queue.", ["channel"], registry=REGISTRY
)
WAITS = Histogram(
    "orion_notifications_wait_seconds",
    "How long what had waited longest of a claim had been due, by its priority.",
    ["priority"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 60, 600),
)
FINISHED = Counter(
    "orion_notifications_finished_total",
    "Claims written back, by what follows; DELIVERED and SENT have left.",
    ["next"],
    registry=REGISTRY,
)

WAITING = Gauge(
    "orion_notifications_waiting_seconds",
    "How long the notification that has been due longest, of a channel that is not paused, has been due.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
OVERDUE = Gauge(
    "orion_notifications_overdue_seconds",
    "How long ago the lease ran out that ran out first and was not taken back.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
BROKEN = Gauge(
    "orion_notifications_broken",
    "Rows that break an invariant of the queue, in the last sample; always 0.",
    ["invariant"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)


def tell_health(health: QueueHealth, found: Mapping[str, int]) -> None:
    """Tell what a probe has found."""
    WAITING.set(health.waiting_seconds)
    OVERDUE.set(health.overdue_seconds)
    for name in RULES:
        BROKEN.labels(name).set(found.get(name, 0))


def tell_claimed(channel: Channel, claimed: Sequence[Claimed]) -> None:
    """Count what a claim has brought of one channel, and note how long it had to wait."""
    CLAIMED.labels(channel.name).inc(len(claimed))
    oldest = min(claimed, key=attrgetter("due_at"))
    WAITS.labels(oldest.priority.name).observe((oldest.leased_at - oldest.due_at).total_seconds())


def tell_finished(finished: Sequence[Outcome]) -> None:
    """Count what was written back."""
    for following in Next:
        if count := sum(outcome.next is following for outcome in finished):
            FINISHED.labels(following.name).inc(count)
