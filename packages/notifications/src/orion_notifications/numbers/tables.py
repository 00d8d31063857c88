"""Tables of numbers."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever, Rows
from orion_core.tables import Identified
from orion_notifications.base import Table
from orion_notifications.kinds import Category, Channel
from orion_notifications.numbers.rules import BOUNDS

NONE = text("0")


class NotificationNumbers(Identified, Table):
    """What happened in the quarter of an hour that begins at `begins_at`.

    `provider` is who had the messages; null of what had not come so far, as all that is accepted. `latency`
    counts those that were to go at once by the seconds from accepted to sent, in the classes of `rules.BOUNDS`. A
    message is counted in each of the quarters in which it came to be something else. No foreign key: numbers stay when
    messages and templates have gone.
    """

    __tablename__ = "notification_numbers"

    begins_at: Mapped[datetime]
    channel: Mapped[Channel]
    category: Mapped[Category]
    provider: Mapped[str | None] = mapped_column(String(60))
    template_id: Mapped[UUID | None]
    accepted: Mapped[int] = mapped_column(server_default=NONE)
    sent: Mapped[int] = mapped_column(server_default=NONE)
    delivered: Mapped[int] = mapped_column(server_default=NONE)
    failed: Mapped[int] = mapped_column(server_default=NONE)
    bounced: Mapped[int] = mapped_column(server_default=NONE)
    rejected: Mapped[int] = mapped_column(server_default=NONE)
    cancelled: Mapped[int] = mapped_column(server_default=NONE)
    expired: Mapped[int] = mapped_column(server_default=NONE)
    opened: Mapped[int] = mapped_column(server_default=NONE)
    clicked: Mapped[int] = mapped_column(server_default=NONE)
    latency: Mapped[list[int]] = mapped_column(ARRAY(Integer))

    __table_args__ = (
        UniqueConstraint(
            "begins_at",
            "channel",
            "category",
            "provider",
            "template_id",
            name="uq_notification_numbers_kind",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint(f"cardinality(latency) = {len(BOUNDS) + 1}", "latency"),
        {"info": {"retention": Rows("begins_at", timedelta(days=400), "a year is compared with the one before")}},
    )


class NumbersProgress(Table):
    """Up to when messages have been counted. Whoever counts holds the one row, so nobody else does."""

    __tablename__ = "numbers_progress"

    single: Mapped[bool] = mapped_column(primary_key=True)
    counted_until: Mapped[datetime]

    __table_args__ = (CheckConstraint("single", "single"), {"info": {"retention": Forever("one row")}})
