"""Table of engagements."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Months
from orion_core.tables import Identified, native_enum
from orion_notifications.base import Table
from orion_notifications.engagements.rules import Agent, EngagementKind


class Engagement(Identified, Table):
    """That a mail was opened, or its link number `link` followed. `machine` is why it was no reader; null: a reader.

    No foreign key to the message: its month may go before.
    """

    __tablename__ = "engagements"

    notification_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    """Whose the message was."""
    kind: Mapped[EngagementKind] = mapped_column(native_enum(EngagementKind))
    link: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    agent: Mapped[Agent] = mapped_column(native_enum(Agent))
    machine: Mapped[str | None] = mapped_column(String(40))
    occurred_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (
        CheckConstraint("(kind = 'CLICK') = (link > 0)", "link"),
        Index("ix_engagements_notification_id", "notification_id"),
        Index("ix_engagements_user_id", "user_id"),
        {
            "postgresql_partition_by": "RANGE (id)",
            "info": {
                "retention": Months(
                    keep=timedelta(days=90),
                    at_least=timedelta(days=7),
                    why="who read what is nobody's business for long; the numbers stay",
                )
            },
        },
    )
