"""Changes of address that are under way."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Origin, Table, owner
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class EmailChange(Identified, Origin, Timestamped, Table):
    """One change of address; it is made when both ends have agreed."""

    __tablename__ = "email_changes"

    user_id: Mapped[UUID] = owner()
    old_email: Mapped[str] = mapped_column(String(255))
    new_email: Mapped[str] = mapped_column(String(255))
    old_selector: Mapped[str] = mapped_column(String(64), comment="Public selector, no secret")
    old_secret_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    new_selector: Mapped[str] = mapped_column(String(64), comment="Public selector, no secret")
    new_secret_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    old_confirmed_at: Mapped[datetime | None]
    new_confirmed_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("old_selector"),
        UniqueConstraint("new_selector"),
        Index(None, "user_id"),
        Index(
            "uq_email_changes_open",
            "user_id",
            unique=True,
            postgresql_where=text("completed_at IS NULL AND cancelled_at IS NULL"),
        ),
        Index(None, "expires_at"),
        CheckConstraint("old_email = lower(old_email) AND new_email = lower(new_email)", name="emails"),
        CheckConstraint("old_email <> new_email", name="changes"),
        CheckConstraint(digest_check("old_secret_hash"), name="old_secret_hash"),
        CheckConstraint(digest_check("new_secret_hash"), name="new_secret_hash"),
        CheckConstraint(
            "completed_at IS NULL OR (old_confirmed_at IS NOT NULL AND new_confirmed_at IS NOT NULL)", name="agreed"
        ),
        CheckConstraint("completed_at IS NULL OR cancelled_at IS NULL", name="ended"),
        {
            "info": {"retention": Rows("expires_at", timedelta(days=30), "long enough to answer who asked for it")},
            "comment": "Changes of address, made when whoever reads the old and the new one has agreed",
        },
    )
