"""Table of suppressions."""

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Rows
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_notifications.base import Table
from orion_notifications.kinds import Category, Channel
from orion_notifications.suppressions.rules import SuppressionReason


class Suppression(Identified, Annotated, Timestamped, Table):
    """An address that gets nothing through this channel; of one category, or of any where `category` is null.

    The address itself is not kept: `recipient_hash` is an HMAC-SHA-256 of it in lower case, so the list can outlive the
    account without being a list of people.
    """

    __tablename__ = "suppressions"

    channel: Mapped[Channel]
    recipient_hash: Mapped[bytes] = mapped_column(LargeBinary)
    category: Mapped[Category | None]
    reason: Mapped[SuppressionReason] = mapped_column(native_enum(SuppressionReason))
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("channel", "recipient_hash", "category", postgresql_nulls_not_distinct=True),
        CheckConstraint("octet_length(recipient_hash) = 32", "recipient_hash"),
        CheckConstraint("expires_at > created_at", "expires_at"),
        Index("ix_suppressions_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        {
            "info": {
                "retention": Rows("expires_at", timedelta(days=30), "it suppresses no more; those without an end stay")
            }
        },
    )
