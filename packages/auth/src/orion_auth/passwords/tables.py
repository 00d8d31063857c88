"""Requests to set a new password."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Origin, Table, owner
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class PasswordReset(Identified, Origin, Timestamped, Table):
    """One mailed link that lets its bearer set a new password, once."""

    __tablename__ = "password_resets"

    user_id: Mapped[UUID] = owner()
    email: Mapped[str] = mapped_column(String(255), comment="Where the link was sent")
    token: Mapped[str] = mapped_column(String(64), comment="Public selector, no secret")
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    attempts_count: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("5"))

    __table_args__ = (
        UniqueConstraint("token"),
        UniqueConstraint("token_hash"),
        Index(None, "user_id", "requested_at"),
        Index(None, "expires_at"),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint(digest_check("token_hash"), name="token_hash"),
        CheckConstraint("requested_at < expires_at", name="lifetime"),
        CheckConstraint("attempts_count BETWEEN 0 AND max_attempts", name="attempts"),
        {
            "info": {"retention": Rows("expires_at", timedelta(days=30), "long enough to answer who asked for a link")},
            "comment": "Requests to set a new password",
        },
    )
