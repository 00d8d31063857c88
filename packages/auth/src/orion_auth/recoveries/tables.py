"""Recoveries of accounts whose second factors are lost."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Origin, Table, owner
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class AccountRecovery(Identified, Origin, Timestamped, Table):
    """One recovery; `selector` and `secret_hash` are of the link by which its owner refuses it."""

    __tablename__ = "account_recoveries"

    user_id: Mapped[UUID] = owner()
    selector: Mapped[str] = mapped_column(String(64), comment="Public selector, no secret")
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    requested_at: Mapped[datetime]
    ready_at: Mapped[datetime] = mapped_column(comment="It cannot be completed before")
    expires_at: Mapped[datetime] = mapped_column(comment="It cannot be completed from then on")
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary, comment="HMAC-SHA-256 under a server key")
    code_expires_at: Mapped[datetime | None]
    codes_sent: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), comment="At the last code sent")
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("selector"),
        Index(None, "user_id"),
        Index(
            "uq_account_recoveries_open",
            "user_id",
            unique=True,
            postgresql_where=text("completed_at IS NULL AND cancelled_at IS NULL"),
        ),
        Index(None, "expires_at"),
        CheckConstraint(digest_check("secret_hash"), name="secret_hash"),
        CheckConstraint(digest_check("code_hash"), name="code_hash"),
        CheckConstraint("requested_at < ready_at AND ready_at < expires_at", name="delay"),
        CheckConstraint("completed_at >= ready_at AND completed_at < expires_at", name="completed"),
        CheckConstraint("completed_at IS NULL OR cancelled_at IS NULL", name="ended"),
        CheckConstraint("num_nonnulls(code_hash, code_expires_at) <> 1", name="code"),
        CheckConstraint("codes_sent >= 0 AND tries >= 0", name="counts"),
        {
            "info": {"retention": Rows("expires_at", timedelta(days=90), "long enough to answer who asked for it")},
            "comment": "Recoveries of accounts whose second factors are lost; each waits, and can be refused",
        },
    )
