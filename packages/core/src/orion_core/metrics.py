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


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # pyright: ignore[reportNoOverloadImplementation]
    return generate_latest(registry)
