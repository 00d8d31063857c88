"""The security history of accounts: append-only, partitioned by month."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Origin, Place, Table
from orion_auth.security_events.rules import SecurityEventCategory, SecurityEventSeverity
from orion_core.retention.declarations import Months
from orion_core.tables import APPEND_ONLY, Annotated, Identified, Timestamped, native_enum


class SecurityEvent(Identified, Origin, Place, Timestamped, Annotated, Table):
    """One thing that happened. `user_id` has no foreign key: history outlives the user."""

    __tablename__ = "security_events"

    user_id: Mapped[UUID | None]
    event_type: Mapped[str] = mapped_column(String(80), comment="From the service's catalog, e.g. token.reused")
    category: Mapped[SecurityEventCategory] = mapped_column(native_enum(SecurityEventCategory))
    severity: Mapped[SecurityEventSeverity] = mapped_column(native_enum(SecurityEventSeverity))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    device_id: Mapped[str | None] = mapped_column(String(128), comment="The client's stable id, as in devices")
    session_id: Mapped[UUID | None]
    was_blocked: Mapped[bool] = mapped_column(server_default=text("false"))
    was_notified: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="A notice to the user was asked for in the same transaction"
    )
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(50)), server_default=text("'{}'"))
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index(None, "user_id", "event_type", "occurred_at"),
        Index(None, "severity", "occurred_at"),
        Index(None, "user_id", "id"),
        Index(None, "event_type", "id"),
        Index(None, "category", "id"),
        Index(None, "ip_address", "id"),
        Index("ix_security_events_tags", "tags", postgresql_using="gin"),
        {
            "postgresql_partition_by": "RANGE (id)",
            "info": {
                "retention": Months(
                    keep=timedelta(days=365),
                    at_least=timedelta(days=90),
                    why="a year of an account's history, for its owner and for inquiries",
                ),
                "grants": APPEND_ONLY,
            },
            "comment": "The security history of accounts, append-only",
        },
    )
