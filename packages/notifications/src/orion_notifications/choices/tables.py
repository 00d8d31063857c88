"""Table of consents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, IpAddress, Timestamped, native_enum
from orion_notifications.base import NEVER_DELETED, Table
from orion_notifications.choices.rules import ConsentSource
from orion_notifications.kinds import Category, Channel


class Consent(Identified, Annotated, Timestamped, Table):
    """That somebody wants messages of a category by a channel from this moment on, or wants them no more.

    Of a user, or of an address by its hash. An erased person's rows say only that somebody said so.
    """

    __tablename__ = "consents"

    user_id: Mapped[UUID | None]
    channel: Mapped[Channel]
    category: Mapped[Category]
    recipient_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    is_given: Mapped[bool]
    source: Mapped[ConsentSource] = mapped_column(native_enum(ConsentSource))
    notification_id: Mapped[UUID | None]
    ip_address: Mapped[IpAddress | None] = mapped_column(INET)
    occurred_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("octet_length(recipient_hash) = 32", "recipient_hash"),
        Index("ix_consents_user_id", "user_id"),
        Index("ix_consents_recipient_hash", "recipient_hash"),
        Index("ix_consents_notification_id", "notification_id", postgresql_where=text("notification_id IS NOT NULL")),
        {"info": {"retention": Forever("that somebody agreed is proved by it"), "grants": NEVER_DELETED}},
    )
