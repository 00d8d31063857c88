"""Table of batches."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.batches.rules import BatchStatus
from orion_notifications.kinds import Channel, Priority


class NotificationBatch(Identified, Annotated, Timestamped, Table):
    """One template sent to an audience; `audience` is the query or the upload that names it."""

    __tablename__ = "notification_batches"

    name: Mapped[str] = mapped_column(String(200))
    template_id: Mapped[UUID | None]
    template_version: Mapped[int | None]
    channel: Mapped[Channel]
    priority: Mapped[Priority] = mapped_column(server_default=text("'LOW'"))
    status: Mapped[BatchStatus] = mapped_column(native_enum(BatchStatus), server_default=text("'DRAFT'"))
    audience: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    recipient_count: Mapped[int] = mapped_column(server_default=text("0"))
    total_queued: Mapped[int] = mapped_column(server_default=text("0"))
    total_sent: Mapped[int] = mapped_column(server_default=text("0"))
    total_delivered: Mapped[int] = mapped_column(server_default=text("0"))
    total_failed: Mapped[int] = mapped_column(server_default=text("0"))
    total_skipped: Mapped[int] = mapped_column(server_default=text("0"))
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["template_id", "template_version"],
            ["template_versions.template_id", "template_versions.version"],
            ondelete="RESTRICT",
        ),
        CheckConstraint("(template_id IS NULL) = (template_version IS NULL)", "template"),
        CheckConstraint("template_id IS NOT NULL OR status IN ('DRAFT', 'CANCELLED')", "ready"),
        CheckConstraint("status <> 'SCHEDULED' OR scheduled_at IS NOT NULL", "scheduled_at"),
        CheckConstraint("status <> 'COMPLETED' OR completed_at IS NOT NULL", "completed_at"),
        CheckConstraint(
            "least(recipient_count, total_queued, total_sent, total_delivered, total_failed, total_skipped) >= 0",
            "counts",
        ),
        CheckConstraint("completed_at >= started_at", "duration"),
        Index("ix_notification_batches_status", "status"),
        Index("ix_notification_batches_scheduled_at", "scheduled_at"),
        Index("ix_notification_batches_template_id_template_version", "template_id", "template_version"),
        {"info": {"retention": Forever("one row a campaign, and its figures")}},
    )
