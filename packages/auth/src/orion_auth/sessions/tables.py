"""What is refused before its time has run out."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table
from orion_core.retention.declarations import Rows
from orion_core.tables import Identified, Timestamped, digest_check


class SessionBlacklist(Identified, Timestamped, Table):
    """One token, one session, or all of a user's tokens up to an epoch.

    Kept until what it refuses would have died anyway.
    """

    __tablename__ = "session_blacklist"

    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, comment="SHA-256 of the refused token")
    session_id: Mapped[UUID | None]
    user_epoch: Mapped[int | None] = mapped_column(comment="Tokens of this and earlier security epochs are refused")
    user_id: Mapped[UUID | None] = mapped_column(comment="No foreign key: refusal outlives the user")
    reason: Mapped[str] = mapped_column(String(60))
    revoked_by: Mapped[str | None] = mapped_column(String(100), comment="A user id, or the name of a service")
    revoked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("token_hash"),
        UniqueConstraint("session_id"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
        CheckConstraint("num_nonnulls(token_hash, session_id, user_epoch) = 1", name="what"),
        CheckConstraint("user_epoch IS NULL OR user_id IS NOT NULL", name="whose"),
        CheckConstraint(digest_check("token_hash"), name="token_hash"),
        CheckConstraint("revoked_at < expires_at", name="lifetime"),
        {
            "info": {
                "retention": Rows(
                    "expires_at",
                    timedelta(days=1),
                    "what it refuses has died by itself; a day for clocks that differ",
                    at_least=timedelta(hours=1),
                )
            },
            "comment": "Tokens, sessions and epochs refused before their time",
        },
    )


class SessionProof(Identified, Timestamped, Table):
    """That the owner of a session has proved again who he is: the access tokens that it had before are refused.

    Kept until the last of them would have died anyway.
    """

    __tablename__ = "session_proofs"

    session_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(comment="No foreign key: refusal outlives the user")
    proved_at: Mapped[datetime] = mapped_column(comment="A whole second, as auth_time is in tokens")
    expires_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("session_id"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
        CheckConstraint("proved_at < expires_at", name="lifetime"),
        {
            "info": {
                "retention": Rows(
                    "expires_at",
                    timedelta(days=1),
                    "what it refuses has died by itself; a day for clocks that differ",
                    at_least=timedelta(hours=1),
                )
            },
            "comment": "Proofs within sessions, whose access tokens of before are refused",
        },
    )
