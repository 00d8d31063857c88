"""Tables of batches, and of those whom they still have to reach."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.batches.rules import BatchStatus
from orion_notifications.kinds import Category, Channel, Priority


class NotificationBatch(Identified, Annotated, Timestamped, Table):
    """One template, or `content` of a `category`, sent to an audience: the query or the upload that names it.

    The `total_…` are counted from the messages every few seconds (`counted_at`); `fed_count` recipients have become
    messages. `next_look_at` is when a worker has something to do for it, null when never again.
    """

    __tablename__ = "notification_batches"

    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(100), server_default=text("'announcement'"))
    template_id: Mapped[UUID | None]
    template_version: Mapped[int | None]
    category: Mapped[Category | None]
    content: Mapped[dict[str, Any] | None]
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
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
    total_bounced: Mapped[int] = mapped_column(server_default=text("0"))
    total_complained: Mapped[int] = mapped_column(server_default=text("0"))
    fed_count: Mapped[int] = mapped_column(server_default=text("0"))
    rate_per_second: Mapped[int | None]
    canary_recipients: Mapped[int | None]
    canary_seconds: Mapped[int | None]
    canary_until: Mapped[datetime | None]
    bounced_permille: Mapped[int | None]
    complained_permille: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(300))
    is_releasing: Mapped[bool] = mapped_column(server_default=text("false"))
    next_look_at: Mapped[datetime | None]
    counted_at: Mapped[datetime | None]
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
        CheckConstraint("num_nonnulls(template_id, content) = 1 OR status IN ('DRAFT', 'CANCELLED')", "ready"),
        CheckConstraint("(content IS NULL) = (category IS NULL)", "words"),
        CheckConstraint("status <> 'SCHEDULED' OR scheduled_at IS NOT NULL", "scheduled_at"),
        CheckConstraint("status <> 'COMPLETED' OR completed_at IS NOT NULL", "completed_at"),
        CheckConstraint(
            "least(recipient_count, total_queued, total_sent, total_delivered, total_failed, total_skipped) >= 0",
            "counts",
        ),
        CheckConstraint("completed_at >= started_at", "duration"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", "variables"),
        CheckConstraint("rate_per_second BETWEEN 1 AND 100000", "rate_per_second"),
        CheckConstraint(
            "(canary_recipients IS NULL) = (canary_seconds IS NULL) AND least(canary_recipients, canary_seconds) >= 1",
            "canary",
        ),
        CheckConstraint("bounced_permille BETWEEN 0 AND 1000", "bounced_permille"),
        CheckConstraint("complained_permille BETWEEN 0 AND 1000", "complained_permille"),
        Index("ix_notification_batches_status", "status"),
        Index("ix_notification_batches_scheduled_at", "scheduled_at"),
        Index(
            "ix_notification_batches_next_look_at", "next_look_at", postgresql_where=text("next_look_at IS NOT NULL")
        ),
        Index("ix_notification_batches_template_id_template_version", "template_id", "template_version"),
        {"info": {"retention": Forever("one row a campaign, and its figures")}},
    )


class BatchRecipient(Table):
    """Somebody whom a batch has still to reach: the row goes in the transaction that makes the message.

    `position` is the line of the upload. Nobody stands in a batch twice.
    """

    __tablename__ = "batch_recipients"

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("notification_batches.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[UUID | None]
    recipient: Mapped[str | None] = mapped_column(String(2048))
    locale: Mapped[str | None] = mapped_column(String(35))
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = (
        CheckConstraint("(user_id IS NULL) <> (recipient IS NULL)", "recipient"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", "variables"),
        CheckConstraint("position >= 1", "position"),
        # Also by what an erasure finds a person.
        Index(
            "uq_batch_recipients_user_id_batch_id",
            "user_id",
            "batch_id",
            unique=True,
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        Index(
            "uq_batch_recipients_recipient_batch_id",
            "recipient",
            "batch_id",
            unique=True,
            postgresql_where=text("recipient IS NOT NULL"),
        ),
        {"info": {"retention": Follows("notification_batches", "it is there only until its message is made")}},
    )
