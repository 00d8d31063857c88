"""How often something may be tried, and how often it has been."""

from datetime import datetime, timedelta

from sqlalchemy import ARRAY, CheckConstraint, DateTime, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table
from orion_auth.rate_limits.rules import RateLimitKeyType
from orion_core.retention.declarations import Forever, Rows
from orion_core.tables import Identified, Timestamped, native_enum


class RateLimit(Identified, Timestamped, Table):
    """One counter.

    UNLOGGED: it is written on every guarded request, and after a crash counting from nothing is
    harmless. `passes` are the moments of the tries that passed and still count; `blocked_until` refuses longer where
    the policy says so. `reset_at` is rounded up, so that it seldom moves: an index is on it, and a row whose indexed
    columns stay the same is rewritten in place (HOT).
    """

    __tablename__ = "rate_limits"

    key: Mapped[str] = mapped_column(String(400), comment="endpoint, key type and whose")
    key_type: Mapped[RateLimitKeyType] = mapped_column(native_enum(RateLimitKeyType))
    endpoint: Mapped[str] = mapped_column(String(60))
    limit: Mapped[int]
    window_seconds: Mapped[int]
    count: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Tries that count; one above the limit when the latest was refused"
    )
    passes: Mapped[list[datetime]] = mapped_column(
        ARRAY(DateTime(timezone=True)), server_default=text("'{}'::timestamptz[]"), comment="When tries passed, ordered"
    )
    reset_at: Mapped[datetime] = mapped_column(comment="From when on nothing counts that passed, rounded up")
    blocked_until: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "reset_at"),
        CheckConstraint('"limit" > 0', name="limit"),
        CheckConstraint("window_seconds > 0", name="window_seconds"),
        CheckConstraint("count >= 0", name="count"),
        {
            "info": {
                "retention": Rows(
                    "reset_at",
                    timedelta(hours=1),
                    "a window that is over counts nothing",
                    "blocked_until IS NULL OR blocked_until < :before",
                )
            },
            "prefixes": ["UNLOGGED"],
            "comment": "Counters of the rate limits; lost on a crash, which is harmless",
        },
    )


class RateLimitPolicy(Identified, Timestamped, Table):
    """What the seeds fill in and an administrator edits."""

    __tablename__ = "rate_limit_policies"

    endpoint: Mapped[str] = mapped_column(String(60))
    key_type: Mapped[RateLimitKeyType] = mapped_column(native_enum(RateLimitKeyType))
    limit: Mapped[int]
    window_seconds: Mapped[int]
    block_seconds: Mapped[int] = mapped_column(server_default=text("0"), comment="How long to refuse beyond the window")

    __table_args__ = (
        UniqueConstraint("endpoint", "key_type"),
        CheckConstraint('"limit" > 0', name="limit"),
        CheckConstraint("window_seconds > 0", name="window_seconds"),
        CheckConstraint("block_seconds >= 0", name="block_seconds"),
        {"info": {"retention": Forever("settings")}, "comment": "How often something may be tried"},
    )
