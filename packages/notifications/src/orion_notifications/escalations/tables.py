"""Table of escalations."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Rows
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.escalations.rules import EscalationRule


class Escalation(Identified, Annotated, Timestamped, Table):
    """A message that goes through one channel after the other.

    `sealed_message` is the request, secrets and all, until it is over. `notification_ids` are the messages that it has
    become so far, one for each channel that was tried.
    """

    __tablename__ = "escalations"

    user_id: Mapped[UUID | None]
    rule: Mapped[EscalationRule] = mapped_column(native_enum(EscalationRule))
    sealed_message: Mapped[bytes | None] = mapped_column(LargeBinary, info={"sealed": True})
    notification_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    next_look_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(sealed_message IS NULL) = (ended_at IS NOT NULL)", "sealed_message"),
        CheckConstraint("notification_ids <> '{}'", "notification_ids"),
        Index("ix_escalations_next_look_at", "next_look_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_escalations_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("ix_escalations_user_id", "user_id"),
        {"info": {"retention": Rows("ended_at", timedelta(days=30), "it is over; its messages have their own time")}},
    )
