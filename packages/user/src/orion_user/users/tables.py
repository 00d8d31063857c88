"""The profile of a user. Credentials are auth's."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Annotated, Identified, SoftDeleted, Timestamped, native_enum
from orion_user.base import EMAIL_CHECK, PHONE_CHECK, Table, object_check
from orion_user.users.rules import UserStatus


class User(Identified, SoftDeleted, Timestamped, Annotated, Table):
    """One user; `id` is the user's id in every service.

    The counters and moments of sign-ins are a read model of auth's events, for showing and for searching; nothing is
    decided by them here. A deleted user keeps everything until `purge_after`.
    """

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(255))
    username: Mapped[str | None] = mapped_column(String(60))
    name: Mapped[str | None] = mapped_column(String(100))
    phone: Mapped[str | None] = mapped_column(String(16), comment="E.164")
    avatar_url: Mapped[str | None] = mapped_column(String(2048))
    bio: Mapped[str | None] = mapped_column(String(1000))
    location: Mapped[str | None] = mapped_column(String(100))
    website: Mapped[str | None] = mapped_column(String(2048))
    social_links: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    status: Mapped[UserStatus] = mapped_column(native_enum(UserStatus), server_default="PENDING")
    status_before_deletion: Mapped[UserStatus | None] = mapped_column(
        native_enum(UserStatus), comment="What restoring gives back"
    )
    email_verified_at: Mapped[datetime | None]
    phone_verified_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    last_active_at: Mapped[datetime | None]
    login_count: Mapped[int] = mapped_column(server_default="0")
    failed_login_count: Mapped[int] = mapped_column(server_default="0", comment="Since the last sign-in that succeeded")
    last_failed_login_at: Mapped[datetime | None]
    locked_until: Mapped[datetime | None]
    security_epoch: Mapped[int] = mapped_column(server_default="0", comment="The latest that auth has told of")
    purge_after: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(EMAIL_CHECK, name="email"),
        CheckConstraint("username = lower(username) AND username <> ''", name="username"),
        CheckConstraint(PHONE_CHECK, name="phone"),
        CheckConstraint(object_check("social_links"), name="social_links"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        CheckConstraint("login_count >= 0 AND failed_login_count >= 0", name="counts"),
        CheckConstraint("security_epoch >= 0", name="security_epoch"),
        CheckConstraint("(status = 'DELETED') = (deleted_at IS NOT NULL)", name="deleted"),
        CheckConstraint("purge_after >= deleted_at", name="purge_after"),
        CheckConstraint("purge_after IS NULL OR deleted_at IS NOT NULL", name="purge_deleted"),
        Index("uq_users_email", "email", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_users_username", "username", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_users_phone", "phone", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_status_created_at_id", "status", "created_at", "id"),
        Index("ix_users_last_login_at", "last_login_at"),
        Index("ix_users_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_users_purge_after", "purge_after", postgresql_where=text("purge_after IS NOT NULL")),
        # One GIN index over three columns: an ILIKE on any of them, or on all with OR, is answered from it.
        Index(
            "ix_users_search",
            "name",
            "email",
            "username",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops", "email": "gin_trgm_ops", "username": "gin_trgm_ops"},
        ),
        {
            "info": {
                "retention": Forever("until the person is forgotten: on request, or after purge_after (docs/users.md)")
            },
            "comment": "Profiles; id is the user id in every service",
        },
    )


class UserAbsence(Identified, Timestamped, Table):
    """That a user could not come in for a time, suspended or deleted; without an end that is so still."""

    __tablename__ = "user_absences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("ended_at >= began_at", name="ended_at"),
        Index(None, "user_id", "began_at"),
        Index("uq_user_absences_open", "user_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        {"info": {"retention": Follows("users", "a part of it"), "grants": "SELECT, INSERT, UPDATE"}},
    )
