"""What the session routes answer."""

from typing import Literal
from uuid import UUID

from orion_core.http.shapes import ResponseShape


class SessionGranted(ResponseShape):
    """A new session: a token to work with, and one to get the next with."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    """Seconds the access token is good for."""
    refresh_token: str
    refresh_expires_in: int
    """Seconds until the session ends, however often it is refreshed."""
    session_id: UUID
    user_id: UUID
