"""Tables of throttles: how much, and how much of it is used."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever, Rows
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.kinds import Channel
from orion_notifications.throttles.rules import Excess

LONGEST_SECONDS = 31 * 24 * 3600


class ThrottleSetting(Identified, Annotated, Timestamped, Table):
    """At most `most` messages of a type to one user in each window, by one channel or by all together."""

    __tablename__ = "throttles"

    type: Mapped[str] = mapped_column(String(100))
    channel: Mapped[Channel | None]
    most: Mapped[int]
    window_seconds: Mapped[int]
    excess: Mapped[Excess] = mapped_column(native_enum(Excess), server_default=text("'DEFER'"))

    __table_args__ = (
        UniqueConstraint("type", "channel", postgresql_nulls_not_distinct=True),
        CheckConstraint("most >= 1", "most"),
        CheckConstraint(f"window_seconds BETWEEN 1 AND {LONGEST_SECONDS}", "window_seconds"),
        {"info": {"retention": Forever("an operator's setting")}},
    )


class ThrottleUse(Table):
    """How many messages to a user have their room in a window; never more than the throttle said at that moment."""

    __tablename__ = "throttle_uses"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    throttle_id: Mapped[UUID] = mapped_column(ForeignKey("throttles.id", ondelete="CASCADE"), primary_key=True)
    begins_at: Mapped[datetime] = mapped_column(primary_key=True)
    used: Mapped[int]

    __table_args__ = (
        CheckConstraint("used >= 1", "used"),
        Index("ix_throttle_uses_throttle_id", "throttle_id"),
        Index("ix_throttle_uses_begins_at", "begins_at"),
        {"info": {"retention": Rows("begins_at", timedelta(days=62), "nothing asks of a window that is over")}},
    )
