"""What auth knows of a user. The profile (name, picture, roles) belongs to the user service."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import PHONE_CHECK, Table
from orion_auth.identities.rules import IdentityStatus
from orion_core.retention.declarations import Forever
from orion_core.tables import Annotated, Identified, SoftDeleted, Timestamped, native_enum


class Identity(Identified, SoftDeleted, Timestamped, Annotated, Table):
    """One user; `id` is the user's id in every service."""

    __tablename__ = "identities"

    email: Mapped[str] = mapped_column(String(255))
    username: Mapped[str | None] = mapped_column(String(50))
    phone: Mapped[str | None] = mapped_column(String(16), comment="E.164")
    password_hash: Mapped[str | None] = mapped_column(String(255), comment="PHC string, Argon2id")
    password_changed_at: Mapped[datetime | None]
    status: Mapped[IdentityStatus] = mapped_column(native_enum(IdentityStatus), server_default="PENDING")
    email_verified_at: Mapped[datetime | None]
    phone_verified_at: Mapped[datetime | None]
    locale: Mapped[str] = mapped_column(
        String(35), server_default="en", comment="BCP 47; what mails about this account are written in"
    )
    is_told_of_sign_ins: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Of every one, not only of those on new devices"
    )
    failed_login_count: Mapped[int] = mapped_column(server_default=text("0"))
    locked_until: Mapped[datetime | None]
    security_epoch: Mapped[int] = mapped_column(
        server_default=text("0"), comment="Raised to end all sessions: tokens of an earlier epoch are refused"
    )

    __table_args__ = (
        CheckConstraint("email = lower(email) AND email LIKE '%_@_%'", name="email"),
        CheckConstraint("username = lower(username) AND username <> ''", name="username"),
        CheckConstraint(PHONE_CHECK.format("phone"), name="phone"),
        # Whatever was hashed elsewhere and imported has this form too ($2b$…, $scrypt$…); a bare password has not.
        CheckConstraint(r"password_hash ~ '^\$[a-z0-9-]+\$.+\$'", name="password_hash"),
        CheckConstraint("(status = 'DELETED') = (deleted_at IS NOT NULL)", name="deleted"),
        CheckConstraint("failed_login_count >= 0", name="failed_login_count"),
        CheckConstraint("security_epoch >= 0", name="security_epoch"),
        Index("uq_identities_email", "email", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_identities_username", "username", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_identities_phone", "phone", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_identities_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        {
            "info": {
                "retention": Forever(
                    "until the person is forgotten: on request, or when a deleted user's time to be restored is over"
                )
            },
            "comment": "What auth knows of a user; id is the user id in every service",
        },
    )
