"""Who has linked which account elsewhere, and journeys to providers that are under way."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner, sealed
from orion_core.retention.declarations import Follows, Rows
from orion_core.tables import Annotated, Identified, Timestamped, digest_check, native_enum


class OAuthProvider(Identified, Timestamped, Annotated, Table):
    """One account elsewhere that a user has linked."""

    __tablename__ = "oauth_providers"

    user_id: Mapped[UUID] = owner()
    # A provider through which people are linked can be switched off, but not deleted under them.
    provider: Mapped[str] = mapped_column(
        ForeignKey("oauth_connections.name", ondelete="RESTRICT", onupdate="CASCADE"), type_=String(50)
    )
    provider_id: Mapped[str] = mapped_column(String(255), comment="The provider's subject")
    provider_email: Mapped[str | None] = mapped_column(String(255))
    access_token: Mapped[bytes | None] = sealed()
    refresh_token: Mapped[bytes | None] = sealed()
    token_expires_at: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(255)), server_default=text("'{}'"))
    profile: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    is_primary: Mapped[bool] = mapped_column(server_default=text("false"))
    last_used_at: Mapped[datetime | None]
    last_synced_at: Mapped[datetime | None]
    refresh_failures: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    refresh_retry_at: Mapped[datetime | None] = mapped_column(
        comment="Not before: another process is refreshing the tokens, or the provider has refused lately"
    )
    sync_due_at: Mapped[datetime | None]
    access_ended_at: Mapped[datetime | None] = mapped_column(comment="When the provider took our tokens no more")

    __table_args__ = (
        UniqueConstraint("provider", "provider_id"),
        Index(None, "user_id"),
        Index("uq_oauth_providers_primary", "user_id", unique=True, postgresql_where=text("is_primary")),
        Index(
            "ix_oauth_providers_token_expires_at",
            "token_expires_at",
            postgresql_where=text("refresh_token IS NOT NULL"),
        ),
        Index("ix_oauth_providers_sync_due_at", "sync_due_at", postgresql_where=text("sync_due_at IS NOT NULL")),
        CheckConstraint("provider_email = lower(provider_email)", name="provider_email"),
        {
            "info": {"retention": Follows("identities", "a linked account, until it is unlinked")},
            "comment": "Accounts elsewhere that users have linked",
        },
    )


class FlowStatus(Enum):
    """STARTED: the browser is on its way. RETURNED: it is back, and the provider is asked. PROVED: it is known who it
    is. USED: somebody has signed in by it, or linked an account.
    """

    STARTED = "STARTED"
    RETURNED = "RETURNED"
    PROVED = "PROVED"
    USED = "USED"


class OAuthFlow(Identified, Timestamped, Table):
    """One journey to a provider and back, and what it proved."""

    __tablename__ = "oauth_flows"

    provider: Mapped[str] = mapped_column(
        ForeignKey("oauth_connections.name", ondelete="CASCADE", onupdate="CASCADE"), type_=String(50)
    )
    status: Mapped[FlowStatus] = mapped_column(native_enum(FlowStatus), server_default="STARTED")
    state_hash: Mapped[bytes] = mapped_column(LargeBinary)
    nonce_hash: Mapped[bytes] = mapped_column(LargeBinary)
    browser_hash: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="Of the cookie of the browser that began it; empty when a backend did"
    )
    flow_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="Of the secret of whoever began it")
    code_verifier: Mapped[bytes | None] = sealed()
    return_to: Mapped[str] = mapped_column(String(2000))
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary, comment="Of the code that the browser brought back")
    proof: Mapped[bytes | None] = sealed()
    email: Mapped[str | None] = mapped_column(String(255), comment="The address that a code was mailed to")
    email_code_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    email_tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    expires_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("state_hash"),
        Index(None, "provider"),
        Index(None, "expires_at"),
        CheckConstraint(digest_check("state_hash"), name="state_hash"),
        CheckConstraint(digest_check("nonce_hash"), name="nonce_hash"),
        CheckConstraint(digest_check("browser_hash"), name="browser_hash"),
        CheckConstraint(digest_check("flow_hash"), name="flow_hash"),
        CheckConstraint(digest_check("code_hash"), name="code_hash"),
        CheckConstraint(digest_check("email_code_hash"), name="email_code_hash"),
        CheckConstraint("(status IN ('PROVED', 'USED')) = (code_hash IS NOT NULL)", name="proved"),
        CheckConstraint("status <> 'USED' OR num_nonnulls(proof, code_verifier) = 0", name="used"),
        CheckConstraint("email_tries BETWEEN 0 AND 5", name="email_tries"),
        {
            "info": {"retention": Rows("expires_at", timedelta(hours=1), "a journey that is over proves nothing more")},
            "comment": "Journeys to sign-in providers that are under way",
        },
    )
