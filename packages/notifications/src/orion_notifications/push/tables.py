"""Table of push subscriptions."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Rows
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.push.rules import PushPlatform


class PushSubscription(Identified, Annotated, Timestamped, Table):
    """A browser or device that a user has allowed to be called.

    `token` is the Web Push endpoint's URL (RFC 8030) or the device token of FCM or APNs. It addresses, it does not
    authorize: that takes our VAPID key or the provider's credentials. The keys that encrypt for a browser (RFC 8291)
    are sealed.
    """

    __tablename__ = "push_subscriptions"

    user_id: Mapped[UUID]
    platform: Mapped[PushPlatform] = mapped_column(native_enum(PushPlatform))
    token: Mapped[str] = mapped_column(String(2048))
    sealed_keys: Mapped[bytes | None] = mapped_column(LargeBinary, info={"sealed": True})
    user_agent: Mapped[str | None] = mapped_column(String(512))
    last_success_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint("(platform = 'WEB') = (sealed_keys IS NOT NULL)", "sealed_keys"),
        CheckConstraint("octet_length(token) <= 2048", "token"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", "disabled"),
        Index("ix_push_subscriptions_user_id", "user_id"),
        Index("ix_push_subscriptions_disabled_at", "disabled_at", postgresql_where=text("disabled_at IS NOT NULL")),
        {
            "info": {
                "retention": Rows(
                    "disabled_at",
                    timedelta(days=30),
                    "the push service says that nobody is there; one that returns registers anew",
                )
            }
        },
    )
