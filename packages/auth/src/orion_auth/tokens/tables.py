"""Every token auth has given out, by its public selector and the hash of its secret."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Origin, Table, owner
from orion_auth.tokens.rules import TokenStatus
from orion_core.retention.declarations import Rows
from orion_core.tables import Annotated, Identified, Timestamped, digest_check, native_enum


class TokenType(Enum):
    """What a token is good for."""

    ACCESS = "ACCESS"
    REFRESH = "REFRESH"
    PASSWORD_RESET = "PASSWORD_RESET"
    EMAIL_VERIFICATION = "EMAIL_VERIFICATION"
    MAGIC_LINK = "MAGIC_LINK"
    API_KEY = "API_KEY"


class AuthToken(Identified, Origin, Timestamped, Annotated, Table):
    """One token. A refresh token's family is the id of the first of its line; each successor names its predecessor."""

    __tablename__ = "auth_tokens"

    token: Mapped[str] = mapped_column(String(64), comment="Public selector, no secret")
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the secret part")
    type: Mapped[TokenType] = mapped_column(native_enum(TokenType))
    status: Mapped[TokenStatus] = mapped_column(native_enum(TokenStatus), server_default="ACTIVE")
    user_id: Mapped[UUID] = owner()
    session_id: Mapped[UUID | None]
    family_id: Mapped[UUID | None] = mapped_column(comment="Id of the first token of the line of rotations")
    parent_token_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("auth_tokens.id", ondelete="SET NULL"), comment="The token this one was obtained with"
    )
    rotated_from_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("auth_tokens.id", ondelete="SET NULL"), comment="The token this one replaced"
    )
    refresh_count: Mapped[int] = mapped_column(server_default=text("0"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(121)), server_default=text("'{}'"))
    audience: Mapped[str | None] = mapped_column(String(255))
    issuer: Mapped[str | None] = mapped_column(String(255))
    client_id: Mapped[str | None] = mapped_column(String(255))
    device_id: Mapped[str | None] = mapped_column(String(128), comment="The client's stable id, as in devices")
    location: Mapped[dict[str, Any] | None]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    session_started_at: Mapped[datetime | None]
    auth_time: Mapped[datetime | None] = mapped_column(comment="When the owner last gave proof of who he is")
    amr: Mapped[list[str]] = mapped_column(
        ARRAY(String(20)), server_default=text("'{}'"), comment="How he did (RFC 8176)"
    )
    idle_seconds: Mapped[int | None] = mapped_column(comment="How long the session may go without being refreshed")
    idle_until: Mapped[datetime | None] = mapped_column(comment="When it will have; expires_at is the session's end")
    security_epoch: Mapped[int | None] = mapped_column(comment="Of the user, when the session was begun")
    jkt: Mapped[str | None] = mapped_column(String(43), comment="Thumbprint of the key it is bound to (RFC 9449)")
    client_hash: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="SHA-256 of what told the client that rotated it from others"
    )
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(60))
    usage_count: Mapped[int] = mapped_column(server_default=text("0"))

    __table_args__ = (
        UniqueConstraint("token"),
        UniqueConstraint("token_hash"),
        # One successor per token, whatever the application does: the second rotation of a token cannot be written.
        UniqueConstraint("rotated_from_id"),
        Index(None, "user_id", "type", "status"),
        Index(None, "family_id"),
        Index(None, "parent_token_id"),
        Index("ix_auth_tokens_expiry", "expires_at"),
        Index(
            "ix_auth_tokens_idle",
            "idle_until",
            postgresql_where=text("status = 'ACTIVE' AND idle_until IS NOT NULL"),
        ),
        CheckConstraint(digest_check("token_hash"), name="token_hash"),
        CheckConstraint("issued_at < expires_at", name="lifetime"),
        CheckConstraint("(status = 'REVOKED') = (revoked_at IS NOT NULL)", name="revoked"),
        CheckConstraint("type <> 'REFRESH' OR family_id IS NOT NULL", name="family"),
        CheckConstraint("refresh_count >= 0 AND usage_count >= 0", name="counts"),
        CheckConstraint("idle_seconds > 0 AND security_epoch >= 0", name="session"),
        CheckConstraint(digest_check("client_hash"), name="client_hash"),
        {
            "info": {
                "retention": Rows(
                    "expires_at",
                    timedelta(days=7),
                    "used ones too: while a session lives, reuse is told by them; a line of refresh tokens has one end",
                    at_least=timedelta(days=1),
                )
            },
            "comment": "Every token given out, by public selector and hash of the secret",
        },
    )
