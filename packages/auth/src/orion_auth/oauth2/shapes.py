"""What the token endpoint answers, in the names of RFC 6749."""

from typing import Literal

from orion_core.http.shapes import ResponseShape


class TokenResponse(ResponseShape):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str | None = None
    scope: str | None = None


class TokenError(ResponseShape):
    """RFC 6749 §5.2."""

    error: str
    error_description: str
