"""Invitations."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class Invitation(Identified, Timestamped, Table):
    """One mail to one address, by which its reader makes a pending identity his own."""

    __tablename__ = "invitations"

    user_id: Mapped[UUID] = owner()
    email: Mapped[str] = mapped_column(String(255), comment="Where the link was sent")
    selector: Mapped[str] = mapped_column(String(64), comment="Public selector, no secret")
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    invited_by: Mapped[str] = mapped_column(String(255), comment="Subject of the administrator's access token")
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("selector"),
        Index(None, "user_id"),
        Index(
            "uq_invitations_open",
            "user_id",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND cancelled_at IS NULL"),
        ),
        Index(None, "expires_at"),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint(digest_check("secret_hash"), name="secret_hash"),
        CheckConstraint("accepted_at IS NULL OR cancelled_at IS NULL", name="ended"),
        {
            "info": {"retention": Rows("expires_at", timedelta(days=90), "long enough to answer who invited whom")},
            "comment": "Mails by which somebody makes an account that was prepared for him his own",
        },
    )
