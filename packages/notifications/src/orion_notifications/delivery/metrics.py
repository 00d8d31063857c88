"""What `/metrics` of a worker tells of the queue."""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter

from orion_core.metrics import (
    NOTIFICATIONS_BROKEN,
    NOTIFICATIONS_CLAIMED,
    NOTIFICATIONS_FINISHED,
    NOTIFICATIONS_OVERDUE,
    NOTIFICATIONS_PAUSED,
    NOTIFICATIONS_WAITING,
    NOTIFICATIONS_WAITS,
)
from orion_notifications.delivery.invariants import RULES
from orion_notifications.delivery.messages import Claimed, Outcome
from orion_notifications.delivery.rules import Next
from orion_notifications.delivery.store import QueueHealth
from orion_notifications.kinds import Channel


def tell_health(health: QueueHealth, found: Mapping[str, int]) -> None:
    """Tell what a probe has found."""
    NOTIFICATIONS_WAITING.set(health.waiting_seconds)
    NOTIFICATIONS_OVERDUE.set(health.overdue_seconds)
    for name in RULES:
        NOTIFICATIONS_BROKEN.labels(name).set(found.get(name, 0))


def tell_paused(paused: Collection[Channel]) -> None:
    """Tell which channels somebody has paused."""
    for channel in Channel:
        NOTIFICATIONS_PAUSED.labels(channel.name).set(channel in paused)


def tell_claimed(channel: Channel, claimed: Sequence[Claimed]) -> None:
    """Count what a claim has brought of one channel, and note how long it had to wait."""
    NOTIFICATIONS_CLAIMED.labels(channel.name).inc(len(claimed))
    oldest = min(claimed, key=attrgetter("due_at"))
    NOTIFICATIONS_WAITS.labels(oldest.priority.name).observe((oldest.leased_at - oldest.due_at).total_seconds())


def tell_finished(finished: Sequence[Outcome]) -> None:
    """Count what was written back."""
    for following in Next:
        if count := sum(outcome.next is following for outcome in finished):
            NOTIFICATIONS_FINISHED.labels(following.name).inc(count)
