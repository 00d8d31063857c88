"""Where a user is signed in."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, IpAddress, Timestamped
from orion_user.base import Table


class Session(Identified, Timestamped, Table):
    """One sign-in, as auth's events tell. Whether it is the current one is a matter of who asks, and computed then."""

    __tablename__ = "sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token: Mapped[UUID] = mapped_column(unique=True, comment="Session id of auth (sid in tokens), not a secret")
    device_name: Mapped[str | None] = mapped_column(String(100))
    device_type: Mapped[str | None] = mapped_column(String(100))
    ip_address: Mapped[IpAddress | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(512))
    country: Mapped[str | None] = mapped_column(String(2), comment="ISO 3166-1 alpha-2")
    city: Mapped[str | None] = mapped_column(String(100))
    started_at: Mapped[datetime]
    last_activity_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        CheckConstraint("started_at < expires_at", name="period"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        Index(None, "user_id", "started_at", "id"),
        Index("ix_sessions_live", "user_id", "expires_at", postgresql_where=text("ended_at IS NULL")),
        Index(None, "expires_at"),
        {
            "info": {
                "retention": Rows(
                    "expires_at", timedelta(days=30), "a user sees where he was signed in of late; ended ones too"
                )
            }
        },
    )
