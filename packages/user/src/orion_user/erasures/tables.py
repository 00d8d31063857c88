"""Who is to be forgotten, how far that is, and who may not be."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Forever
from orion_core.tables import Identified, Timestamped, native_enum
from orion_user.base import Table, object_check
from orion_user.erasures.rules import ErasureReason

OPEN = "auth_erased_at IS NULL OR user_erased_at IS NULL OR notifications_erased_at IS NULL"


class Erasure(Identified, Timestamped, Table):
    """One erasure, and its receipt once all three services are done.

    It holds an id that tells of nobody any more, times, and how many rows there were: nothing of what was erased.
    """

    __tablename__ = "erasures"

    user_id: Mapped[UUID] = mapped_column(unique=True, comment="No foreign key: the receipt outlives the user")
    reason: Mapped[ErasureReason] = mapped_column(native_enum(ErasureReason))
    requested_by: Mapped[str] = mapped_column(String(100), comment="Subject of an access token, or user itself")
    requested_at: Mapped[datetime]
    auth_erased_at: Mapped[datetime | None]
    user_erased_at: Mapped[datetime | None]
    notifications_erased_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'::jsonb"), comment="Rows deleted or emptied, by service and table"
    )
    obstacle: Mapped[str | None] = mapped_column(String(500), comment="Why user could not erase yet; tried again")

    __table_args__ = (
        CheckConstraint(object_check("counts"), name="counts"),
        Index("ix_erasures_open", "requested_at", postgresql_where=text(OPEN)),
        {"info": {"retention": Forever("the receipt that somebody was forgotten; it holds nothing of them")}},
    )


class LegalHold(Identified, Timestamped, Table):
    """A user who must not be forgotten as long as it stands. The database itself refuses to delete them."""

    __tablename__ = "legal_holds"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), unique=True)
    reason: Mapped[str] = mapped_column(String(500))
    placed_by: Mapped[str] = mapped_column(String(100))

    __table_args__ = (
        CheckConstraint("reason <> ''", name="reason"),
        {
            "info": {
                "retention": Forever("until it is lifted; the audit trail knows of it afterwards"),
                "is_confidential": True,
            }
        },
    )
