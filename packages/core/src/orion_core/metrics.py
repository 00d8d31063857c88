"""Prometheus metrics of a process; with several workers, of all of them (PROMETHEUS_MULTIPROC_DIR)."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()

REQUESTS = Histogram(
    "orion_http_request_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
EVENTS_APPLIED = Counter(
    "orion_events_applied_total", "Events of other services applied.", ["source"], registry=REGISTRY
)
FEED_STOPPED = Gauge(
    "orion_feed_stopped",
    "1 while a followed feed does not move because of a fault.",
    ["source"],
    registry=REGISTRY,
    multiprocess_mode="max",
)
SECURITY_EVENTS = Counter(
    "orion_security_events_total",
    "Security events written down, by kind and how grave it is.",
    ["type", "severity"],
    registry=REGISTRY,
)
ROWS_PRUNED = Counter(
    "orion_rows_pruned_total", "Rows removed because their time was over.", ["table"], registry=REGISTRY
)
ROWS_DUE = Gauge(
    "orion_rows_due",
    "Rows whose time is over and that were still there after the last run (counted up to 100,000).",
    ["table"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
TABLES_PRUNED_AT = Gauge(
    "orion_tables_pruned_timestamp_seconds",
    "When this process, or another one of this service here, last went through all tables.",
    registry=REGISTRY,
    multiprocess_mode="max",
)
RATE_LIMITED = Counter(
    "orion_rate_limited_total", "Tries refused by a rate limit.", ["endpoint", "key_type"], registry=REGISTRY
)
HASHING_QUEUE = Gauge(
    "orion_hashing_queue",
    "Callers that wait for a thread to hash a password on.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
HASHING_WAITS = Histogram(
    "orion_hashing_wait_seconds",
    "Time that callers waited for a thread to hash a password on.",
    registry=REGISTRY,
    buckets=(0.001, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
HASHING_REFUSED = Counter(
    "orion_hashing_refused_total",
    "Callers told to come back, since they would have waited too long for a thread to hash a password on.",
    ["whose"],
    registry=REGISTRY,
)

RULES_FAILED = Counter(
    "orion_notification_rules_failed_total",
    "Events for which a rule could not be followed.",
    ["rule"],
    registry=REGISTRY,
)
NOTIFICATIONS_CLAIMED = Counter(
    "orion_notifications_claimed_total", "Notifications taken from the queue.", ["channel"], registry=REGISTRY
)
NOTIFICATIONS_WAITS = Histogram(
    "orion_notifications_wait_seconds",
    "How long what had waited longest of a claim had been due, by its priority.",
    ["priority"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 60, 600),
)
NOTIFICATIONS_FINISHED = Counter(
    "orion_notifications_finished_total",
    "Claims written back, by what follows; DELIVERED and SENT have left.",
    ["next"],
    registry=REGISTRY,
)
NOTIFICATIONS_WAITING = Gauge(
    "orion_notifications_waiting_seconds",
    "How long the notification that has been due longest, of a channel that is not paused, has been due.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
NOTIFICATIONS_PAUSED = Gauge(
    "orion_notifications_paused",
    "Whether a channel sends nothing because somebody has paused it.",
    ["channel"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
NOTIFICATIONS_OVERDUE = Gauge(
    "orion_notifications_overdue_seconds",
    "How long ago the lease ran out that ran out first and was not taken back.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)
NOTIFICATIONS_BROKEN = Gauge(
    "orion_notifications_broken",
    "Rows that break an invariant of the queue, in the last sample; always 0.",
    ["invariant"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # pyright: ignore[reportNoOverloadImplementation]
    return generate_latest(registry)
