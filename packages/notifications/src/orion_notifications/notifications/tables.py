"""Tables of the messages: the record, and the keys that make sending the same thing twice impossible."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever, Months
from orion_core.tables import APPEND_ONLY, Annotated, Identified, Timestamped, after_create, native_enum
from orion_notifications.base import NEVER_DELETED, Table
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications.rules import SUCCESSORS, TAKEN_AT_ONCE, NotificationStatus


class Notification(Identified, Annotated, Timestamped, Table):
    """One message to one recipient through one channel.

    `subject`, `content` and `html_content` are what was sent, with secrets masked. Secret variables (a code, a link
    that acts) stand in `sealed_variables` only, until the message has left or failed, and are then erased. `decisions`
    is what was decided of it when, the last last (`decisions.shapes`); `local_time` has it sent at that time of the
    recipient's zone.
    """

    __tablename__ = "notifications"

    user_id: Mapped[UUID | None]
    type: Mapped[str] = mapped_column(String(100))
    category: Mapped[Category]
    channel: Mapped[Channel]
    priority: Mapped[Priority] = mapped_column(server_default=text("'NORMAL'"))
    status: Mapped[NotificationStatus] = mapped_column(native_enum(NotificationStatus), server_default=text("'QUEUED'"))
    template_id: Mapped[UUID | None]
    template_version: Mapped[int | None]
    locale: Mapped[str | None] = mapped_column(String(35))
    timezone: Mapped[str | None] = mapped_column(String(64))
    subject: Mapped[str | None] = mapped_column(String(998))
    content: Mapped[str | None] = mapped_column(String(100_000))
    html_content: Mapped[str | None] = mapped_column(String(1_000_000))
    recipient: Mapped[str | None] = mapped_column(String(2048))
    recipient_name: Mapped[str | None] = mapped_column(String(200))
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    sealed_variables: Mapped[bytes | None] = mapped_column(LargeBinary, info={"sealed": True})
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(server_default=text("8"))
    next_attempt_at: Mapped[datetime | None]
    scheduled_at: Mapped[datetime | None]
    local_time: Mapped[time | None]
    deferred_reason: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    processing_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    provider: Mapped[str | None] = mapped_column(String(60))
    provider_message_id: Mapped[str | None] = mapped_column(String(255))
    provider_response: Mapped[dict[str, Any] | None]
    batch_id: Mapped[UUID | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    decisions: Mapped[list[Any] | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(50)), server_default=text("'{}'"))

    __table_args__ = (
        ForeignKeyConstraint(
            ["template_id", "template_version"],
            ["template_versions.template_id", "template_versions.version"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(["batch_id"], ["notification_batches.id"], ondelete="RESTRICT"),
        CheckConstraint("attempts BETWEEN 0 AND max_attempts", "attempts"),
        CheckConstraint("(template_id IS NULL) = (template_version IS NULL)", "template"),
        CheckConstraint("template_id IS NOT NULL OR content IS NOT NULL", "content"),
        CheckConstraint("user_id IS NOT NULL OR recipient IS NOT NULL", "recipient"),
        CheckConstraint("channel <> 'IN_APP' OR user_id IS NOT NULL", "in_app_user"),
        CheckConstraint("channel <> 'EMAIL' OR recipient IS NULL OR recipient = lower(recipient)", "email"),
        CheckConstraint("jsonb_typeof(variables) = 'object'", "variables"),
        CheckConstraint("expires_at > queued_at", "expires_at"),
        CheckConstraint("seen_at IS NOT NULL OR read_at IS NULL", "read_at"),
        CheckConstraint(
            "CASE status WHEN 'PROCESSING' THEN processing_at IS NOT NULL"
            " WHEN 'SENT' THEN sent_at IS NOT NULL"
            " WHEN 'DELIVERED' THEN delivered_at IS NOT NULL"
            " WHEN 'FAILED' THEN failed_at IS NOT NULL AND error_code IS NOT NULL"
            " WHEN 'CANCELLED' THEN cancelled_at IS NOT NULL ELSE true END",
            "status",
        ),
        CheckConstraint("sealed_variables IS NULL OR status IN ('QUEUED', 'PROCESSING')", "sealed_variables"),
        # The seed's index for processing the queue. No worker claims by it (they have notification_queue); it answers
        # people's questions about what is waiting, and the probe of invariants, and holds only what has not left yet.
        Index(
            "ix_notifications_status_priority_queued_at",
            "status",
            "priority",
            "queued_at",
            postgresql_where=text("status IN ('QUEUED', 'PROCESSING')"),
        ),
        Index("ix_notifications_user_id_id", "user_id", "id"),
        Index(
            # The seed's, too: what a user waits for. All that a user ever got is found by the index above.
            "ix_notifications_user_id_waiting",
            "user_id",
            "status",
            postgresql_where=text("status IN ('QUEUED', 'PROCESSING')"),
        ),
        Index(
            # By this the unread are listed, marked and counted; the rows are read too, for status and snoozed_until.
            "ix_notifications_unread",
            "user_id",
            "id",
            postgresql_include=["seen_at"],
            postgresql_where=text("channel = 'IN_APP' AND read_at IS NULL AND archived_at IS NULL"),
        ),
        Index(
            "ix_notifications_inbox",
            "user_id",
            "delivered_at",
            postgresql_where=text("channel = 'IN_APP' AND delivered_at IS NOT NULL"),
        ),
        Index("ix_notifications_tags", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),
        Index(
            "ix_notifications_provider_message_id",
            "provider_message_id",
            postgresql_where=text("provider_message_id IS NOT NULL"),
        ),
        # By these two, which hold neither what is accepted nor what is sent, ends are found to be counted (numbers).
        Index("ix_notifications_reported", "delivered_at", postgresql_where=text("delivered_at <> sent_at")),
        Index(
            "ix_notifications_ended",
            text("coalesce(failed_at, cancelled_at, processing_at, queued_at)"),
            postgresql_where=text("status IN ('FAILED', 'BOUNCED', 'REJECTED', 'CANCELLED', 'EXPIRED')"),
        ),
        Index("ix_notifications_batch_id", "batch_id", postgresql_where=text("batch_id IS NOT NULL")),
        Index(
            "ix_notifications_template",
            "template_id",
            "template_version",
            postgresql_where=text("template_id IS NOT NULL"),
        ),
        {
            "postgresql_partition_by": "RANGE (id)",
            "info": {
                "retention": Months(
                    keep=timedelta(days=180),
                    at_least=timedelta(days=30),
                    why="half a year of messages, read or not; a month stays while one of them has not left",
                ),
                "grants": NEVER_DELETED,
                "may_set_updated_at": True,
            },
        },
    )


class NotificationKey(Timestamped, Table):
    """Which notification an idempotency key stands for, for ever.

    A partitioned table cannot hold this unique key, and the key outlives the notification's partition: the same key
    sends once, also years later. So there is no foreign key.
    """

    __tablename__ = "notification_keys"
    __table_args__ = {"info": {"retention": Forever("a key sends once, also years later"), "grants": APPEND_ONLY}}  # noqa: RUF012 - SQLAlchemy's own form

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    notification_id: Mapped[UUID]


REFUSE_STATUS = """
CREATE FUNCTION refuse_notification_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'notification % cannot go from % to %', OLD.id, OLD.status, NEW.status
    USING ERRCODE = '23514', CONSTRAINT = 'ck_notifications_status_transition', TABLE = 'notifications';
END
$$
"""


def _lawful() -> str:
    """`SUCCESSORS` as an expression; labels in the order of the enum, so that it is the same text every time."""
    at_once = f" OR NEW.processing_at IS NOT NULL AND NEW.status IN ({_labels(TAKEN_AT_ONCE)})"
    cases = (
        f"WHEN '{present.name}' THEN NEW.status IN ({_labels(following)})"
        + (at_once if present is NotificationStatus.QUEUED else "")
        for present, following in SUCCESSORS.items()
    )
    return f"CASE OLD.status {' '.join(cases)} ELSE false END"


def _labels(statuses: frozenset[NotificationStatus]) -> str:
    return ", ".join(f"'{status.name}'" for status in NotificationStatus if status in statuses)


# The condition is evaluated by the executor, so a lawful update never enters PL/pgSQL.
STATUS_TRANSITION = f"""
CREATE TRIGGER refuse_notification_status BEFORE UPDATE OF status ON notifications FOR EACH ROW
WHEN (OLD.status <> NEW.status AND NOT {_lawful()})
EXECUTE FUNCTION refuse_notification_status()
"""

after_create(Notification, REFUSE_STATUS, STATUS_TRANSITION)
