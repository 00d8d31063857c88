"""What is sent to and from the route of proofs."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from orion_core.http.shapes import RequestShape, ResponseShape


class NewProof(RequestShape):
    """A proof of who one is."""

    password: str = Field(min_length=1, max_length=256, repr=False, examples=["correct horse battery staple"])


class Proved(ResponseShape):
    """An access token that says that its owner has just proved who he is; the refresh token stays as it is."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    """Seconds the access token is good for."""
    authenticated_at: datetime
