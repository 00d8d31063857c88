"""Elevations, and how each was decided."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows
from orion_core.tables import Identified, Timestamped, native_enum
from orion_user.base import Table
from orion_user.elevations.rules import LONGEST_MINUTES, ElevationStatus
from orion_user.permissions.rules import PermissionScope


class Elevation(Identified, Timestamped, Table):
    """A role that somebody asked to have for a time. What it gives is an assignment with an end, like any other."""

    __tablename__ = "elevations"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="RESTRICT"), index=True)
    scope: Mapped[PermissionScope] = mapped_column(native_enum(PermissionScope), server_default="GLOBAL")
    scope_id: Mapped[UUID | None] = mapped_column(comment="Of the assignment, once there is one; checked there")
    minutes: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str] = mapped_column(String(500))
    status: Mapped[ElevationStatus] = mapped_column(native_enum(ElevationStatus), server_default="PENDING")
    lapses_at: Mapped[datetime] = mapped_column(comment="Until when it can be decided")
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Empty: an operator, or a user who has been purged"
    )
    decision_reason: Mapped[str | None] = mapped_column(String(500))
    user_role_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_roles.id", ondelete="SET NULL"))
    ends_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(scope = 'GLOBAL') = (scope_id IS NULL)", name="scope_id"),
        CheckConstraint(f"minutes BETWEEN 1 AND {LONGEST_MINUTES}", name="minutes"),
        # Four eyes: whatever else goes wrong, nobody approves his own.
        CheckConstraint("decided_by <> user_id", name="decided_by"),
        CheckConstraint("status NOT IN ('APPROVED', 'DENIED') OR decided_at IS NOT NULL", name="decided"),
        CheckConstraint("status <> 'APPROVED' OR ends_at IS NOT NULL", name="approved"),
        CheckConstraint("(status = 'ENDED') = (ended_at IS NOT NULL)", name="ended"),
        Index(
            "uq_elevations_pending",
            "user_id",
            "role_id",
            "scope_id",
            unique=True,
            postgresql_where=text("status = 'PENDING'"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_elevations_user_id_id", "user_id", "id"),
        Index("ix_elevations_status_id", "status", "id"),
        Index("ix_elevations_decided_by", "decided_by", postgresql_where=text("decided_by IS NOT NULL")),
        Index("ix_elevations_user_role_id", "user_role_id", postgresql_where=text("user_role_id IS NOT NULL")),
        {
            "info": {
                "retention": Follows("users", "who could do what for a time, and who let them"),
                "grants": "SELECT, INSERT, UPDATE",
            }
        },
    )
