"""Who has linked which account elsewhere."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from orion_auth.base import Table, owner, sealed
from orion_core.retention.declarations import Follows
from orion_core.tables import Annotated, Identified, Timestamped


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

    __table_args__ = (
        UniqueConstraint("provider", "provider_id"),
        Index(None, "user_id"),
        Index("uq_oauth_providers_primary", "user_id", unique=True, postgresql_where=text("is_primary")),
        Index(
            "ix_oauth_providers_token_expires_at",
            "token_expires_at",
            postgresql_where=text("refresh_token IS NOT NULL"),
        ),
        CheckConstraint("provider_email = lower(provider_email)", name="provider_email"),
        {
            "info": {"retention": Follows("identities", "a linked account, until it is unlinked")},
            "comment": "Accounts elsewhere that users have linked",
        },
    )
