"""Table of webhook endpoints."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, Timestamped
from orion_notifications.base import Table


class WebhookEndpoint(Identified, Annotated, Timestamped, Table):
    """A program that is told of messages: a user's own, or one of the operator's where `user_id` is null.

    `sealed_keys` holds what deliveries are signed with, after a rotation also the secret before.
    """

    __tablename__ = "webhook_endpoints"

    user_id: Mapped[UUID | None]
    url: Mapped[str] = mapped_column(String(2048))
    description: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    sealed_keys: Mapped[bytes] = mapped_column(LargeBinary, info={"sealed": True})
    failing_since: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        CheckConstraint("url ~ '^https?://'", "url"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", "disabled"),
        Index("ix_webhook_endpoints_user_id", "user_id"),
        {"info": {"retention": Forever("settings, until their owner removes them or is forgotten")}},
    )
