"""What the session routes answer."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from orion_core.http.shapes import ResponseShape


class SessionShape(ResponseShape):
    """One place where the user is signed in."""

    id: UUID
    is_current: bool
    """Whether this very request belongs to it."""
    device_name: str | None
    device_type: str | None
    ip_address: str | None
    user_agent: str | None
    country: str | None
    city: str | None
    started_at: datetime
    last_used_at: datetime
    """When it was last refreshed; its access tokens may have been used some minutes later."""
    expires_at: datetime
    """When it ends unless it is refreshed."""
    authenticated_at: datetime
    """When its owner last gave proof of who he is."""
    amr: list[str]
    """By what (RFC 8176)."""


class SessionsEnded(ResponseShape):
    """How many sessions have ended."""

    ended: int


class SessionGranted(ResponseShape):
    """A new session: a token to work with, and one to get the next with."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    """Seconds the access token is good for."""
    refresh_token: str
    refresh_expires_in: int
    """Seconds until the session ends unless it is refreshed."""
    session_id: UUID
    user_id: UUID
    device_secret: str | None = Field(None, repr=False)
    """Shown once, where this device is trusted from now on: with its `device_id` it spares the second factor. A browser
    has it as an HttpOnly cookie too and need not keep it."""
    trusted_until: datetime | None = None
