"""What administrators see of refresh tokens: never a secret, nor what one is found by."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from orion_auth.tokens.rules import TokenStatus
from orion_core.http.shapes import ResponseShape


class RefreshTokenShape(ResponseShape):
    """One refresh token of a session's line."""

    id: UUID
    parent_id: UUID | None = Field(description="The token that it was obtained with; null for the first.")
    replaced_by_id: UUID | None = Field(description="The token that was obtained with it.")
    refresh_count: int = Field(description="How many came before it.")
    status: TokenStatus
    issued_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    idle_until: datetime | None = Field(description="Until when it had to be used.")
    expires_at: datetime = Field(description="When the session ends in any case.")
    device_id: str | None
    ip_address: str | None = Field(description="Of whom it was given to.")
    user_agent: str | None
    is_bound: bool = Field(description="Whether it is of no use without a key (DPoP).")
