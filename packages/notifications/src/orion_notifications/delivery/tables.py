"""Tables of delivery: the queue, which is narrow and hot, and the attempts, which only grow."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever, Months
from orion_core.tables import Identified, Timestamped, after_create, native_enum
from orion_notifications.base import NEVER_DELETED, Table
from orion_notifications.delivery.rules import AttemptStatus
from orion_notifications.kinds import Channel, Priority


class QueuedNotification(Table):
    """One undelivered notification. The row exists exactly as long as the record is QUEUED or PROCESSING.

    `lease_until` is set while a worker has it, since `leased_at`; `attempt` counts claims, tried or not, and is the
    fence: who completes must name the number of the claim it holds. Rows of one `ordering_key` leave one after the
    other, in the order of their ids.

    Apart from the record, so that claiming touches 100 bytes and two small indexes instead of a kilobyte and eight. It
    has no timestamps of its own: they are the record's.
    """

    __tablename__ = "notification_queue"

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True)
    priority: Mapped[Priority]
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    ordering_key: Mapped[str | None] = mapped_column(String(255))
    channel: Mapped[Channel | None]
    """The record's. Null: whoever queued it did not say; a worker looks it up before it can be claimed."""
    leased_at: Mapped[datetime | None]
    lost_leases: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """How often a worker did not come back with it. Such a row is claimed by itself."""

    __table_args__ = (
        CheckConstraint("attempt >= 0", "attempt"),
        Index(
            "ix_notification_queue_lane",
            "channel",
            "priority",
            "due_at",
            postgresql_where=text("lease_until IS NULL AND lost_leases = 0"),
        ),
        Index("ix_notification_queue_lost", "due_at", postgresql_where=text("lease_until IS NULL AND lost_leases > 0")),
        Index("ix_notification_queue_leased", "lease_until", postgresql_where=text("lease_until IS NOT NULL")),
        Index(
            "ix_notification_queue_ordering_key",
            "ordering_key",
            "notification_id",
            postgresql_where=text("ordering_key IS NOT NULL"),
        ),
        {"info": {"retention": Follows("notifications", "it is there only until the message has left")}},
    )


# Every row dies within seconds, so the table is nearly all garbage at any time: vacuum by count of dead rows and not by
# share of a size that says nothing, without pausing, and never truncate (that would lock workers out).
QUEUE_STORAGE = """
ALTER TABLE notification_queue SET (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
  vacuum_truncate = false
)
"""
after_create(QueuedNotification, QUEUE_STORAGE)


class ChannelPause(Timestamped, Table):
    """A channel that sends nothing for now. Messages of it wait, and leave once the row is gone."""

    __tablename__ = "channel_pauses"

    channel: Mapped[Channel] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(500))
    paused_by: Mapped[str] = mapped_column(String(200))
    paused_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = {"info": {"retention": Forever("at most one row for each channel")}}  # noqa: RUF012 - SQLAlchemy's own form


class DeliveryAttempt(Identified, Timestamped, Table):
    """One try at handing a notification to a provider, written when the answer is in, or when nobody brought one.

    `attempt_number` is that of the claim. A claim whose worker was stopped before it began is NOT_TRIED, and does not
    count among the notification's `attempts`.
    """

    __tablename__ = "delivery_attempts"

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    attempt_number: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[AttemptStatus] = mapped_column(native_enum(AttemptStatus), server_default=text("'PENDING'"))
    provider: Mapped[str | None] = mapped_column(String(60))
    provider_message_id: Mapped[str | None] = mapped_column(String(255))
    status_code: Mapped[int | None]
    response_time_ms: Mapped[int | None]
    response: Mapped[str | None] = mapped_column(String(2000))
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    error_details: Mapped[dict[str, Any] | None]
    attempted_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    completed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("attempt_number >= 1", "attempt_number"),
        CheckConstraint("(status = 'PENDING') = (completed_at IS NULL)", "completed_at"),
        CheckConstraint("completed_at >= attempted_at", "duration"),
        CheckConstraint("response_time_ms >= 0", "response_time_ms"),
        Index("ix_delivery_attempts_notification_id", "notification_id"),
        Index(
            "ix_delivery_attempts_failures",
            "attempted_at",
            postgresql_where=text("status NOT IN ('PENDING', 'SUCCESS', 'NOT_TRIED')"),
        ),
        {
            "postgresql_partition_by": "RANGE (id)",
            "info": {
                "retention": Months(
                    keep=timedelta(days=90),
                    at_least=timedelta(days=7),
                    why="how a message was delivered is asked within weeks",
                ),
                "grants": NEVER_DELETED,
            },
        },
    )
